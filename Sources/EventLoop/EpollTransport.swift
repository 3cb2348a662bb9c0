internal import CLinux
internal import Glibc
package import Memory

/// The kernel as a `Transport`: one epoll, edge triggered, one registration for the life of a socket.
package struct EpollTransport: Transport, ~Copyable {
    private static var maxEvents: Int32 { 256 }

    private let epoll: Int32
    // SAFETY: maxEvents entries, owned by this value alone, freed in deinit; read only below `eventCount`.
    private let events: UnsafeMutablePointer<epoll_event>
    private var eventCount = 0
    private var randomState: UInt64
    package private(set) var milliseconds: UInt64

    /// - Throws: when the kernel gives no epoll instance.
    package init() throws(EventLoopError) {
        let descriptor = martlet_epoll_create()
        guard descriptor >= 0 else { throw EventLoopError("cannot create an epoll instance", code: descriptor) }
        epoll = descriptor
        events = .allocate(capacity: Int(Self.maxEvents))
        events.initialize(repeating: epoll_event(), count: Int(Self.maxEvents))
        milliseconds = martlet_now_coarse_ms()
        var seed = SystemRandomNumberGenerator()
        randomState = seed.next()
    }

    deinit {
        events.deallocate()
        Glibc.close(epoll)
    }

    package var microseconds: UInt64 { martlet_now_us() }
    package var wallMicroseconds: UInt64 { martlet_realtime_us() }

    /// SplitMix64.
    package mutating func random() -> UInt64 {
        randomState &+= 0x9e37_79b9_7f4a_7c15
        var mixed = randomState
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    package mutating func wait(timeoutMilliseconds: Int32) -> Int {
        eventCount = max(0, Int(martlet_epoll_wait(epoll, events, Self.maxEvents, timeoutMilliseconds)))
        milliseconds = martlet_now_coarse_ms()
        return eventCount
    }

    package func event(_ index: Int) -> TransportEvent {
        precondition(index < eventCount, "epoll: no such event")
        let flags = martlet_event_flags(events, Int32(truncatingIfNeeded: index))
        return TransportEvent(
            token: martlet_event_token(events, Int32(truncatingIfNeeded: index)),
            isReadable: flags & EPOLLIN.rawValue != 0,
            isWritable: flags & EPOLLOUT.rawValue != 0,
            isClosed: flags & (EPOLLRDHUP.rawValue | EPOLLHUP.rawValue) != 0,
            hasFailed: flags & EPOLLERR.rawValue != 0)
    }

    package mutating func watch(_ socket: Int32, token: UInt64, isListener: Bool) -> Bool {
        let edges = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
        return martlet_epoll_add(epoll, socket, isListener ? EPOLLIN.rawValue : edges, token) == 0
    }

    package mutating func unwatch(_ socket: Int32) { martlet_epoll_remove(epoll, socket) }

    package mutating func listen(_ address: SocketAddress, backlog: Int32) -> Int32 {
        ListeningSocket.open(address, backlog: backlog)
    }

    package mutating func accept(_ listener: Int32) -> AcceptedSocket {
        var peer = martlet_address()
        let socket = martlet_accept(listener, &peer)
        return AcceptedSocket(socket: socket, peer: SocketAddress(peer) ?? .ip(.anyIPv4, port: 0))
    }

    package mutating func connect(
        _ address: borrowing SocketAddress, mark: Int32, options: [SocketOption]
    ) -> Int32 {
        let target = copy address
        if case .path(let path) = target { return martlet_connect_path(path) }
        guard var form = target.kernelForm else { return -EINVAL }
        if options.isEmpty { return martlet_connect(&form, mark, nil, 0) }
        let list = options.map { martlet_option(level: $0.level, name: $0.name, value: $0.value) }
        return martlet_connect(&form, mark, list, Int32(clamping: list.count))
    }

    package func connectError(_ socket: Int32) -> Int32 { martlet_socket_error(socket) }

    package mutating func receive(_ socket: Int32, into buffer: inout ByteBuffer) -> Int {
        // SAFETY: the kernel writes at most `room.count` bytes into the room that the buffer lends for this call.
        buffer.fill { room in martlet_receive(socket, room.baseAddress, room.count) }
    }

    package mutating func send(_ socket: Int32, _ buffer: borrowing ByteBuffer) -> Int {
        // SAFETY: the kernel reads `count` bytes during the call only.
        buffer.withReadable { martlet_send(socket, $0.baseAddress, $0.count) }
    }

    package mutating func send(
        _ socket: Int32, _ first: borrowing ByteBuffer, _ second: borrowing ByteBuffer, count: Int
    ) -> Int {
        // SAFETY: the kernel reads both parts during the call only; count is checked against the second.
        first.withReadable { head in
            second.withReadable { body in
                precondition(count <= body.count, "send: more than the buffer holds")
                if head.count == 0 { return martlet_send(socket, body.baseAddress, count) }
                return martlet_send2(socket, head.baseAddress, head.count, body.baseAddress, count)
            }
        }
    }

    package mutating func shutdownWrite(_ socket: Int32) { martlet_shutdown_write(socket) }

    package mutating func keepAlive(
        _ socket: Int32, probes: UInt32, idleSeconds: UInt32, intervalSeconds: UInt32
    ) {
        func set(_ level: Int32, _ name: Int32, _ value: UInt32) {
            var number = Int32(clamping: value)
            setsockopt(socket, level, name, &number, socklen_t(MemoryLayout<Int32>.size))
        }
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        if probes > 0 { set(Int32(IPPROTO_TCP), TCP_KEEPCNT, probes) }
        if idleSeconds > 0 { set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, idleSeconds) }
        if intervalSeconds > 0 { set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, intervalSeconds) }
    }

    package mutating func close(_ socket: Int32, abort: Bool) {
        if abort { _ = martlet_reset(socket) }
        Glibc.close(socket)
    }

    package func localAddress(_ socket: Int32) -> SocketAddress? {
        var address = martlet_address()
        return martlet_local_address(socket, &address) == 0 ? SocketAddress(address) : nil
    }

    package func originalDestination(_ socket: Int32) -> SocketAddress? {
        var address = martlet_address()
        if martlet_original_destination(socket, 4, &address) == 0 { return SocketAddress(address) }
        if martlet_original_destination(socket, 6, &address) == 0 { return SocketAddress(address) }
        return nil
    }
}

/// A call of the kernel that the worker cannot do without has failed.
package struct EventLoopError: Error, CustomStringConvertible {
    package let description: String

    /// - Parameter code: a negative errno.
    package init(_ what: String, code: Int32) {
        description = "\(what): \(String(cString: strerror(-code)))"
    }
}

/// Listening sockets that are made outside a worker.
package enum ListeningSocket {
    /// A non-blocking listening socket that may share its port with others of this process, or a negative errno.
    package static func open(_ address: SocketAddress, backlog: Int32) -> Int32 {
        if case .path(let path) = address { return martlet_listen_path(path, backlog) }
        guard var form = address.kernelForm else { return -EINVAL }
        return martlet_listen(&form, backlog, 1, 0)
    }
}
