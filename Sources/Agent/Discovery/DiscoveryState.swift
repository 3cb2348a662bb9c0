package import SwiftProtobuf
import XDS

/// The client's side of aggregated discovery as a value, for both variants of the protocol: what is subscribed, what is
/// held, what to answer. No I/O, no clock.
///
/// A stream goes `open` → any number of `receive`; when it breaks, `open` again: everything held stays, and the server is
/// told of it (delta). Listeners, clusters and the name table are subscribed as wildcards; routes, endpoints and secrets
/// by the names that accepted listeners and clusters refer to.
package struct DiscoveryState: Sendable {
    package enum Variant: Sendable { case delta, stateOfTheWorld }

    /// A request of either variant.
    package struct Request: Sendable, Equatable {
        package var type: String
        /// State of the world: all names, empty for a wildcard. Delta: names that are new.
        package var subscribe: [String] = []
        /// Delta only.
        package var unsubscribe: [String] = []
        /// Delta, first request of a type on a stream: what is held from before.
        package var heldVersions: [String: String] = [:]
        /// State of the world: the version that was accepted last.
        package var version = ""
        package var nonce = ""
        /// Set in a NACK.
        package var error: String?
    }

    /// A response of either variant.
    package struct Response: Sendable {
        package var type: String
        package var version: String
        package var nonce: String
        /// `name` is empty in the state-of-the-world variant.
        package var resources: [(name: String, version: String, body: Google_Protobuf_Any)]
        package var removed: [String] = []

        package init(
            type: String,
            version: String,
            nonce: String,
            resources: [(name: String, version: String, body: Google_Protobuf_Any)],
            removed: [String] = []
        ) {
            self.type = type
            self.version = version
            self.nonce = nonce
            self.resources = resources
            self.removed = removed
        }
    }

    /// What came of a response.
    package struct Outcome: Sendable {
        /// To be sent in this order: the ACK or NACK first, then changed subscriptions.
        package var requests: [Request]
        /// Empty for an ACK.
        package var problems: [ResourceProblem]
        /// Whether the store changed.
        package var isChanged: Bool
    }

    private struct Subscription: Sendable {
        var names: Set<String> = []
        var isWildcard: Bool
        /// State of the world: the version accepted last.
        var version = ""
        var nonce = ""
        /// The server has answered at least once (ever): what is missing is known to be missing.
        var isAnswered = false
    }

    package let variant: Variant
    package private(set) var store = ResourceStore()
    /// Names served inside the proxy, never asked for.
    private let localSecrets: Set<String>
    private let wildcards: [String]
    private var subscriptions: [String: Subscription] = [:]
    /// Names the server said do not exist: whoever waits for them need not wait any longer.
    private var absent: [String: Set<String>] = [:]

    /// - Parameters:
    ///   - wildcards: types to subscribe as a whole; clusters before listeners.
    ///   - localSecrets: secret names that are not asked for.
    package init(variant: Variant, wildcards: [String], localSecrets: Set<String>) {
        self.variant = variant
        self.wildcards = wildcards
        self.localSecrets = localSecrets
    }

    /// A stream was opened: the first requests on it.
    package mutating func open() -> [Request] {
        var requests: [Request] = []
        for type in wildcards + [TypeURL.endpoint, TypeURL.route, TypeURL.secret] {
            let isWildcard = wildcards.contains(type)
            var subscription = subscriptions[type] ?? Subscription(isWildcard: isWildcard)
            subscription.nonce = ""
            subscription.names = isWildcard ? [] : wanted(type)
            subscriptions[type] = subscription
            guard isWildcard || !subscription.names.isEmpty else { continue }
            var request = Request(type: type, subscribe: subscription.names.sorted())
            if variant == .delta {
                request.heldVersions = store.versions(of: type)
            } else {
                request.version = subscription.version
            }
            requests.append(request)
        }
        return requests
    }

    /// Takes a response: what is good of it is kept, and one bad resource makes the answer a NACK that names it.
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - check: what the data plane cannot honour in a resource, as texts that begin with the field's path.
    package mutating func receive(
        _ response: Response,
        now: Int64,
        check: (Resource) -> [String]
    ) -> Outcome {
        guard var subscription = subscriptions[response.type] else {
            return Outcome(requests: [], problems: [], isChanged: false)
        }
        subscription.nonce = response.nonce
        subscription.isAnswered = true
        subscriptions[response.type] = subscription
        let before = store.versions(of: response.type)
        let problems = merge(response, isWildcard: subscription.isWildcard, now, check)
        absent[response.type, default: []].formUnion(response.removed)
        absent[response.type]?.subtract(store.versions(of: response.type).keys)
        if problems.isEmpty { subscriptions[response.type]?.version = response.version }
        // What new clusters and listeners need is asked for before they are acknowledged: a server that waits with routes for
        // the answer to clusters has then been asked for their endpoints.
        let requests = resubscribe() + [answer(response, problems)]
        return Outcome(
            requests: requests, problems: problems,
            isChanged: before != store.versions(of: response.type) || !response.removed.isEmpty)
    }

    /// The server has said all it will say about these names: present, or known to be absent.
    package func isSettled(_ name: String, type: String) -> Bool {
        if localSecrets.contains(name), type == TypeURL.secret { return true }
        return store.versions(of: type)[name] != nil || absent[type]?.contains(name) == true
    }

    /// Every wildcard type was answered at least once.
    package var isComplete: Bool {
        wildcards.filter { $0 != TypeURL.nameTable }.allSatisfy { subscriptions[$0]?.isAnswered == true }
    }

    private func wanted(_ type: String) -> Set<String> {
        let names = store.referenced(type)
        return type == TypeURL.secret ? names.subtracting(localSecrets) : names
    }

    /// Puts the response's good resources into the store.
    private mutating func merge(
        _ response: Response,
        isWildcard: Bool,
        _ now: Int64,
        _ check: (Resource) -> [String]
    ) -> [ResourceProblem] {
        var problems: [ResourceProblem] = []
        /// Names in the response, good or bad: a bad version of a resource does not remove the good one.
        var present: Set<String> = []
        var audit = WireAudit()
        for resource in response.resources {
            guard resource.body.typeURL == response.type else {
                problems.append(
                    ResourceProblem(
                        type: response.type, name: resource.name,
                        reason: "a response for this type holds \(resource.body.typeURL)"))
                continue
            }
            do {
                present.insert(
                    try store.insert(resource.body, version: resource.version, now: now, audit: &audit, check: check))
            } catch {
                problems.append(error)
                present.insert(error.name)
            }
        }
        for name in response.removed { store.remove(name, type: response.type) }
        if variant == .stateOfTheWorld, isWildcard {
            for name in store.versions(of: response.type).keys where !present.contains(name) {
                store.remove(name, type: response.type)
            }
        }
        store.sweep()
        return problems
    }

    private func answer(_ response: Response, _ problems: [ResourceProblem]) -> Request {
        var request = Request(type: response.type, nonce: response.nonce)
        if !problems.isEmpty { request.error = problems.map(\.description).joined(separator: "; ") }
        if variant == .stateOfTheWorld {
            request.subscribe = subscriptions[response.type]?.names.sorted() ?? []
            request.version = subscriptions[response.type]?.version ?? ""
        }
        return request
    }

    private mutating func resubscribe() -> [Request] {
        var requests: [Request] = []
        for type in [TypeURL.endpoint, TypeURL.route, TypeURL.secret] {
            guard var subscription = subscriptions[type] else { continue }
            let names = wanted(type)
            guard names != subscription.names else { continue }
            let added = names.subtracting(subscription.names)
            let gone = subscription.names.subtracting(names)
            absent[type]?.subtract(gone)
            subscription.names = names
            subscriptions[type] = subscription
            if variant == .delta {
                requests.append(Request(type: type, subscribe: added.sorted(), unsubscribe: gone.sorted()))
            } else if !names.isEmpty {
                // No names would mean all of them, so the last subscription is let stand instead.
                requests.append(
                    Request(
                        type: type, subscribe: names.sorted(), version: subscription.version, nonce: subscription.nonce)
                )
            }
        }
        return requests
    }
}
