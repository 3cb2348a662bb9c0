package import EventLoop
internal import Memory

/// One worker over the kernel's sockets, turned by hand on the caller's thread: what tests measure that want the real
/// transport and nothing else on their thread.
package final class LoopbackProxy {
    private var worker: Worker<EpollTransport>

    package init() throws {
        worker = Worker(transport: try EpollTransport(), settings: WorkerSettings(), mailbox: try Mailbox())
    }

    deinit { worker.closeEverything() }

    package func apply(_ snapshot: RuntimeSnapshot) { worker.apply(snapshot, sockets: [:]) }

    /// One round of the worker, which waits for at most `maxWait` milliseconds.
    package func turn(maxWait: Int32) { worker.turn(maxWait: maxWait) }

    /// Where listeners are bound, in the order of the snapshot.
    package var addresses: [SocketAddress] {
        worker.listeners.compactMap { $0.socket >= 0 ? worker.transport.localAddress($0.socket) : nil }
    }

    /// Memory that buffers of exchanges and connections hold now.
    package var heldBytes: Int {
        var sum = 0
        for index in 0..<worker.exchanges.capacity {
            guard let handle = worker.exchanges.occupant(at: index) else { continue }
            sum += worker.exchanges[handle].requestQueue.capacity + worker.exchanges[handle].responseQueue.capacity
            sum += worker.exchanges[handle].replay.capacity + worker.exchanges[handle].arena.capacity
        }
        for index in 0..<worker.connections.capacity {
            guard let handle = worker.connections.occupant(at: index) else { continue }
            sum += worker.connections[handle].input.capacity + worker.connections[handle].output.capacity
            sum += worker.connections[handle].cipherInput.capacity + worker.connections[handle].cipherOutput.capacity
        }
        return sum
    }

    /// Pipes that flows hold now.
    package var lentPipes: Int { worker.pipes.lent }
    package var openExchanges: Int { worker.exchanges.count }
    package var openConnections: Int { worker.connections.count }
}
