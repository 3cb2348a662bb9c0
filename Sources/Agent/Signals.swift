import EventLoop
import Glibc
import Synchronization

/// Termination signals as a stream: SIGTERM and SIGINT no longer end the process by themselves.
enum Signals {
    /// The writing end of the pipe; a signal handler may do little more than write a byte.
    private static let writer = Atomic<Int32>(-1)

    /// - Parameter loop: runs `action` on its thread for each signal.
    static func handle(_ action: @escaping @Sendable (Int32) -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        writer.store(ends[1], ordering: .sequentiallyConsistent)
        let reader = ends[0]
        let isStarted: Void? = try? DetachedThread.start(name: "signals") {
            var number: UInt8 = 0
            while true {
                let count = read(reader, &number, 1)
                if count == 1 { action(Int32(number)) } else if count == 0 || errno != EINTR { return }
            }
        }
        guard isStarted != nil else { return }
        for number in [SIGTERM, SIGINT] {
            signal(number) { received in
                let saved = errno
                var byte = UInt8(truncatingIfNeeded: received)
                _ = write(Signals.writer.load(ordering: .relaxed), &byte, 1)
                errno = saved
            }
        }
    }
}
