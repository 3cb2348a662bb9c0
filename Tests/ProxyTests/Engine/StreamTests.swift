import EventLoop
import HTTP2
import Proxy
import Resilience
import Testing

/// HTTP/1.1 and HTTP/2 on either side of the proxy: every shape of message goes through each of the four pairs unharmed.
@Suite struct StreamTests {
    enum Shape: CaseIterable {
        case empty, sized, unsized, large, trailers
    }

    struct Pair: Sendable, CustomTestStringConvertible {
        var clientHTTP2: Bool
        var endpointHTTP2: Bool
        var isStreamed: Bool { clientHTTP2 || endpointHTTP2 }
        var testDescription: String { "h\(clientHTTP2 ? 2 : 1) to h\(endpointHTTP2 ? 2 : 1)" }
    }

    static let pairs = [
        Pair(clientHTTP2: false, endpointHTTP2: false), Pair(clientHTTP2: true, endpointHTTP2: false),
        Pair(clientHTTP2: false, endpointHTTP2: true), Pair(clientHTTP2: true, endpointHTTP2: true),
    ]

    @Test(arguments: pairs, Shape.allCases)
    func everyMessageArrivesAsItWasSent(pair: Pair, shape: Shape) throws {
        for seed in 0..<12 as Range<UInt64> {
            let crossing = try Crossing(pair, seed: seed, weather: seed == 0 ? .init() : .stormy)
            try crossing.run(shape, rounds: 3)
            crossing.end()
            #expect(crossing.world.proxy.openExchanges == 0, "seed \(seed)")
            #expect(crossing.world.proxy.lentBuffers == 0, "seed \(seed)")
            #expect(crossing.world.proxy.openConnections == 0, "seed \(seed)")
        }
    }

    @Test func manyStreamsShareOneConnection() throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        let streams = (0..<20).compactMap { client.request("GET", "/\($0)") }
        world.settle()
        let sockets = world.acceptUpstream()
        #expect(sockets.count == 1)
        let endpoint = StreamPeer(world, socket: try #require(sockets.first), isServer: true)
        world.settle()
        let requests = endpoint.requests()
        #expect(requests.count == 20)
        for request in requests.reversed() {
            let path = endpoint.messages[request]?.path ?? ""
            endpoint.respond(request, body: Array(path.utf8))
        }
        world.settle()
        client.pump()
        for (number, stream) in streams.enumerated() {
            let answer = try #require(client.messages[stream])
            #expect(answer.status == 200)
            #expect(answer.body == Array("/\(number)".utf8))
            #expect(answer.isEnded)
        }
        #expect(world.proxy.openExchanges == 0)
    }

