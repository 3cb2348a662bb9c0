import EventLoop
import Glibc
import Synchronization

/// One thread that waits for readable and writable descriptors with poll(2): the agent's few sockets, far from the data path.
///
/// The handler runs on that thread only, so that its state needs no lock; other threads hand it work through `post`.
final class PollLoop: Sendable {
    /// What a handler wants to be told of.
    struct Interest {
        var descriptor: Int32
        var reads = true
        var writes = false
    }

    /// Owns the sockets of one loop. Called on the loop's thread only.
    protocol Handler: AnyObject {
        /// What to wait for, asked before each wait.
        var interests: [Interest] { get }
        /// The latest moment to be woken by `tick`; nil is never.
        var deadline: ContinuousClock.Instant? { get }
        func ready(_ descriptor: Int32, readable: Bool, writable: Bool)
        func tick(_ now: ContinuousClock.Instant)
    }

    /// A pipe; one byte in it wakes the loop.
    private let wakeReader: Int32
    private let wakeWriter: Int32
    /// Nil once the loop has ended: what comes then is dropped.
    private let inbox = Mutex<[@Sendable () -> Void]?>([])
    private let isStopped = Atomic(false)

    init() {
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        (wakeReader, wakeWriter) = (ends[0], ends[1])
    }

    deinit {
        close(wakeReader)
        close(wakeWriter)
    }

    /// Runs `work` on the loop's thread, soon; never when the loop is stopped before.
    func post(_ work: @escaping @Sendable () -> Void) {
        inbox.withLock { $0?.append(work) }
        wake()
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        wake()
    }

    private func wake() {
        var byte: UInt8 = 1
        _ = Glibc.write(wakeWriter, &byte, 1)
    }

    /// Starts the thread. The handler is made on it and never leaves it.
    func start(_ make: @escaping @Sendable () -> any Handler) {
        do {
            try DetachedThread.start(name: "agent-sockets") { [self] in run(make()) }
        } catch {
            Log.error("agent", "\(error)")
        }
    }

    private func run(_ handler: any Handler) {
        while !isStopped.load(ordering: .relaxed) {
            let interests = handler.interests
            var descriptors = [pollfd(fd: wakeReader, events: Int16(POLLIN), revents: 0)]
            for interest in interests {
                let events = (interest.reads ? POLLIN : 0) | (interest.writes ? POLLOUT : 0)
                descriptors.append(pollfd(fd: interest.descriptor, events: Int16(events), revents: 0))
            }
            poll(&descriptors, nfds_t(descriptors.count), Self.milliseconds(until: handler.deadline))
            if descriptors[0].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: 64)
                while read(wakeReader, &bytes, bytes.count) == bytes.count {}
                let posted = inbox.withLock { inbox in
                    defer { inbox = [] }
                    return inbox
                }
                for work in posted ?? [] { work() }
            }
            for descriptor in descriptors.dropFirst() where descriptor.revents != 0 {
                let events = Int32(descriptor.revents)
                handler.ready(
                    descriptor.fd,
                    readable: events & (POLLIN | POLLHUP | POLLERR) != 0,
                    writable: events & (POLLOUT | POLLHUP | POLLERR) != 0)
            }
            handler.tick(.now)
        }
        // What waits in it may hold the loop and its handler.
        inbox.withLock { $0 = nil }
    }

    private static func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        let wait = deadline - .now
        guard wait > .zero else { return 0 }
        // Rounded up: waking before the deadline would spin.
        return Int32(clamping: wait / .milliseconds(1) > 1e9 ? 1_000_000_000 : Int64(wait / .milliseconds(1)) + 1)
    }
}
