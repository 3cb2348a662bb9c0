import EventLoop
import HTTP2
import Proxy
import Testing

/// CONNECT and upgrades where one side speaks HTTP/2: a tunnel is one only when the endpoint has agreed.
@Suite struct StreamTunnelTests {
    private static let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

    private static func manager() -> HTTPConnectionManager {
        var http2 = HTTP2Options.server
        http2.settings.enableConnectProtocol = true
        return HTTPConnectionManager(
            statPrefix: "http", http2: http2, routeTable: 0, upgrades: ["websocket", "connect"])
    }

    enum Form: CaseIterable {
        case connect, upgrade

        var head: [UInt8] {
            switch self {
            case .connect: RawStreams.connect(1, "x:80")
            case .upgrade: RawStreams.connect(1, "x", protocolName: "websocket")
            }
        }
    }

    @Test(arguments: Form.allCases)
    func whatIsSentBeforeTheEndpointRefusesGoesNowhere(form: Form) throws {
        let world = try Simulation(endpoints: 1, manager: Self.manager())
        let client = RawStreams(world, then: form.head + RawStreams.data(1, Self.smuggled))
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let request = world.text(sentTo: upstream)
        #expect(request.hasPrefix(form == .connect ? "CONNECT x:80 " : "GET / "))
        #expect(request.hasSuffix("\r\n\r\n"))
        #expect(!request.contains("smuggled"))
        client.send(RawStreams.data(1, Self.smuggled, ends: true))
        world.settle()
        world.send("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", on: upstream)
        world.settle()
        #expect(world.text(sentTo: upstream).isEmpty)
        #expect(world.proxy.world { $0.isClosed(upstream) })
        let frames = client.frames()
        #expect(frames.status(1) == 404)
        #expect(frames.body(1) == "no")
        #expect(world.proxy.openExchanges == 0)
    }

    @Test(arguments: Form.allCases)
    func whatIsSentBeforeTheEndpointAgreesFollowsThen(form: Form) throws {
        let world = try Simulation(endpoints: 1, manager: Self.manager())
        let client = RawStreams(world, then: form.head + RawStreams.data(1, "early "))
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        _ = world.text(sentTo: upstream)
        world.send(
            form == .connect
                ? "HTTP/1.1 200 OK\r\n\r\n"
                : "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", on: upstream)
        world.settle()
        #expect(client.frames().status(1) == 200)
        #expect(world.text(sentTo: upstream) == "early ")
        client.send(RawStreams.data(1, "late", ends: true))
        world.send("answer", on: upstream)
        world.settle()
        #expect(world.text(sentTo: upstream) == "late")
        #expect(client.frames().body(1) == "answer")
        #expect(world.proxy.world { $0.isEnded(upstream) })
        world.proxy.world { $0.end(upstream) }
        world.settle()
        #expect(world.proxy.openExchanges == 0)
        #expect(world.proxy.lentBuffers == 0)
    }

    // MARK: HTTP/1.1 clients, HTTP/2 endpoints

    private static let upgrade =
        "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"

    private func open(_ settings: HTTP2Settings) throws -> (world: Simulation, client: Int32, peer: StreamPeer) {
        let world = try Simulation(endpoints: 1, manager: Self.manager(), upstream: .http2)
        let client = world.dial()
        world.send(Self.upgrade, on: client)
        world.settle()
        let peer = StreamPeer(
            world, socket: try #require(world.acceptUpstream().first), isServer: true, settings: settings)
        world.settle()
        peer.pump()
        world.settle()
        peer.pump()
        return (world, client, peer)
    }

    @Test func aWebSocketGoesThroughAnEndpointOfHTTP2() throws {
        var settings = HTTP2Settings.announced(by: .server)
        settings.enableConnectProtocol = true
        let (world, client, peer) = try open(settings)
        let stream = try #require(peer.messages.keys.first)
        let request = try #require(peer.messages[stream])
        #expect(request.method == "CONNECT")
        #expect(request.path == "/chat")
        #expect(!request.isEnded)
        peer.respond(stream, ends: false)
        world.settle()
        #expect(world.response(to: client)?.status == 101)
        world.send("ping", on: client)
        world.settle()
        peer.pump()
        #expect(peer.messages[stream]?.body == Array("ping".utf8))
        peer.send(Array("pong".utf8), on: stream)
        world.settle()
        #expect(world.text(sentTo: client) == "pong")
        world.proxy.world { $0.end(client) }
        world.settle()
        peer.pump()
        #expect(peer.messages[stream]?.isEnded == true)
        peer.send([], on: stream, ends: true)
        world.settle()
        #expect(world.proxy.openExchanges == 0)
    }

    @Test func anEndpointThatTakesNoUpgradesIsNotAsked() throws {
        let (world, client, peer) = try open(.announced(by: .server))
        #expect(peer.messages.isEmpty)
        #expect(world.response(to: client)?.status == 503)
        #expect(world.proxy.openExchanges == 0)
        #expect(!world.proxy.world { $0.isClosed(peer.socket) })
    }
}
