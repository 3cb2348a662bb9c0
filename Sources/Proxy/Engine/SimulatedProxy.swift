package import EventLoop
internal import Memory

/// One worker over a simulated transport, turned by hand: the proxy that tests drive deterministically.
package final class SimulatedProxy {
    private var worker: Worker<SimulatedTransport>

    package init(seed: UInt64, weather: SimulatedTransport.Weather = SimulatedTransport.Weather()) throws {
        var settings = WorkerSettings()
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
    package var liveGenerations: Int { worker.generations.count { !$0.isFree } }
    package var livePools: Int { worker.pools.count { !$0.isFree } }
    package var now: UInt64 { worker.transport.milliseconds }

    /// Tells the worker to end.
    package func drain(milliseconds: UInt64) {
        worker.mailbox.post(.drain(milliseconds: milliseconds)); worker.readMail()
    }
}
