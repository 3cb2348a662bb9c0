internal import Synchronization

/// How many downstream connections a process may have open, over all its workers
/// (envoy.resource_monitors.downstream_connections).
final class ConnectionBudget: Sendable {
    private let limit: Int
    private let open = Atomic(0)

    init(limit: Int) { self.limit = limit }

    /// Counts one more; false when there are enough.
    func acquire() -> Bool {
        if open.add(1, ordering: .relaxed).newValue <= limit { return true }
        release()
        return false
    }

    func release() { open.subtract(1, ordering: .relaxed) }
}
