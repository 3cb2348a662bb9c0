internal import Synchronization

/// How many downstream connections may be open, over all workers: of the process
/// (envoy.resource_monitors.downstream_connections), or of a filter chain (envoy.filters.network.connection_limit).
package final class ConnectionBudget: Sendable {
    private let limit: Int
    private let open = Atomic(0)

    package init(limit: Int) { self.limit = limit }

    /// Counts one more; false when there are enough.
    func acquire() -> Bool {
        if open.add(1, ordering: .relaxed).newValue <= limit { return true }
        release()
        return false
    }

    func release() { open.subtract(1, ordering: .relaxed) }
}
