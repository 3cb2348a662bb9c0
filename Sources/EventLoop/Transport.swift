package import Memory

/// What a worker needs of the world: sockets, readiness, time. The kernel's epoll, or a simulation with its own time.
///
/// Counts are bytes, or a negative errno. Readiness is edge triggered: after an event, read until a short read or
/// `IOCode.wouldBlock`; write at once, and wait for an event only after `wouldBlock`.
package protocol Transport: ~Copyable {
    /// Monotonic milliseconds, coarse, as of the last `wait`.
    var milliseconds: UInt64 { get }
    /// Monotonic microseconds, now.
    var microseconds: UInt64 { get }
    /// Microseconds since 1970, now.
    var wallMicroseconds: UInt64 { get }
    /// Fresh random bits, cheap, not for secrets.
    mutating func random() -> UInt64

    /// Waits for events; returns how many there are. Negative timeout: for ever.
    mutating func wait(timeoutMilliseconds: Int32) -> Int
    func event(_ index: Int) -> TransportEvent

    /// Watches a connected or connecting socket, or a listener; events carry `token`. False when the kernel refuses.
    mutating func watch(_ socket: Int32, token: UInt64, isListener: Bool) -> Bool

    /// Stops watching a socket that stays open.
    mutating func unwatch(_ socket: Int32)

    mutating func listen(_ address: SocketAddress, backlog: Int32) -> Int32
    /// A connection that waits at `listener`, or a negative errno.
    mutating func accept(_ listener: Int32) -> AcceptedSocket
    /// Begins to connect; the socket becomes writable when it is done, and `connectError` tells how it went.
    mutating func connect(_ address: borrowing SocketAddress, mark: Int32, options: [SocketOption]) -> Int32
    func connectError(_ socket: Int32) -> Int32

    mutating func receive(_ socket: Int32, into buffer: inout ByteBuffer) -> Int
    mutating func send(_ socket: Int32, _ buffer: borrowing ByteBuffer) -> Int
    /// Sends `first` and then the first `count` bytes of `second`, gathered.
    mutating func send(_ socket: Int32, _ first: borrowing ByteBuffer, _ second: borrowing ByteBuffer, count: Int)
        -> Int

    /// A pipe for `fill` and `drain`; nil where there is none to be had.
    mutating func openPipe() -> Pipe?
    mutating func close(_ pipe: Pipe)
    /// Moves what waits at a socket into an empty pipe, as far as it fits. 0: the peer ended its side.
    mutating func fill(_ pipe: Pipe, from socket: Int32) -> Int
    /// Moves `count` bytes that are in a pipe to a socket, as far as that takes them.
    mutating func drain(_ pipe: Pipe, count: Int, to socket: Int32) -> Int

    mutating func shutdownWrite(_ socket: Int32)
    mutating func keepAlive(_ socket: Int32, probes: UInt32, idleSeconds: UInt32, intervalSeconds: UInt32)
    /// - Parameter abort: the peer gets a reset instead of an orderly end.
    mutating func close(_ socket: Int32, abort: Bool)

    func localAddress(_ socket: Int32) -> SocketAddress?
    /// Where the client wanted to go before it was redirected here (SO_ORIGINAL_DST); nil when it was not.
    func originalDestination(_ socket: Int32) -> SocketAddress?
}

extension Transport where Self: ~Copyable {
    /// Has the kernel probe an idle connection; 0 is the system's default. Nothing where there is no kernel.
    package mutating func keepAlive(_ socket: Int32, probes: UInt32, idleSeconds: UInt32, intervalSeconds: UInt32) {}
}

/// What became ready.
package struct TransportEvent: Sendable {
    package var token: UInt64
    package var isReadable: Bool
    package var isWritable: Bool
    /// The peer ended its side, or all of it.
    package var isClosed: Bool
    package var hasFailed: Bool

    package init(token: UInt64, isReadable: Bool, isWritable: Bool, isClosed: Bool, hasFailed: Bool) {
        self.token = token
        self.isReadable = isReadable
        self.isWritable = isWritable
        self.isClosed = isClosed
        self.hasFailed = hasFailed
    }
}

/// The result of an accept.
package struct AcceptedSocket: Sendable {
    /// The socket, or a negative errno.
    package var socket: Int32
    package var peer: SocketAddress

    package init(socket: Int32, peer: SocketAddress) {
        self.socket = socket
        self.peer = peer
    }
}

/// Error codes that the engine looks at.
package enum IOCode {
    package static let wouldBlock = -11
    package static let interrupted = -4
    package static let connectionReset = -104
    package static let tooManyFiles = -24
    /// EINVAL and ENOSYS: this kernel does not do that with this socket.
    package static func isUnsupported(_ code: Int) -> Bool { code == -22 || code == -38 }

    /// Whether an accept failed for want of something of this side: descriptors of the process (EMFILE) or the system
    /// (ENFILE), buffers (ENOBUFS), memory (ENOMEM). The connection is still in the queue.
    package static func isExhaustion(_ code: Int32) -> Bool { [-24, -23, -105, -12].contains(code) }
}
