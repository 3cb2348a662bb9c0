package import Proxy
import XDS

/// Make before break: a new or changed listener or cluster becomes active when everything it refers to has arrived; until
/// then the version before it serves. Waiting is bounded: after `patience` it becomes active with what there is.
///
/// At the start all listeners become active together: a captured connection whose own listener still waited would else be
/// taken for a foreign one by the listener that captures, and go to an address that nobody has.
///
/// A value: the time comes in. States of a name: unknown → waiting (since) → active; a change starts over while the old
/// version stays active; a removal ends it at once.
package struct Warming: Sendable {
    package static let patience = Duration.seconds(15)

    private struct Waiting: Sendable {
        var version: String
        var since: ContinuousClock.Instant
    }

    private var waitingListeners: [String: Waiting] = [:]
    private var waitingClusters: [String: Waiting] = [:]
    private var activeListeners: [String: ResourceStore.Entry<ResourceStore.Listener>] = [:]
    private var activeClusters: [String: ResourceStore.Entry<ResourceStore.Cluster>] = [:]

    /// Listeners have become active.
    private var hasStarted = false
    private var served = XDSResources()

    package init() {}

    /// Names that wait, for logs and the admin server.
    package var waiting: [String] {
        (waitingClusters.keys.map { "cluster \($0)" } + waitingListeners.keys.map { "listener \($0)" }).sorted()
    }

    /// Whether a version of everything that is known serves.
    package var isSettled: Bool { waitingListeners.isEmpty && waitingClusters.isEmpty }

    /// - Parameters:
    ///   - isSettled: whether nothing more is to be expected for a name of a type.
    ///   - hasSecret: whether a secret of this name is there, from wherever.
    /// - Returns: the moment at which to try again even if nothing arrives; nil when nothing waits.
    package mutating func advance(
        _ store: ResourceStore,
        now: ContinuousClock.Instant,
        isSettled: (_ name: String, _ type: String) -> Bool,
        hasSecret: (String) -> Bool
    ) -> ContinuousClock.Instant? {
        func isReady(_ references: ResourceReferences) -> Bool {
            references.endpoints.allSatisfy { isSettled($0, TypeURL.endpoint) }
                && references.routes.allSatisfy { isSettled($0, TypeURL.route) }
                && references.secrets.allSatisfy { hasSecret($0) }
        }
        Self.advance(store.clusters, &activeClusters, &waitingClusters, now, isReady)
        let startsWhole =
            hasStarted || waitingClusters.isEmpty && store.listeners.values.allSatisfy { isReady($0.references) }
        Self.advance(store.listeners, &activeListeners, &waitingListeners, now) { startsWhole && isReady($0) }
        hasStarted = hasStarted || !activeListeners.isEmpty
        let oldest = (Array(waitingClusters.values) + Array(waitingListeners.values)).map(\.since).min()
        return oldest.map { $0 + Self.patience }
    }

    private static func advance<Message>(
        _ known: [String: ResourceStore.Entry<Message>],
        _ active: inout [String: ResourceStore.Entry<Message>],
        _ waiting: inout [String: Waiting],
        _ now: ContinuousClock.Instant,
        _ isReady: (ResourceReferences) -> Bool
    ) {
        for name in active.keys where known[name] == nil { active[name] = nil }
        waiting = waiting.filter { known[$0.key] != nil }
        for (name, entry) in known where active[name]?.version != entry.version {
            var since = now
            if let before = waiting[name], before.version == entry.version { since = before.since }
            if isReady(entry.references) || now >= since + patience {
                active[name] = entry
                waiting[name] = nil
            } else {
                waiting[name] = Waiting(version: entry.version, since: since)
            }
        }
    }

    /// What serves now. A version that serves on while its successor waits keeps what it refers to, even when the store has
    /// forgotten it already.
    package mutating func resources(_ store: ResourceStore) -> XDSResources {
        var resources = XDSResources()
        resources.listeners = activeListeners.mapValues(\.message)
        resources.clusters = activeClusters.mapValues(\.message)
        resources.routes = store.routes.mapValues(\.message)
        resources.assignments = store.endpoints.mapValues(\.message)
        resources.secrets = store.secrets.mapValues(\.message)
        let references = activeListeners.values.map(\.references) + activeClusters.values.map(\.references)
        for reference in references {
            for name in reference.routes where resources.routes[name] == nil {
                resources.routes[name] = served.routes[name]
            }
            for name in reference.endpoints where resources.assignments[name] == nil {
                resources.assignments[name] = served.assignments[name]
            }
            for name in reference.secrets where resources.secrets[name] == nil {
                resources.secrets[name] = served.secrets[name]
            }
        }
        served = resources
        return resources
    }
}
