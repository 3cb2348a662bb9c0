import Glibc
import HTTP1
import HeaderBlock

/// A small HTTP/1.1 server for operators and probes, on Martlet's own codec: several addresses, each with its own answers.
/// Everything is bounded: connections, request size, time.
package final class HTTPServer: Sendable {
    package typealias Answer = @Sendable (ServerRequest) async -> ServerResponse

    package struct Site: Sendable {
        package var address: Endpoint
        package var answer: Answer

        package init(address: Endpoint, answer: @escaping Answer) {
            self.address = address
            self.answer = answer
        }
    }

    /// Of one site.
    static let maximumConnections = 128
    /// A request must be whole, and its answer taken, in this time; an idle connection is closed after it.
    static let timeout = Duration.seconds(30)
    static let maximumBody = 64 * 1024
    /// For the client to take the last answer of a connection that is closed.
    static let lingering = Duration.seconds(2)

    private let loop = PollLoop()
    /// The ports of the sites, in their order; told by the system where 0 was asked for.
    package let ports: [UInt16]

    package init(_ sites: [Site], sharesPorts: Bool = false) throws(SocketError) {
        var sockets: [(Int32, Answer)] = []
        do {
            for site in sites {
                sockets.append((try Sockets.listen(site.address, sharesPort: sharesPorts), site.answer))
            }
        } catch {
            for (socket, _) in sockets { close(socket) }
            throw error
        }
        let listening = sockets
        ports = sockets.map { Sockets.port(of: $0.0) }
        loop.start { [loop] in HTTPHandler(loop, listening) }
    }

    package func stop() { loop.stop() }
}

/// The sockets of the server, on its thread.
private final class HTTPHandler: PollLoop.Handler {
    private struct Connection {
        /// Tells a reused descriptor from the one an answer was made for.
        var number: Int
        var answer: HTTPServer.Answer
        /// The listening socket that it came in by.
        var site: Int32
        var input: [UInt8] = []
        var output: [UInt8] = []
        var sent = 0
        var isAnswering = false
        var closesAfterOutput = false
        /// The answer is sent and our side is closed; what the client still sends is read and dropped, because closing over
        /// unread bytes would reset the connection and lose the answer.
        var isLingering = false
        var deadline: ContinuousClock.Instant
    }

    private let loop: PollLoop
    private let listening: [Int32: HTTPServer.Answer]
    private var connections: [Int32: Connection] = [:]
    private var accepted = 0
    private var limits = Limits()

    init(_ loop: PollLoop, _ sockets: [(Int32, HTTPServer.Answer)]) {
        self.loop = loop
        listening = Dictionary(uniqueKeysWithValues: sockets)
        limits.headBytes = 16 * 1024
    }

    deinit {
        for socket in listening.keys { close(socket) }
        for descriptor in connections.keys { close(descriptor) }
    }

    var interests: [PollLoop.Interest] {
        // Each site for itself: who fills one must not shut the others.
        let counts = Dictionary(connections.values.map { ($0.site, 1) }, uniquingKeysWith: +)
        return listening.keys.map {
            PollLoop.Interest(descriptor: $0, reads: counts[$0, default: 0] < HTTPServer.maximumConnections)
        }
            + connections.map { descriptor, connection in
                PollLoop.Interest(
                    descriptor: descriptor,
                    reads: connection.isLingering || !connection.isAnswering && connection.output.isEmpty,
                    writes: !connection.output.isEmpty)
            }
    }

    var deadline: ContinuousClock.Instant? { connections.values.map(\.deadline).min() }

    func tick(_ now: ContinuousClock.Instant) {
        for (descriptor, connection) in connections where connection.deadline <= now { drop(descriptor) }
    }

    func ready(_ descriptor: Int32, readable: Bool, writable: Bool) {
        if let answer = listening[descriptor] {
            accept(descriptor, answer)
        } else if let connection = connections[descriptor] {
            if connection.isAnswering { return drop(descriptor) }
            if connection.isLingering { return discard(descriptor) }
            if writable, !connection.output.isEmpty { flush(descriptor) } else if readable { receive(descriptor) }
        }
    }

