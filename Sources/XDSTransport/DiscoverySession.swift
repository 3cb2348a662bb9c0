import SwiftProtobuf
import XDS

/// The server's side of one aggregated discovery stream, as a value: requests and resource sets go in, replies come out.
///
/// Rules it keeps:
/// - A subscription is answered at once, also when there is nothing to send.
/// - A change is sent in stages, make before break: additions in `TypeURL.pushOrder`, then removals in reverse. The next
///   stage waits until the peer has answered everything that is outstanding, so that it never refers to what the peer
///   has not taken yet.
/// - Only resources whose version differs from the one last sent are sent (delta); state-of-the-world replies carry
///   every subscribed resource of the type, as that variant demands, and only when one of them changed.
/// - A rejected version counts as sent: it is not repeated until it changes.
package struct DiscoverySession: Sendable {
    package enum Variant: Sendable {
        case stateOfTheWorld, delta
    }

    /// What the peer refused, and why.
    package struct Rejection: Sendable, Equatable {
        package var type: String
        package var generation: Int
        package var message: String
    }

    let variant: Variant
    private var target = ResourceSet()
    private var subscriptions: [String: Subscription] = [:]
    private var outstanding: [String: Outstanding] = [:]
    private var nonces = 0

    /// The newest generation that the peer holds completely (accepted or rejected, but answered).
    package private(set) var acknowledgedGeneration = 0
    /// Standing rejections: the last one of each type, until the type is accepted.
    package private(set) var rejections: [String: Rejection] = [:]

    package init(variant: Variant) {
        self.variant = variant
    }

    private struct Subscription: Sendable {
        var isWildcard = false
        var names: Set<String> = []
        /// State of the world: what the peer has from us, by name.
        var sent: [String: VersionedResource] = [:]
        /// Delta: names whose resource at the peer may differ from the target's, with the version there. All
        /// other names that are subscribed to are in agreement, so that a change costs what it changes.
        var stale: [String: VersionedResource.Digest] = [:]

        func wants(_ name: String) -> Bool { isWildcard || names.contains(name) }
        var lastNonce = ""
    }

    private struct Outstanding: Sendable {
        var type: String
        var generation: Int
    }

    /// A request of either variant.
    package struct Request: Sendable {
        package var type: String
        package var subscribe: [String] = []
        package var unsubscribe: [String] = []
        /// Delta: versions held from an earlier stream.
        package var heldVersions: [String: String] = [:]
        package var nonce = ""
        package var error: String?

        package init(
            type: String, subscribe: [String] = [], unsubscribe: [String] = [], heldVersions: [String: String] = [:],
            nonce: String = "", error: String? = nil
        ) {
            self.type = type
            self.subscribe = subscribe
            self.unsubscribe = unsubscribe
            self.heldVersions = heldVersions
            self.nonce = nonce
            self.error = error
        }
    }

    /// A response of either variant.
    package struct Reply: Sendable, Equatable {
        package var type: String
        package var resources: [String: VersionedResource]
        package var removed: [String] = []
        package var nonce: String
        package var generation: Int
    }

    /// Takes a request; returns what to send now, in order.
    package mutating func receive(_ request: Request) -> [Reply] {
        var replies: [Reply] = []
        settle(request)
        switch variant {
        case .delta: replies += subscribeDelta(request)
        case .stateOfTheWorld: replies += subscribeStateOfTheWorld(request)
        }
        return replies + advance()
    }

    /// Takes the newest resource set; returns what to send now, in order.
    package mutating func update(_ set: ResourceSet) -> [Reply] {
        if variant == .delta {
            for (type, names) in target.differences(to: set) {
                guard var stale = subscriptions[type]?.stale else { continue }
                for name in names where stale[name] == nil && subscriptions[type]?.wants(name) ?? false {
                    stale[name] = target.resource(type, name)?.digest ?? .absent
                }
                subscriptions[type]?.stale = stale
            }
        }
        target = set
        return advance()
    }

    /// Records an ACK or NACK.
    private mutating func settle(_ request: Request) {
        guard let answered = outstanding.removeValue(forKey: request.nonce) else { return }
        if let error = request.error {
            rejections[answered.type] = Rejection(
                type: answered.type, generation: answered.generation, message: error
            )
        } else {
            rejections[answered.type] = nil
        }
    }

    private mutating func subscribeDelta(_ request: Request) -> [Reply] {
        let isFirst = subscriptions[request.type] == nil
        // Nearly every request is an answer and nothing else.
        guard isFirst || !request.subscribe.isEmpty || !request.unsubscribe.isEmpty else { return [] }
        var subscription = subscriptions.removeValue(forKey: request.type) ?? Subscription()
        for name in request.unsubscribe {
            subscription.names.remove(name)
            if name == "*" { subscription.isWildcard = false }
            if !subscription.isWildcard { subscription.stale[name] = nil }
        }
        if isFirst {
            // No names in the first request of a type means all of them (the protocol's legacy wildcard).
            subscription.isWildcard = request.subscribe.isEmpty
            for (name, version) in request.heldVersions {
                let held = VersionedResource.Digest(text: version)
                // What the peer still holds need not be sent again; what is gone will be removed by a later stage.
                if target.resource(request.type, name)?.digest != held { subscription.stale[name] = held }
            }
        }
        if request.subscribe.contains("*") { subscription.isWildcard = true }
        let names = request.subscribe.filter { $0 != "*" }
        subscription.names.formUnion(names)
        subscription.names = SharedNames.shared(subscription.names)
        subscriptions[request.type] = subscription
        guard isFirst || !request.subscribe.isEmpty else { return [] }

        var resources: [String: VersionedResource] = [:]
        var removed: [String] = []
        func take(_ name: String, _ resource: VersionedResource?) {
            guard let resource else { return removed.append(name) }
            let held = isFirst ? request.heldVersions[name].map(VersionedResource.Digest.init(text:)) : nil
            if held != resource.digest { resources[name] = resource }
        }
        let isWildcard = subscriptions[request.type]?.isWildcard ?? false
        if isWildcard, isFirst || request.subscribe.contains("*") {
            for (name, resource) in target[request.type] { take(name, resource) }
        }
        for name in names { take(name, target.resource(request.type, name)) }
        return [send(request.type, resources: resources, removed: removed)]
    }

    private mutating func subscribeStateOfTheWorld(_ request: Request) -> [Reply] {
        let isFirst = subscriptions[request.type] == nil
        var subscription = subscriptions[request.type] ?? Subscription()
        // An answer to anything but the newest response says nothing about what the peer wants now.
        guard isFirst || request.nonce == subscription.lastNonce else { return [] }
        let names = Set(request.subscribe)
        let wildcard = request.subscribe.isEmpty && (isFirst || subscription.isWildcard) || names.contains("*")
        let changed = isFirst || wildcard != subscription.isWildcard || !names.subtracting(subscription.names).isEmpty
        subscription.isWildcard = wildcard
        subscription.names = SharedNames.shared(names)
        subscription.sent = subscription.sent.filter { wildcard || names.contains($0.key) }
        subscriptions[request.type] = subscription
        guard changed else { return [] }
        return [send(request.type, resources: subscribed(request.type), removed: [])]
    }

    /// The resources of the target that the peer subscribed to.
    private func subscribed(_ type: String) -> [String: VersionedResource] {
        guard let subscription = subscriptions[type] else { return [:] }
        let available = target[type]
        if subscription.isWildcard { return available }
        return available.filter { subscription.names.contains($0.key) }
    }

    private mutating func advance() -> [Reply] {
        guard outstanding.isEmpty else { return [] }
        if let reply = variant == .delta ? advanceDelta() : advanceStateOfTheWorld() { return [reply] }
        acknowledgedGeneration = target.generation
        return []
    }

    private mutating func advanceDelta() -> Reply? {
        for type in TypeURL.pushOrder {
            guard let stale = subscriptions[type]?.stale, !stale.isEmpty else { continue }
            var additions: [String: VersionedResource] = [:]
            for (name, version) in stale {
                let wanted = target.resource(type, name)
                if let wanted, wanted.digest != version {
                    additions[name] = wanted
                } else if wanted?.digest ?? .absent == version {
                    subscriptions[type]?.stale[name] = nil
                }
            }
            if !additions.isEmpty { return send(type, resources: additions, removed: []) }
        }
        for type in TypeURL.pushOrder.reversed() {
            // Only what the target does not have is left.
            let removed = (subscriptions[type]?.stale.keys).map { $0.sorted() } ?? []
            if !removed.isEmpty { return send(type, resources: [:], removed: removed) }
        }
        return nil
    }

    private mutating func advanceStateOfTheWorld() -> Reply? {
        for type in TypeURL.pushOrder where subscriptions[type] != nil {
            let sent = subscriptions[type]?.sent ?? [:]
            let additions = subscribed(type).filter { sent[$0.key] != $0.value }
            if !additions.isEmpty {
                return send(type, resources: sent.merging(additions) { _, new in new }, removed: [])
            }
        }
        for type in TypeURL.pushOrder.reversed() where subscriptions[type] != nil {
            let sent = subscriptions[type]?.sent ?? [:]
            let wanted = subscribed(type)
            let removed = sent.keys.filter { wanted[$0] == nil }.sorted()
            if !removed.isEmpty { return send(type, resources: wanted, removed: removed) }
        }
        return nil
    }

    private mutating func send(_ type: String, resources: [String: VersionedResource], removed: [String]) -> Reply {
        nonces += 1
        let nonce = "\(nonces)"
        if variant == .stateOfTheWorld {
            // The peer acknowledges only the newest response of a type.
            outstanding = outstanding.filter { $0.value.type != type }
        }
        outstanding[nonce] = Outstanding(type: type, generation: target.generation)
        subscriptions[type]?.lastNonce = nonce
        if variant == .delta {
            for name in resources.keys { subscriptions[type]?.stale[name] = nil }
            for name in removed { subscriptions[type]?.stale[name] = nil }
        } else {
            subscriptions[type]?.sent.merge(resources) { _, new in new }
            for name in removed { subscriptions[type]?.sent[name] = nil }
        }
        return Reply(type: type, resources: resources, removed: removed, nonce: nonce, generation: target.generation)
    }
}
