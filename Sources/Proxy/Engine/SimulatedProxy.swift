package import EventLoop
internal import Memory
package import Telemetry

/// One worker over a simulated transport, turned by hand: the proxy that tests drive deterministically.
package final class SimulatedProxy {
    private var worker: Worker<SimulatedTransport>

    /// - Parameter bufferBytes: memory that buffers may hold.
    package init(
        seed: UInt64, weather: SimulatedTransport.Weather = SimulatedTransport.Weather(), bufferBytes: Int = 256 << 20
    ) throws {
        var settings = WorkerSettings()
        settings.bufferBytes = bufferBytes
        settings.logFlushMilliseconds = 60_000
        worker = Worker(
            transport: SimulatedTransport(seed: seed, weather: weather), settings: settings, mailbox: try Mailbox())
    }

    package func apply(_ snapshot: RuntimeSnapshot) { worker.apply(snapshot, sockets: [:]) }

    /// One round of the worker; with nothing to do, time goes on by up to `maxWait` milliseconds.
    package func turn(maxWait: Int32 = 0) { worker.turn(maxWait: maxWait) }

    /// Access to the world around the worker.
    package func world<Result>(_ body: (inout SimulatedTransport) -> Result) -> Result { body(&worker.transport) }

    package var openConnections: Int { worker.connections.count }
    package var openExchanges: Int { worker.exchanges.count }
    package var lentBuffers: Int { worker.buffers.lent }
    /// Memory that buffers hold.
    package var heldBytes: Int { worker.buffers.held }
    package var lentPipes: Int { worker.pipes.lent }
    package var liveGenerations: Int { worker.generations.count { !$0.isFree } }
    package var livePools: Int { worker.pools.count { !$0.isFree } }
    /// Timers that are set, the worker's own (the log's, a drain's) included.
    package var pendingTimers: Int { worker.timers.count }
    /// Requests that wait for a connection, in all pools.
    package var queuedRequests: Int { worker.pools.count { !$0.firstQueued.isNone } }
    /// Requests that balancing counts as in progress.
    package var balancedRequests: Int {
        worker.generations.reduce(0) { $0 + $1.clusters.reduce(0) { $0 + $1.active.reduce(0) { $0 + Int($1) } } }
    }
    package var poolActivity: Int { worker.pools.reduce(0) { $0 + abs(Int($1.active)) + $1.connections } }
    package var metrics: WorkerMetrics { worker.metrics }
    package var now: UInt64 { worker.transport.milliseconds }

    /// Tells the worker to end.
    package func drain(milliseconds: UInt64) {
        worker.mailbox.post(.drain(milliseconds: milliseconds)); worker.readMail()
    }
}
