package import Memory

/// A world in memory with its own time: every read and write may be partial, blocked or cut off, as a seed decides. The
/// same seed gives the same run.
package struct SimulatedTransport: Transport, ~Copyable {
    /// How unkind the world is, in percent of calls.
    package struct Weather: Sendable {
        package var partialReads = 0
        package var partialWrites = 0
        package var blockedReads = 0
        package var blockedWrites = 0
        package var failedConnects = 0
        /// Events that are held back for a turn.
        package var lateEvents = 0

        package init() {}

        package static var stormy: Weather {
            var weather = Weather()
            weather.partialReads = 40
            weather.partialWrites = 40
            weather.blockedReads = 15
            weather.blockedWrites = 25
            weather.lateEvents = 20
            return weather
        }
    }

    private enum Kind { case free, listener, accepted, connecting, connected, refused }

    private struct Socket {
        var kind = Kind.free
        var token: UInt64?
        /// From the far end to the proxy.
        var inbox: [UInt8] = []
        /// From the proxy to the far end.
        var outbox: [UInt8] = []
        var farEnded = false
        var farReset = false
        /// The proxy ended its side.
        var nearEnded = false
        var nearClosed = false
        var nearAborted = false
        var error: Int32 = 0
        var peer = SocketAddress.ip(.loopbackIPv4, port: 0)
        var local = SocketAddress.ip(.loopbackIPv4, port: 0)
        var original: SocketAddress?
        var waiting: [Int32] = []
        /// Bytes that fit into the outbox before the far end takes some.
        var window = Int.max
        /// The proxy has found the outbox full.
        var isFull = false
        var isReadable = false
        var isWritable = false
        var isClosed = false
        var hasFailed = false

        var hasEvent: Bool { isReadable || isWritable || isClosed || hasFailed }
    }

    private var sockets: [Socket] = []
    private var events: [TransportEvent] = []
    private var randomState: UInt64
    private var clock: UInt64 = 1_000_000_000
    private var opened: [Int32] = []
    /// Bytes in pipes, and how many are open.
    var pipes: [[UInt8]] = []
    package internal(set) var openPipes = 0
    /// Whether there are pipes to be had.
    package var havingPipes = true
    /// Calls of `accept` so far.
    package private(set) var accepts = 0
    package var weather: Weather
    /// What every accept fails with while it is not 0: a negative errno.
    package var acceptError: Int32 = 0

    package init(seed: UInt64, weather: Weather = Weather()) {
        randomState = seed
        self.weather = weather
    }

    // MARK: Transport

    package var milliseconds: UInt64 { clock / 1000 }
    package var microseconds: UInt64 { clock }
    package var wallMicroseconds: UInt64 { clock &+ 1_700_000_000_000_000 }

    package mutating func random() -> UInt64 {
        randomState &+= 0x9e37_79b9_7f4a_7c15
        var mixed = randomState
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    private mutating func happens(_ percent: Int) -> Bool { percent > 0 && random() % 100 < UInt64(percent) }

    package mutating func wait(timeoutMilliseconds: Int32) -> Int {
        events.removeAll(keepingCapacity: true)
        let first = sockets.isEmpty ? 0 : Int(random() % UInt64(sockets.count))
        for offset in sockets.indices {
            let index = (first + offset) % sockets.count
            guard let token = sockets[index].token, sockets[index].hasEvent || !sockets[index].waiting.isEmpty else {
                continue
            }
            if happens(weather.lateEvents) { continue }
            let socket = sockets[index]
            events.append(
                TransportEvent(
                    token: token, isReadable: socket.isReadable || !socket.waiting.isEmpty,
                    isWritable: socket.isWritable,
                    isClosed: socket.isClosed, hasFailed: socket.hasFailed))
            sockets[index].isReadable = false
            sockets[index].isWritable = false
            sockets[index].isClosed = false
            sockets[index].hasFailed = false
        }
        if events.isEmpty, timeoutMilliseconds > 0 { advance(milliseconds: UInt64(timeoutMilliseconds)) }
        clock &+= 10
        return events.count
    }

    package func event(_ index: Int) -> TransportEvent { events[index] }

    package mutating func watch(_ socket: Int32, token: UInt64, isListener: Bool) -> Bool {
        guard sockets.indices.contains(Int(socket)) else { return true }
        sockets[Int(socket)].token = token
        if !isListener {
            // As epoll does: what is ready at registration is reported.
            notice(Int(socket), readable: true, writable: sockets[Int(socket)].kind == .accepted)
        }
        return true
    }

    package mutating func unwatch(_ socket: Int32) { sockets[Int(socket)].token = nil }

    private mutating func make(_ kind: Kind) -> Int32 {
        sockets.append(Socket(kind: kind))
        return Int32(sockets.count - 1)
    }

    package mutating func listen(_ address: SocketAddress, backlog: Int32) -> Int32 {
        let socket = make(.listener)
        sockets[Int(socket)].local = address
        return socket
    }

    package mutating func accept(_ listener: Int32) -> AcceptedSocket {
        accepts += 1
        if acceptError != 0 { return AcceptedSocket(socket: acceptError, peer: .ip(.anyIPv4, port: 0)) }
        guard !sockets[Int(listener)].waiting.isEmpty else {
            return AcceptedSocket(socket: Int32(IOCode.wouldBlock), peer: .ip(.anyIPv4, port: 0))
        }
        let socket = sockets[Int(listener)].waiting.removeFirst()
        return AcceptedSocket(socket: socket, peer: sockets[Int(socket)].peer)
    }

    package mutating func connect(
        _ address: borrowing SocketAddress, mark: Int32, options: [SocketOption]
    ) -> Int32 {
        let socket = make(.connecting)
        sockets[Int(socket)].peer = copy address
        if happens(weather.failedConnects) {
            sockets[Int(socket)].kind = .refused
            sockets[Int(socket)].error = 111
            sockets[Int(socket)].hasFailed = true
        } else {
            opened.append(socket)
        }
        return socket
    }

    package func connectError(_ socket: Int32) -> Int32 { sockets[Int(socket)].error }

    package mutating func receive(_ socket: Int32, into buffer: inout ByteBuffer) -> Int {
        let index = Int(socket)
        if sockets[index].farReset { return IOCode.connectionReset }
        let available = sockets[index].inbox.count
        if available == 0 { return sockets[index].farEnded ? 0 : IOCode.wouldBlock }
        if happens(weather.blockedReads) {
            sockets[index].isReadable = true
            return IOCode.wouldBlock
        }
        var count = min(available, buffer.room)
        if happens(weather.partialReads) { count = 1 + Int(random() % UInt64(count)) }
        buffer.append(Array(sockets[index].inbox[..<count]))
        sockets[index].inbox.removeFirst(count)
        // The rest "arrives" after this read.
        if !sockets[index].inbox.isEmpty || sockets[index].farEnded { notice(index, readable: true) }
        return count
    }

    package mutating func send(_ socket: Int32, _ buffer: borrowing ByteBuffer) -> Int {
        let bytes = buffer.withReadable { Array($0) }
        return write(socket, bytes)
    }

    package mutating func send(
        _ socket: Int32, _ first: borrowing ByteBuffer, _ second: borrowing ByteBuffer, count: Int
    ) -> Int {
        let head = first.withReadable { Array($0) }
        let body = second.withReadable { Array($0.prefix(count)) }
        return write(socket, head + body)
    }

    mutating func write(_ socket: Int32, _ bytes: [UInt8]) -> Int {
        let index = Int(socket)
        if sockets[index].farReset { return IOCode.connectionReset }
        if happens(weather.blockedWrites) {
            sockets[index].isWritable = true
            return IOCode.wouldBlock
        }
        var count = min(bytes.count, sockets[index].window - sockets[index].outbox.count)
        if count <= 0 {
            sockets[index].isFull = true
            return IOCode.wouldBlock
        }
        if count > 1, happens(weather.partialWrites) { count = 1 + Int(random() % UInt64(count)) }
        sockets[index].outbox += bytes[..<count]
        return count
    }

    package mutating func shutdownWrite(_ socket: Int32) { sockets[Int(socket)].nearEnded = true }

    package mutating func close(_ socket: Int32, abort: Bool) {
        sockets[Int(socket)].nearClosed = true
        sockets[Int(socket)].nearEnded = true
        sockets[Int(socket)].nearAborted = abort
        sockets[Int(socket)].token = nil
        // Who waits in the queue of a listener that goes is reset.
        for waiting in sockets[Int(socket)].waiting { close(waiting, abort: true) }
        sockets[Int(socket)].waiting = []
    }

    package func localAddress(_ socket: Int32) -> SocketAddress? { sockets[Int(socket)].local }
    package func originalDestination(_ socket: Int32) -> SocketAddress? { sockets[Int(socket)].original }

    private mutating func notice(_ index: Int, readable: Bool = false, writable: Bool = false) {
        if readable, !sockets[index].inbox.isEmpty || sockets[index].farEnded || sockets[index].farReset {
            sockets[index].isReadable = true
        }
        if writable { sockets[index].isWritable = true }
        if sockets[index].farEnded || sockets[index].farReset { sockets[index].isClosed = true }
        if sockets[index].farReset { sockets[index].hasFailed = true }
    }

    // MARK: The far ends

    package mutating func advance(milliseconds: UInt64) { clock &+= milliseconds * 1000 }

    /// A client connects to the listener with this address; nil when there is none.
    package mutating func dial(_ address: SocketAddress, original: SocketAddress? = nil) -> Int32? {
        guard
            let listener = sockets.firstIndex(where: { $0.kind == .listener && !$0.nearClosed && $0.local == address })
        else { return nil }
        let socket = make(.accepted)
        sockets[Int(socket)].local = address
        sockets[Int(socket)].original = original
        sockets[Int(socket)].peer = .ip(.loopbackIPv4, port: UInt16(truncatingIfNeeded: 40_000 + Int(socket)))
        sockets[listener].waiting.append(socket)
        return socket
    }

    /// Connections that the proxy has begun since the last call.
    package mutating func takeOpened() -> [Int32] {
        defer { opened = [] }
        return opened
    }

    package func address(of socket: Int32) -> SocketAddress { sockets[Int(socket)].peer }

    /// The far end takes a connection of the proxy, or refuses it.
    package mutating func complete(_ socket: Int32, error: Int32 = 0) {
        sockets[Int(socket)].kind = error == 0 ? .connected : .refused
        sockets[Int(socket)].error = error
        sockets[Int(socket)].isWritable = true
        sockets[Int(socket)].hasFailed = error != 0
    }

    /// The far end sends.
    package mutating func deliver(_ bytes: [UInt8], to socket: Int32) {
        sockets[Int(socket)].inbox += bytes
        notice(Int(socket), readable: true)
    }

    /// The far end ends its side.
    package mutating func end(_ socket: Int32) {
        sockets[Int(socket)].farEnded = true
        notice(Int(socket), readable: true)
    }

    /// The far end resets the connection.
    package mutating func reset(_ socket: Int32) {
        sockets[Int(socket)].farReset = true
        sockets[Int(socket)].inbox = []
        notice(Int(socket), readable: true, writable: true)
    }

    /// What the proxy has sent on a socket since the last call, or a part of it.
    package mutating func takeSent(_ socket: Int32, atMost limit: Int = .max) -> [UInt8] {
        let index = Int(socket)
        if sockets[index].isFull {
            sockets[index].isFull = false
            sockets[index].isWritable = true
        }
        guard sockets[index].outbox.count > limit else {
            var taken: [UInt8] = []
            swap(&taken, &sockets[index].outbox)
            return taken
        }
        let taken = Array(sockets[index].outbox.prefix(limit))
        sockets[index].outbox.removeFirst(limit)
        return taken
    }

    /// How much the far end lets the proxy send before it reads.
    package mutating func setWindow(_ socket: Int32, _ bytes: Int) { sockets[Int(socket)].window = max(1, bytes) }

    /// Whether there are bytes that the far end has not taken.
    package func hasUnread(_ socket: Int32) -> Bool { !sockets[Int(socket)].outbox.isEmpty }

    package func isClosed(_ socket: Int32) -> Bool { sockets[Int(socket)].nearClosed }
    package func isEnded(_ socket: Int32) -> Bool { sockets[Int(socket)].nearEnded }
    package func isAborted(_ socket: Int32) -> Bool { sockets[Int(socket)].nearAborted }
}
