internal import CLinux
package import EventLoop
internal import Glibc
internal import Synchronization
package import Telemetry

/// The data plane of a process: one worker thread per core, all executing the same snapshot.
///
/// `apply` may be called from anywhere, any number of times; calls take effect in order.
package final class ProxyServer: Sendable {
    package struct Options: Sendable {
        /// Worker threads; at least 1.
        package var concurrency = 1
        /// SO_MARK of upstream sockets; 0 is none.
        package var socketMark: Int32 = 0
        /// Listening sockets that were inherited: the listener with this address uses the descriptor instead of binding.
        package var inheritedListeners: [SocketAddress: Int32] = [:]
        /// Listening sockets of the process that this one replaces: the first listener with the address takes them over.
        package var takenOver: [SocketAddress: [Int32]] = [:]
        /// Downstream connections of the process; nil is no limit. Those beyond it are closed at once.
        package var maxDownstreamConnections: Int?
        /// Memory that the buffers of one worker may hold; beyond it new work is refused.
        package var bufferBytes = 256 << 20
        /// Told about what operators should know, such as a lack of descriptors; on a worker's thread, rarely.
        package var warn: (@Sendable (String) -> Void)?

        package init() {}
    }

    private struct State {
        /// Addresses that are bound, and by which snapshot's generation.
        var bound: Set<SocketAddress> = []
        /// The sockets behind them, of all workers.
        var sockets: [SocketAddress: [Int32]] = [:]
        var takenOver: [SocketAddress: [Int32]] = [:]
        var isStarted = false
        var isDraining = false
        /// Inherited sockets that no listener wants at present: they do not listen.
        var silenced: Set<SocketAddress> = []
        /// Inherited sockets that some listener has had.
        var wasBound: Set<SocketAddress> = []
    }

    private let options: Options
    private let mailboxes: [Mailbox<WorkerMessage>]
    private let state = Mutex(State())
    /// The last counters of workers that have ended, by worker.
    private let finished = Mutex<[Int: WorkerMetrics]>([:])
    private let applied = Mutex<UInt64>(0)

    /// - Throws: when the kernel has no descriptors left.
    package init(_ options: Options) throws {
        self.options = options
        var boxes: [Mailbox<WorkerMessage>] = []
        for _ in 0..<max(1, options.concurrency) { boxes.append(try Mailbox()) }
        mailboxes = boxes
        state.withLock { $0.takenOver = options.takenOver }
    }

    /// Starts the workers. They serve nothing until the first `apply`.
    package func start() throws {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { return }
        signal(SIGPIPE, SIG_IGN)
        var settings = WorkerSettings()
        settings.socketMark = options.socketMark
        settings.inheritedListeners = options.inheritedListeners
        settings.warn = options.warn
        settings.bufferBytes = options.bufferBytes
        settings.connectionBudget = options.maxDownstreamConnections.map { ConnectionBudget(limit: $0) }
        for (index, mailbox) in mailboxes.enumerated() {
            let settings = settings
            try DetachedThread.start(name: "worker-\(index)") { [self] in
                guard let transport = try? EpollTransport() else { return finish(index, WorkerMetrics()) }
                var worker = Worker(transport: transport, settings: settings, mailbox: mailbox)
                worker.run()
                finish(index, worker.metrics)
            }
        }
    }

    /// The worker has ended. Whoever asks it from now on is answered here, and so is who has asked before.
    private func finish(_ index: Int, _ metrics: WorkerMetrics) {
        finished.withLock { $0[index] = metrics }
        for message in mailboxes[index].takeAll() { answer(message, metrics) }
    }

    private func answer(_ message: WorkerMessage, _ metrics: WorkerMetrics) {
        switch message {
        case .collect(let receive): receive(metrics)
        case .apply(_, let sockets, let done):
            for socket in sockets.values.joined() { close(socket) }
            done()
        case .drain, .stop: break
        }
    }

    /// Tells a worker, or answers for it when it has ended.
    private func post(_ message: WorkerMessage, to index: Int) {
        let last = finished.withLock { finished -> WorkerMetrics? in
            if finished[index] == nil { mailboxes[index].post(message) }
            return finished[index]
        }
        if let last { answer(message, last) }
    }

    /// Makes all workers serve by `snapshot`. Listeners whose address is new are bound before any worker hears of it.
    ///
    /// - Throws: `ListenError` when an address cannot be bound; then nothing has changed.
    package func apply(_ snapshot: RuntimeSnapshot) async throws {
        let sockets = try bind(snapshot)
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let waiting = Countdown(mailboxes.count) { continuation.resume() }
            for index in mailboxes.indices {
                post(.apply(snapshot, sockets: sockets[index], done: waiting.done), to: index)
            }
        }
        silence()
        applied.withLock { $0 = snapshot.generation }
    }

    /// The generation that all workers serve by; 0 before the first `apply`.
    package var generation: UInt64 { applied.withLock { $0 } }

    /// Whether workers are started and serve by a configuration.
    package var isReady: Bool {
        let (isStarted, isDraining) = state.withLock { ($0.isStarted, $0.isDraining) }
        return isStarted && !isDraining && applied.withLock { $0 > 0 }
    }

    /// The listening sockets of now, for a process that is to take them over.
    package var listeningSockets: [SocketAddress: [Int32]] { state.withLock { $0.isDraining ? [:] : $0.sockets } }

    /// Closes sockets that were taken over and that no listener wants.
    package func closeUnclaimed() {
        let unclaimed = state.withLock { state in
            defer { state.takenOver = [:] }
            return state.takenOver
        }
        for socket in unclaimed.values.joined() { close(socket) }
    }

    private func bind(_ snapshot: RuntimeSnapshot) throws(ListenError) -> [[SocketAddress: [Int32]]] {
        var sockets: [[SocketAddress: [Int32]]] = Array(repeating: [:], count: mailboxes.count)
        let (known, isDraining) = state.withLock { ($0.bound, $0.isDraining) }
        // Workers that drain accept nobody: a socket bound now would keep clients waiting for nothing.
        guard !isDraining else { return sockets }
        let wanted = Set(snapshot.listeners.filter(\.bindsToPort).map(\.address))
        var claimed: [SocketAddress: [Int32]] = [:]
        for listener in snapshot.listeners where listener.bindsToPort && !known.contains(listener.address) {
            let inherited = options.inheritedListeners[listener.address]
            if let inherited { listenAgain(listener, inherited) }
            if sockets[0][listener.address] != nil { continue }
            let taken = state.withLock { $0.takenOver.removeValue(forKey: listener.address) } ?? []
            if !taken.isEmpty { claimed[listener.address] = taken }
            for (number, socket) in taken.enumerated() {
                sockets[number % mailboxes.count][listener.address, default: []].append(socket)
            }
            for worker in mailboxes.indices where sockets[worker][listener.address] == nil {
                let socket = open(listener, sharing: sockets[0][listener.address]?.first)
                // An inherited socket may be of another network: then ours serves this one. Where it is of this one, it serves.
                if socket < 0, inherited != nil { continue }
                guard socket >= 0 else {
                    // Clients may wait in the queues of those that were taken over: the next attempt has them again.
                    let kept = Set(claimed.values.joined())
                    for open in sockets.flatMap(\.values).joined() where !kept.contains(open) { close(open) }
                    state.withLock { $0.takenOver.merge(claimed) { $1 } }
                    throw ListenError(listener: listener.name, address: listener.address, code: -socket)
                }
                sockets[worker][listener.address] = [socket]
            }
        }
        state.withLock { state in
            state.bound = wanted
            state.sockets = state.sockets.filter { wanted.contains($0.key) }
            for worker in sockets { for (address, own) in worker { state.sockets[address, default: []] += own } }
        }
        return sockets
    }

    /// Inherited sockets that the configuration wants no more stop listening, so that clients are refused and do not wait
    /// for nobody. They stay bound: the configuration may want them again.
    private func silence() {
        state.withLock { state in
            for (address, socket) in options.inheritedListeners where !state.bound.contains(address) {
                guard state.wasBound.contains(address), state.silenced.insert(address).inserted else { continue }
                shutdown(socket, Int32(SHUT_RD))
            }
        }
    }

    private func listenAgain(_ listener: ListenerDescriptor, _ socket: Int32) {
        state.withLock { state in
            state.wasBound.insert(listener.address)
            guard state.silenced.remove(listener.address) != nil else { return }
            listen(socket, listener.backlog)
        }
    }

    /// A socket of one worker. Every worker has its own, among which the kernel spreads connections (SO_REUSEPORT); a path
    /// can be bound only once, so there they share one.
    private func open(_ listener: ListenerDescriptor, sharing first: Int32?) -> Int32 {
        if case .path = listener.address, let first {
            let copy = fcntl(first, F_DUPFD_CLOEXEC, 0)
            return copy < 0 ? -errno : copy
        }
        return ListeningSocket.open(listener.address, backlog: listener.backlog)
    }

    /// Takes no new connections and ends open ones after their current request, all of them at the deadline. Returns when
    /// all workers are done.
    package func drain(deadline: Duration) async {
        state.withLock { $0.isDraining = true }
        let (seconds, attoseconds) = deadline.components
        let milliseconds = UInt64(max(0, seconds)) * 1000 + UInt64(attoseconds / 1_000_000_000_000_000)
        for mailbox in mailboxes { mailbox.post(.drain(milliseconds: milliseconds)) }
        while finished.withLock({ $0.count }) < mailboxes.count, state.withLock({ $0.isStarted }) {
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Ends everything at once.
    package func stop() { for mailbox in mailboxes { mailbox.post(.stop) } }

    /// Counters of all workers, for a `MetricsReport`; of those that have ended, their last.
    package func collectStats() async -> [WorkerMetrics] {
        await withCheckedContinuation { (continuation: CheckedContinuation<[WorkerMetrics], Never>) in
            let gathered = Gathering(mailboxes.count) { continuation.resume(returning: $0) }
            for index in mailboxes.indices { post(.collect(gathered.add), to: index) }
        }
    }
}

/// An address that could not be bound.
package struct ListenError: Error, CustomStringConvertible {
    package let listener: String
    package let address: SocketAddress
    package let code: Int32

    package var description: String {
        "listener \(listener): cannot bind \(address): \(String(cString: strerror(code)))"
    }
}

/// Calls back when all have reported.
private final class Countdown: Sendable {
    private let left: Mutex<Int>
    private let finish: @Sendable () -> Void

    init(_ count: Int, _ finish: @escaping @Sendable () -> Void) {
        left = Mutex(count)
        self.finish = finish
    }

    @Sendable func done() {
        let isLast = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isLast { finish() }
    }
}

/// Calls back with what all have reported.
private final class Gathering: Sendable {
    private let parts: Mutex<[WorkerMetrics]>
    private let count: Int
    private let finish: @Sendable ([WorkerMetrics]) -> Void

    init(_ count: Int, _ finish: @escaping @Sendable ([WorkerMetrics]) -> Void) {
        parts = Mutex([])
        self.count = count
        self.finish = finish
    }

    @Sendable func add(_ part: WorkerMetrics) {
        let all = parts.withLock { parts -> [WorkerMetrics]? in
            parts.append(part)
            return parts.count == count ? parts : nil
        }
        if let all { finish(all) }
    }
}
