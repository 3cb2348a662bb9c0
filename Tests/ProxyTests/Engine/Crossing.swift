import EventLoop
import HTTP2
import Proxy
import Testing

/// A client, the proxy and an endpoint, each hop of HTTP/1.1 or HTTP/2.
final class Crossing {
    struct Endpoint {
        var socket: Int32
        /// Nil: HTTP/1.1.
        var peer: StreamPeer?
    }

    struct Answer {
        var status: Int
        var fields: [(name: String, value: String)]
        var body: [UInt8]
        var trailers: [(name: String, value: String)]
    }

    let world: Simulation
    let pair: StreamTests.Pair
    let socket: Int32
    /// Nil: the client speaks HTTP/1.1.
    private(set) var client: StreamPeer?
    private var endpoints: [Endpoint] = []
    private var stream: UInt32 = 0

    init(_ pair: StreamTests.Pair, seed: UInt64, weather: SimulatedTransport.Weather) throws {
        self.pair = pair
        world = try Simulation(
            seed: seed, weather: weather, endpoints: 1, upstream: pair.endpointHTTP2 ? .http2 : .http1)
        socket = world.dial()
        if pair.clientHTTP2 { client = StreamPeer(world, socket: socket, isServer: false) }
    }

    func settle(_ turns: Int = 20) {
        for _ in 0..<turns {
            world.proxy.turn()
            accept()
        }
    }

    private func accept() {
        for socket in world.proxy.world({ $0.takeOpened() }) {
            world.proxy.world { $0.complete(socket) }
            world.opened.append(socket)
            endpoints.append(
                Endpoint(
                    socket: socket,
                    peer: pair.endpointHTTP2 ? StreamPeer(world, socket: socket, isServer: true) : nil))
        }
    }

    /// Begins a request and lets it come as far as it goes.
    func start(_ method: String, body: [UInt8]?, ends: Bool) throws {
        if let client {
            settle()
            client.pump()
            stream = try #require(client.request(method, "/a", body: body, ends: ends))
        } else {
            let length = body.map { ends ? $0.count : $0.count + 100 }
            let field = length.map { "Content-Length: \($0)\r\n" } ?? ""
            world.send("\(method) /a HTTP/1.1\r\nHost: x\r\n\(field)\r\n", on: socket)
            if let body { world.proxy.world { $0.deliver(body, to: socket) } }
        }
        settle()
    }

    /// The endpoint that was connected to, having read what came.
    func endpoint() throws -> Endpoint {
        let endpoint = try #require(endpoints.first)
        settle()
        endpoint.peer?.pump()
        settle()
        endpoint.peer?.pump()
        return endpoint
    }

    func resetClient() {
        if let client { client.reset(stream) } else { world.proxy.world { $0.reset(socket) } }
    }

    /// The answer that has come, when it is whole.
    func answer() -> Answer? {
        if let client {
            client.pump()
            guard let message = client.messages[stream], message.hasHead, message.isEnded else { return nil }
            return Answer(
                status: message.status, fields: message.fields, body: message.body, trailers: message.trailers)
        }
        guard let message = world.response(to: socket) else { return nil }
        return Answer(status: message.status, fields: message.fields, body: message.body, trailers: message.trailers)
    }

    // MARK: Whole exchanges

    private static func body(_ shape: StreamTests.Shape, _ round: Int) -> [UInt8] {
        switch shape {
        case .empty: []
        case .sized, .unsized, .trailers: Array("body of round \(round)".utf8)
        case .large: (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ round) }
        }
    }

    /// Sends requests of a shape, which the endpoint answers with what it got in the same shape.
    func run(_ shape: StreamTests.Shape, rounds: Int) throws {
        for round in 0..<rounds {
            let body = Self.body(shape, round)
            try send(shape, body)
            var answer: Answer?
            var turns = 0
            while answer == nil {
                turns += 1
                try #require(turns < 30_000, "stuck in round \(round)")
                world.proxy.turn(maxWait: 5)
                accept()
                for endpoint in endpoints { try reply(endpoint, shape, body) }
                answer = self.answer()
            }
            #expect(answer?.status == 200)
            #expect(answer?.body == body)
            let trailer = answer?.trailers.first { $0.name == "x-response-trailer" }?.value
            #expect(trailer == (shape == .trailers ? "end" : nil))
        }
    }

    private func send(_ shape: StreamTests.Shape, _ body: [UInt8]) throws {
        let trailers = shape == .trailers ? [("x-request-trailer", "end")] : []
        if let client {
            var opened: UInt32?
            while opened == nil {
                world.proxy.turn(maxWait: 5)
                client.pump()
                opened = client.request(
                    shape == .empty ? "GET" : "POST", "/a",
                    fields: shape == .sized ? [("content-length", "\(body.count)")] : [],
                    body: shape == .empty ? nil : body, trailers: trailers)
            }
            stream = opened ?? 0
            return
        }
        switch shape {
        case .empty: world.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", on: socket)
        case .sized, .large:
            world.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n", on: socket)
            world.proxy.world { $0.deliver(body, to: socket) }
        case .unsized, .trailers:
            world.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", on: socket)
            world.proxy.world { $0.deliver(Self.chunks(body, trailers), to: socket) }
        }
    }

    private static func chunks(_ body: [UInt8], _ trailers: [(String, String)]) -> [UInt8] {
        let middle = body.count / 2
        var result: [UInt8] = []
        for part in [body[..<middle], body[middle...]] where !part.isEmpty {
            result += Array("\(String(part.count, radix: 16))\r\n".utf8) + part + [13, 10]
        }
        result += Array("0\r\n".utf8)
        for (name, value) in trailers { result += Array("\(name): \(value)\r\n".utf8) }
        return result + [13, 10]
    }

    private func reply(_ endpoint: Endpoint, _ shape: StreamTests.Shape, _ expected: [UInt8]) throws {
        let trailers = shape == .trailers ? [("x-response-trailer", "end")] : []
        if let peer = endpoint.peer {
            for request in peer.requests() {
                let message = try #require(peer.messages[request])
                #expect(message.body == expected)
                #expect(message.authority == "x")
                check(message.trailers, shape)
                peer.respond(
                    request, fields: shape == .sized ? [("content-length", "\(expected.count)")] : [],
                    body: shape == .empty ? nil : expected, trailers: trailers)
            }
            return
        }
        guard let message = world.request(on: endpoint.socket) else { return }
        #expect(message.body == expected)
        #expect(message["host"] == "x")
        check(message.trailers, shape)
        switch shape {
        case .empty: world.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: endpoint.socket)
        case .sized, .large:
            world.send("HTTP/1.1 200 OK\r\nContent-Length: \(expected.count)\r\n\r\n", on: endpoint.socket)
            world.proxy.world { $0.deliver(expected, to: endpoint.socket) }
        case .unsized, .trailers:
            world.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", on: endpoint.socket)
            world.proxy.world { $0.deliver(Self.chunks(expected, trailers), to: endpoint.socket) }
        }
    }

    private func check(_ trailers: [(name: String, value: String)], _ shape: StreamTests.Shape) {
        let value = trailers.first { $0.name == "x-request-trailer" }?.value
        #expect(value == (shape == .trailers ? "end" : nil))
    }

    /// Everybody goes home.
    func end() {
        world.proxy.world { $0.end(socket) }
        for _ in 0..<200 { world.proxy.turn(maxWait: 5) }
        for endpoint in endpoints { world.proxy.world { $0.end(endpoint.socket) } }
        for _ in 0..<200 { world.proxy.turn(maxWait: 5) }
    }
}
