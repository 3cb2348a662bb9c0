internal import CLinux
internal import Glibc

/// Moving bytes from socket to socket inside the kernel.
extension EpollTransport {
    package mutating func openPipe() -> Pipe? {
        blockPipeSignal()
        var ends: (Int32, Int32) = (-1, -1)
        let capacity = withUnsafeMutableBytes(of: &ends) {
            // SAFETY: two Int32 one behind the other are what the call fills in.
            martlet_pipe($0.baseAddress?.assumingMemoryBound(to: Int32.self), Pipe.wantedCapacity)
        }
        guard capacity > 0 else { return nil }
        let pipe = Pipe(reading: ends.0, writing: ends.1, capacity: Int(capacity))
        // One page or two are what a user with too many pipes gets: copying is faster.
        guard capacity >= 64 * 1024 else {
            close(pipe)
            return nil
        }
        return pipe
    }

    /// Unlike send, splice cannot be told to raise no SIGPIPE; the worker's thread has no use for it.
    private func blockPipeSignal() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    package mutating func close(_ pipe: Pipe) {
        Glibc.close(pipe.reading)
        Glibc.close(pipe.writing)
    }

    package mutating func fill(_ pipe: Pipe, from socket: Int32) -> Int {
        martlet_splice(socket, pipe.writing, pipe.capacity)
    }

    package mutating func drain(_ pipe: Pipe, count: Int, to socket: Int32) -> Int {
        martlet_splice(pipe.reading, socket, count)
    }
}
