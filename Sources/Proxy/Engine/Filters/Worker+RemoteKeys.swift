internal import Authentication
internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// Keys of an issuer that are on their way, and the requests that wait for them.
struct KeyFetch {
    let source: RemoteKeySource
    /// The connection of the proxy's own request.
    var child = Handle.none
    var waiting: [Handle] = []
}

/// remote_jwks of envoy.filters.http.jwt_authn: each worker fetches the keys that its requests need, over its own pools, and
/// uses them for `cache_duration`. While there is a set, a fetch that fails costs nothing: the last good one is used on.
extension Worker where Wire: ~Copyable {
    /// How long the last good set is used before the next try.
    private static var retryMilliseconds: UInt64 { 1000 }

    /// Has keys fetched that a decision wants. False: they cannot be had, and the decision stands.
    mutating func fetchKeys(_ names: [String], _ filter: JWTFilter, for exchange: Handle) -> Bool {
        let missing = exchanges[exchange].filters.missingKeys
        guard let name = names.first(where: { !missing.contains($0) }), let source = filter.keySources[name] else {
            return false
        }
        exchanges[exchange].filters.awaitsKeys = true
        // The same filter again, with the keys.
        exchanges[exchange].filters.next &-= 1
        guard keyFetches[name] == nil else {
            keyFetches[name]?.waiting.append(exchange)
            return true
        }
        let handle = openInternal(for: exchange)
        connections[handle].input.append(source.request)
        keyFetches[name] = KeyFetch(source: source, child: handle, waiting: [exchange])
        let isSent = launchInternal(
            handle, .keys, for: .none, cluster: Int(source.cluster.index),
            timeoutMilliseconds: source.timeoutMilliseconds)
        // An answer that has come meanwhile has ended the fetch.
        if !isSent { endFetch(name, nil) }
        return true
    }

    /// The issuer has answered, or failed to: called while the exchange is being freed.
    mutating func takeKeys(_ answer: Handle) {
        let handle = exchanges[answer].downstream
        guard let name = keyFetches.first(where: { $0.value.child == handle })?.key else { return }
        guard exchanges[answer].responseState == .complete, !exchanges[answer].isLocalReply,
            exchanges[answer].response.status == 200, connections.contains(handle)
        else { return endFetch(name, nil) }
        endFetch(name, connections[handle].output.answerBody)
    }

    private mutating func endFetch(_ name: String, _ text: [UInt8]?) {
        guard let fetch = keyFetches.removeValue(forKey: name) else { return }
        var reason = "no answer with status 200"
        var isGood = false
        if let text {
            do throws(KeySet.Fault) {
                try remoteKeys.store(
                    String(decoding: text, as: UTF8.self), from: name, freshUntil: now &+ fetch.source.freshMilliseconds
                )
                isGood = true
            } catch {
                reason = "\(error)"
            }
        }
        if !isGood {
            isGood = remoteKeys.keepLast(of: name, until: now &+ Self.retryMilliseconds)
            warnOfKeys(fetch.source, reason, isGood)
        }
        // Not from here: the exchange that answered is half gone.
        for exchange in fetch.waiting where exchanges.contains(exchange) && exchanges[exchange].filters.awaitsKeys {
            exchanges[exchange].filters.awaitsKeys = false
            guard exchanges[exchange].responseState == .none else { continue }
            if !isGood { exchanges[exchange].filters.missingKeys.append(name) }
            resumableFilters.append(exchange)
        }
    }

    private mutating func warnOfKeys(_ source: RemoteKeySource, _ reason: String, _ hasLast: Bool) {
        guard now >= keyWarningAt else { return }
        keyWarningAt = now &+ 10_000
        settings.warn?(
            "keys cannot be fetched from \(source.uri): \(reason); "
                + (hasLast ? "those fetched before are used" : "tokens of their issuer are refused"))
    }
}