    private func accept(_ socket: Int32, _ answer: @escaping HTTPServer.Answer) {
        let descriptor = Glibc.accept(socket, nil, nil)
        guard descriptor >= 0 else { return }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        Sockets.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        accepted += 1
        connections[descriptor] = Connection(
            number: accepted, answer: answer, site: socket, deadline: .now + HTTPServer.timeout)
    }

    private func drop(_ descriptor: Int32) {
        connections[descriptor] = nil
        close(descriptor)
    }

    private func discard(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { drop(descriptor) }
    }

    private func receive(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return drop(descriptor) }
        connections[descriptor]?.input += buffer[..<count]
        next(descriptor)
    }

    /// Looks for a whole request in what has arrived.
    private func next(_ descriptor: Int32) {
        guard let connection = connections[descriptor], !connection.isAnswering else { return }
        let input = connection.input
        var table = HeaderTable()
        switch RequestParser.parse(input.span, from: 0, limits: limits, into: &table) {
        case .incomplete: return
        case .invalid(let error):
            let status = error == .headTooLarge ? 431 : 400
            answer(descriptor, .text("bad request: \(error)\n", status: status), closes: true, withBody: true)
        case .complete(let head):
            let length: Int
            switch head.framing {
            case .none: length = 0
            case .length(let count) where count <= HTTPServer.maximumBody: length = count
            default:
                let refusal = ServerResponse.text("a body of known and small size is wanted\n", status: 413)
                return answer(descriptor, refusal, closes: true, withBody: true)
            }
            guard input.count >= head.length + length else {
                if head.expectsContinue, input.count == head.length {
                    let line = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
                    _ = send(descriptor, line, line.count, Int32(MSG_NOSIGNAL))
                }
                return
            }
            let request = ServerRequest(
                method: input.span.string(table.method), target: input.span.string(table.path))
            connections[descriptor]?.input.removeFirst(head.length + length)
            connections[descriptor]?.isAnswering = true
            connections[descriptor]?.deadline = .now + HTTPServer.timeout
            let number = connection.number
            let site = connection.answer
            Task { [self, loop] in
                let response = await site(request)
                loop.post { [self] in
                    guard connections[descriptor]?.number == number else { return }
                    answer(
                        descriptor, response, closes: !head.keepsAlive, withBody: request.method != "HEAD")
                }
            }
        }
    }

    private func answer(_ descriptor: Int32, _ response: ServerResponse, closes: Bool, withBody: Bool) {
        connections[descriptor]?.isAnswering = false
        connections[descriptor]?.closesAfterOutput = closes
        connections[descriptor]?.output = response.serialized(keepsAlive: !closes, withBody: withBody)
        connections[descriptor]?.sent = 0
        flush(descriptor)
    }

    private func flush(_ descriptor: Int32) {
        guard let connection = connections[descriptor] else { return }
        let rest = connection.output.count - connection.sent
        let sent = connection.output.withUnsafeBytes { bytes in
            send(descriptor, bytes.baseAddress.map { $0 + connection.sent }, rest, Int32(MSG_NOSIGNAL))
        }
        if sent < 0 {
            if errno != EAGAIN { drop(descriptor) }
            return
        }
        guard sent == rest else {
            connections[descriptor]?.sent += sent
            return
        }
        if connection.closesAfterOutput {
            shutdown(descriptor, Int32(SHUT_WR))
            connections[descriptor]?.output = []
            connections[descriptor]?.isLingering = true
            connections[descriptor]?.deadline = .now + HTTPServer.lingering
            return
        }
        connections[descriptor]?.output = []
        connections[descriptor]?.deadline = .now + HTTPServer.timeout
        next(descriptor)
    }
}

// SAFETY: tasks hand their answers over through the loop.
extension HTTPHandler: @unchecked Sendable {}  // SAFETY: made and used on its loop's thread only.