    @Test func theEndpointsLimitOnStreamsOpensAnotherConnection() throws {
        var settings = HTTP2Settings.announced(by: .server)
        settings.maxConcurrentStreams = 2
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        _ = client.request()
        world.settle()
        let first = StreamPeer(
            world, socket: try #require(world.acceptUpstream().first), isServer: true, settings: settings)
        world.settle()
        #expect(first.requests().count == 1)
        for _ in 0..<3 { _ = client.request() }
        world.settle()
        #expect(first.requests().count == 1)
        #expect(world.acceptUpstream().count >= 1)
    }

    @Test(arguments: pairs)
    func aClientThatGoesAwayEndsItsRequest(pair: Pair) throws {
        let crossing = try Crossing(pair, seed: 1, weather: .init())
        try crossing.start("POST", body: Array("half".utf8), ends: false)
        let endpoint = try crossing.endpoint()
        crossing.resetClient()
        crossing.settle()
        #expect(crossing.world.proxy.openExchanges == 0)
        if let peer = endpoint.peer {
            peer.pump()
            #expect(peer.messages.values.first?.reset == HTTP2ErrorCode.cancel.rawValue)
        } else {
            #expect(crossing.world.proxy.world { $0.isClosed(endpoint.socket) })
        }
    }

    @Test(arguments: pairs)
    func anEndpointThatResetsIs503(pair: Pair) throws {
        let crossing = try Crossing(pair, seed: 1, weather: .init())
        try crossing.start("POST", body: Array("all".utf8), ends: true)
        let endpoint = try crossing.endpoint()
        if let peer = endpoint.peer {
            peer.reset(try #require(peer.messages.keys.first), .internalError)
        } else {
            crossing.world.proxy.world { $0.reset(endpoint.socket) }
        }
        crossing.settle()
        #expect(try #require(crossing.answer()).status == 503)
        #expect(crossing.world.proxy.openExchanges == 0)
    }

    @Test(arguments: pairs)
    func halfAResponseIsCutOff(pair: Pair) throws {
        let crossing = try Crossing(pair, seed: 1, weather: .init())
        try crossing.start("GET", body: nil, ends: true)
        let endpoint = try crossing.endpoint()
        if let peer = endpoint.peer {
            let stream = try #require(peer.messages.keys.first)
            peer.respond(stream, body: Array("half".utf8), ends: false)
            crossing.settle()
            peer.reset(stream, .internalError)
        } else {
            crossing.world.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", on: endpoint.socket)
            crossing.settle()
            crossing.world.proxy.world { $0.reset(endpoint.socket) }
        }
        crossing.settle()
        if let client = crossing.client {
            client.pump()
            let message = try #require(client.messages.values.first)
            #expect(message.status == 200)
            #expect(message.reset != nil)
            #expect(!crossing.world.proxy.world { $0.isClosed(crossing.socket) })
        } else {
            #expect(crossing.world.proxy.world { $0.isAborted(crossing.socket) })
        }
        #expect(crossing.world.proxy.openExchanges == 0)
    }

    @Test(arguments: pairs)
    func anEarlyResponseEndsTheRequest(pair: Pair) throws {
        let crossing = try Crossing(pair, seed: 1, weather: .init())
        try crossing.start("POST", body: Array("half".utf8), ends: false)
        let endpoint = try crossing.endpoint()
        if let peer = endpoint.peer {
            peer.respond(try #require(peer.messages.keys.first), status: 413, body: Array("no".utf8))
        } else {
            crossing.world.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", on: endpoint.socket)
        }
        crossing.settle()
        let answer = try #require(crossing.answer())
        #expect(answer.status == 413)
        #expect(answer.body == Array("no".utf8))
        #expect(crossing.world.proxy.openExchanges == 0)
        if let client = crossing.client {
            #expect(client.messages.values.first?.reset == HTTP2ErrorCode.noError.rawValue)
        }
    }

    /// A client that does not read stops the endpoint, and the proxy keeps no more than the windows.
    @Test(arguments: pairs.filter(\.clientHTTP2))
    func aSlowReaderHoldsTheEndpointBack(pair: Pair) throws {
        let crossing = try Crossing(pair, seed: 1, weather: .init())
        try crossing.start("GET", body: nil, ends: true)
        let client = try #require(crossing.client)
        client.reads = false
        let endpoint = try crossing.endpoint()
        let body = [UInt8](repeating: 7, count: 4_000_000)
        if let peer = endpoint.peer {
            let stream = try #require(peer.messages.keys.first)
            peer.respond(stream, ends: false)
            peer.send(body, on: stream, ends: true)
            for _ in 0..<200 {
                crossing.settle(2)
                peer.pump()
                client.pump()
            }
            #expect(peer.window(stream) == 0)
        } else {
            crossing.world.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n", on: endpoint.socket)
            crossing.world.proxy.world { $0.deliver(body, to: endpoint.socket) }
            for _ in 0..<200 {
                crossing.settle(2)
                client.pump()
            }
        }
        let stream = try #require(client.messages.keys.first)
        let held = try #require(client.messages[stream]).body.count
        #expect(held <= 256 * 1024)
        client.reads = true
        client.giveBack(held, on: stream)
        for _ in 0..<3_000 where client.messages[stream]?.isEnded != true {
            crossing.settle(2)
            endpoint.peer?.pump()
            client.pump()
        }
        #expect(client.messages[stream]?.body.count == body.count)
        #expect(crossing.world.proxy.openExchanges == 0)
    }

    @Test func aRefusedStreamGoesElsewhere() throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        let stream = try #require(client.request("POST", "/a", body: Array("again".utf8)))
        world.settle()
        let peer = StreamPeer(world, socket: try #require(world.acceptUpstream().first), isServer: true)
        world.settle()
        let refused = try #require(peer.requests().first)
        peer.reset(refused, .refusedStream)
        world.settle()
        let again = try #require(peer.requests().first)
        #expect(peer.messages[again]?.body == Array("again".utf8))
        peer.respond(again)
        world.settle()
        client.pump()
        #expect(client.messages[stream]?.status == 200)
    }

    @Test func drainingSaysGoodbyeAndAnswersWhatIsUnderWay() throws {
        let world = try Simulation(endpoints: 1)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        let stream = try #require(client.request())
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.proxy.drain(milliseconds: 5_000)
        world.pass(milliseconds: 300)
        world.settle()
        client.pump()
        world.settle()
        client.pump()
        #expect(client.sawGoAway)
        world.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", on: upstream)
        world.settle()
        client.pump()
        #expect(client.messages[stream]?.status == 200)
        #expect(client.messages[stream]?.isEnded == true)
        world.settle()
        #expect(world.proxy.world { $0.isEnded(client.socket) || $0.isClosed(client.socket) })
    }

    @Test func gRPCGetsItsErrorsInItsOwnForm() throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        let stream = try #require(
            client.request("POST", "/s/m", fields: [("content-type", "application/grpc"), ("te", "trailers")]))
        world.settle()
        world.acceptUpstream(error: 111)
        client.pump()
        let answer = try #require(client.messages[stream])
        #expect(answer.status == 200)
        #expect(answer["grpc-status"] == "14")
        #expect(answer["grpc-message"]?.hasPrefix("upstream connect error") == true)
        #expect(answer["content-type"] == "application/grpc")
        #expect(answer.isEnded)
    }
}
