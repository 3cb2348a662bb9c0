import Authentication
import FoundationEssentials
import Identity
import MeshAPI
package import MeshState

/// The key sets that policies name, fetched beforehand and again and again, so that no request waits for them.
///
/// What was fetched last stays in force while its place is unreachable or answers what is no key set. A set that is not
/// used by any policy any more is forgotten.
package actor KeySetStore {
    package struct Options: Sendable {
        /// Between two looks when all is well; a shorter `max-age` of the answer shortens it.
        package var refresh: Duration = .seconds(60)
        /// The shortest pause whatever answers say; failures begin with it and double it.
        package var shortest: Duration = .seconds(1)
        /// A PEM file with the authorities that sign for issuers, in the place of the system's.
        package var authorities: String?
        /// A file that keeps what was fetched last, so that a control plane which starts while an issuer is away does not
        /// forget its keys.
        package var memoryPath: String?
        /// How long a change of configuration waits for sets that it is the first to name.
        package var patience: Duration = .seconds(5)

        package init() {}
    }

    private struct Entry {
        var text: String?
        var entityTag: String?
        /// OpenID Connect: where the issuer said its keys are.
        var discovered: String?
        var failures = 0
        var failure: String?
        var task: Task<Void, Never>?
    }

    private let options: Options
    private let fetch: HTTPFetch
    private let log: @Sendable (String) -> Void
    private var entries: [KeySetSource: Entry] = [:]
    private var resolve: @Sendable (String, Int) -> (host: String, port: Int)? = { _, _ in nil }
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var remembered: [String: String] = [:]
    private let continuation: AsyncStream<KeySetSnapshot>.Continuation
    /// Every change of the sets; for one reader.
    package nonisolated let updates: AsyncStream<KeySetSnapshot>

    package init(options: Options = Options(), log: @escaping @Sendable (String) -> Void = { _ in }) {
        self.options = options
        self.log = log
        var fetch = HTTPFetch()
        fetch.authorities = options.authorities
        self.fetch = fetch
        (updates, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        if let path = options.memoryPath, let text = try? PrivateFile.read(path) {
            remembered = (try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))) ?? [:]
        }
    }

    package var snapshot: KeySetSnapshot { KeySetSnapshot(entries.compactMapValues(\.text)) }

    /// What a store with this memory has fetched of the sets that a snapshot's policies name.
    package static func remembered(at path: String, for snapshot: MeshSnapshot) -> KeySetSnapshot {
        guard let text = try? PrivateFile.read(path),
            let texts = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))
        else { return KeySetSnapshot() }
        let sources = snapshot.requestAuthentications.flatMap(\.rules).compactMap { KeySetSource($0) }
        return KeySetSnapshot(
            Dictionary(sources.compactMap { source in texts["\(source)"].map { (source, $0) } }) { $1 })
    }

    /// What cannot be fetched, and why; for status.
    package var failures: [KeySetSource: String] { entries.compactMapValues(\.failure) }

    /// Fetches these sets from now on, and no others. `resolve` knows the hosts of the mesh.
    package func want(
        _ sources: Set<KeySetSource>, resolve: @escaping @Sendable (String, Int) -> (host: String, port: Int)?
    ) {
        self.resolve = resolve
        for (source, entry) in entries where !sources.contains(source) {
            entry.task?.cancel()
            entries[source] = nil
        }
        for source in sources where entries[source] == nil {
            var entry = Entry(text: remembered["\(source)"])
            entry.task = Task { await self.keep(source) }
            entries[source] = entry
        }
    }

    /// Fetches what a snapshot's policies name, and returns when each set is there or has failed once, or patience ends.
    /// What the snapshot in force names is kept until `settle`.
    package func prepare(for snapshot: MeshSnapshot) async {
        want(Self.sources(of: snapshot).union(entries.keys)) { host, port in
            guard let service = snapshot.service(host: host) ?? snapshot.service(host: Self.qualified(host, snapshot)),
                let endpoint = snapshot.endpoints(of: service, port: port).first
            else { return nil }
            return (endpoint.workload.ip, endpoint.port)
        }
        guard !isSettled else { return }
        let timer = Task {
            try? await Task.sleep(for: options.patience)
            self.wake()
        }
        await withCheckedContinuation { waiting.append($0) }
        timer.cancel()
    }

    /// The snapshot is in force: sets that only an older one named are forgotten.
    package func settle(on snapshot: MeshSnapshot) { want(Self.sources(of: snapshot), resolve: resolve) }

    private static func sources(of snapshot: MeshSnapshot) -> Set<KeySetSource> {
        Set(snapshot.requestAuthentications.flatMap(\.rules).compactMap { KeySetSource($0) })
    }

    /// `issuer.production` and `issuer.production.svc` as the mesh knows them.
    private static func qualified(_ host: String, _ snapshot: MeshSnapshot) -> String {
        let parts = host.split(separator: ".")
        guard parts.count == 2 || parts.count == 3 && parts[2] == "svc" else { return host }
        return snapshot.settings.host(service: String(parts[0]), namespace: String(parts[1]))
    }

    private var isSettled: Bool { entries.values.allSatisfy { $0.text != nil || $0.failure != nil } }

    private func wake() {
        for waiter in waiting { waiter.resume() }
        waiting = []
    }

    private func remember() {
        guard let path = options.memoryPath else { return }
        let texts = Dictionary(entries.compactMap { source, entry in entry.text.map { ("\(source)", $0) } }) { $1 }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(texts) else { return }
        do {
            try PrivateFile.write(String(decoding: data, as: UTF8.self), to: path)
        } catch {
            log("key sets are not remembered: \(error)")
        }
    }

    package func stop() {
        wake()
        for entry in entries.values { entry.task?.cancel() }
        continuation.finish()
    }

    private func keep(_ source: KeySetSource) async {
        while !Task.isCancelled, entries[source] != nil {
            var pause = options.refresh
            do {
                let answer = try await load(source)
                if let age = answer.maxAgeSeconds { pause = min(pause, .seconds(age)) }
                take(answer, for: source)
            } catch {
                pause = fail("\(error)", for: source)
            }
            try? await Task.sleep(for: max(pause, options.shortest))
        }
    }

    private func take(_ answer: HTTPFetch.Answer, for source: KeySetSource) {
        guard var entry = entries[source] else { return }
        if entry.failure != nil { log("key set \(source): fetched again") }
        entry.failures = 0
        entry.failure = nil
        let isNew = answer.status != 304 && entry.text != answer.body
        if isNew {
            let keys = (try? KeySet(parsing: answer.body))?.count ?? 0
            log("key set \(source): \(entry.text == nil ? "fetched" : "changed"), \(keys) keys")
            entry.text = answer.body
        }
        if answer.status != 304 { entry.entityTag = answer.entityTag }
        entries[source] = entry
        if isNew {
            remember()
            continuation.yield(snapshot)
        }
        if isSettled { wake() }
    }

    /// Counts a failure; returns the pause until the next attempt.
    private func fail(_ reason: String, for source: KeySetSource) -> Duration {
        guard var entry = entries[source] else { return options.shortest }
        if entry.failure != reason {
            let consequence = entry.text == nil ? "its tokens are refused" : "the last good one stays in force"
            log("key set \(source) cannot be fetched, \(consequence): \(reason)")
        }
        entry.failures += 1
        entry.failure = reason
        entry.entityTag = nil
        entry.discovered = nil
        entries[source] = entry
        if isSettled { wake() }
        return min(options.shortest * (1 << min(entry.failures, 10)), options.refresh)
    }

    private func load(_ source: KeySetSource) async throws -> HTTPFetch.Answer {
        let url: String
        switch source {
        case .url(let text): url = text
        case .issuer(let issuer):
            if let known = entries[source]?.discovered {
                url = known
            } else {
                url = try await discover(issuer)
                entries[source]?.discovered = url
            }
        }
        let answer = try await get(url, entityTag: entries[source]?.text == nil ? nil : entries[source]?.entityTag)
        if answer.status == 304 { return answer }
        do {
            _ = try KeySet(parsing: answer.body)
        } catch {
            throw HTTPFetch.Failure("\(url) answered no key set: \(error)")
        }
        return answer
    }

    private func discover(_ issuer: String) async throws -> String {
        let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        let url = base + "/.well-known/openid-configuration"
        let answer = try await get(url, entityTag: nil)
        return try OpenIDConfiguration(answer.body, of: issuer, at: url).keySetURL
    }

    /// Follows redirections, but never from HTTPS to HTTP.
    private func get(_ url: String, entityTag: String?) async throws -> HTTPFetch.Answer {
        var url = url
        for _ in 0..<4 {
            guard let target = HTTPFetch.Target(url) else { throw HTTPFetch.Failure("\"\(url)\" is not a URL") }
            let answer: HTTPFetch.Answer
            do {
                answer = try await fetch.get(target, at: resolve(target.host, target.port), entityTag: entityTag)
            } catch let failure as HTTPFetch.Failure {
                throw HTTPFetch.Failure("\(url) \(failure)")
            } catch {
                throw HTTPFetch.Failure("\(url): \(error)")
            }
            switch answer.status {
            case 200, 304: return answer
            case 301, 302, 303, 307, 308:
                guard let location = answer.location, let next = HTTPFetch.Target(location),
                    next.isSecure || !target.isSecure
                else { throw HTTPFetch.Failure("\(url) leads to \(answer.location ?? "nowhere")") }
                url = location
            default: throw HTTPFetch.Failure("\(url) answered \(answer.status)")
            }
        }
        throw HTTPFetch.Failure("\(url): too many redirections")
    }
}

extension KeySetSource: CustomStringConvertible {
    package var description: String {
        switch self {
        case .url(let url): url
        case .issuer(let issuer): "of issuer \(issuer)"
        }
    }
}
