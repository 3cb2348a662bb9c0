internal import EventLoop
internal import Telemetry

/// What others tell a worker.
enum WorkerMessage: Sendable {
    /// A new configuration. `sockets` are listening sockets of this worker, by address; they are its own from now on,
    /// except those in `WorkerSettings.inheritedListeners`. `done` is called when the worker serves by it.
    case apply(RuntimeSnapshot, sockets: [SocketAddress: [Int32]], done: @Sendable () -> Void)
    /// No new connections; open ones end with their current request, all of them after the time.
    case drain(milliseconds: UInt64)
    case stop
    case collect(@Sendable (WorkerMetrics) -> Void)
}

/// A listening socket of a worker.
struct ListenerSlot {
    var address: SocketAddress
    var socket: Int32
    /// Index into the current snapshot's listeners; -1 is none.
    var descriptor: Int
    /// Shared with other workers and never closed.
    var isInherited: Bool
    /// Nothing is accepted for the moment: there were no descriptors.
    var isPaused = false
}
