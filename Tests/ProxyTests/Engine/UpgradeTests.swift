import EventLoop
import Proxy
import Testing

/// Requests that become tunnels over HTTP/1.1, and interim responses.
@Suite struct UpgradeTests {
    private static let upgrade =
        "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
    private static let agreement =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\n"

    private static func world(_ upgrades: [String] = ["websocket", "connect"], interim: Bool = false) throws
        -> Simulation
    {
        try Simulation(
            manager: HTTPConnectionManager(
                statPrefix: "http", routeTable: 0, upgrades: upgrades, passesInterimResponses: interim))
    }

    private static func tunnel(_ world: Simulation) throws -> (client: Int32, upstream: Int32) {
        let client = world.dial()
        world.send(upgrade, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let request = try #require(world.request(on: upstream))
        #expect(request["upgrade"] == "websocket")
        #expect(request["connection"]?.lowercased() == "upgrade")
        #expect(request["sec-websocket-key"] == "k")
        world.send(agreement, on: upstream)
        world.settle()
        let response = try #require(world.response(to: client))
        #expect(response.status == 101)
        #expect(response["upgrade"] == "websocket")
        #expect(response["connection"]?.lowercased() == "upgrade")
        #expect(response["sec-websocket-accept"] == "a")
        return (client, upstream)
    }

    @Test func bytesGoBothWaysOnceTheEndpointAgrees() throws {
        let world = try Self.world()
        let (client, upstream) = try Self.tunnel(world)
        for round in 0..<3 {
            world.send("ping \(round)", on: client)
            world.settle()
            #expect(world.text(sentTo: upstream) == "ping \(round)")
            world.send("pong \(round)", on: upstream)
            world.settle()
            #expect(world.text(sentTo: client) == "pong \(round)")
        }
        world.proxy.world { $0.end(client) }
        world.settle()
        #expect(world.proxy.world { $0.isEnded(upstream) })
        world.send("last", on: upstream)
        world.proxy.world { $0.end(upstream) }
        world.settle()
        #expect(world.text(sentTo: client) == "last")
        #expect(world.proxy.openExchanges == 0)
        #expect(world.proxy.openConnections == 0)
        #expect(world.proxy.lentBuffers == 0)
    }

    @Test func theEndpointMayEndFirst() throws {
        let world = try Self.world()
        let (client, upstream) = try Self.tunnel(world)
        world.proxy.world { $0.end(upstream) }
        world.settle()
        #expect(world.proxy.world { $0.isEnded(client) })
        world.send("late", on: client)
        world.settle()
        #expect(world.text(sentTo: upstream) == "late")
        world.proxy.world { $0.end(client) }
        world.settle()
        #expect(world.proxy.openConnections == 0)
        #expect(world.proxy.openExchanges == 0)
    }

    @Test func anEndpointThatDeclinesAnswersAsUsual() throws {
        let world = try Self.world()
        let client = world.dial()
        world.send(Self.upgrade, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        _ = world.request(on: upstream)
        world.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", on: upstream)
        world.settle()
        let response = try #require(world.response(to: client))
        #expect(response.status == 200)
        #expect(response["upgrade"] == nil)
        #expect(response.body == Array("no".utf8))
    }

    @Test func whatIsNotAllowedIsRefused() throws {
        let world = try Self.world(["other"])
        let client = world.dial()
        world.send(Self.upgrade, on: client)
        world.settle()
        #expect(world.response(to: client)?.status == 403)
        #expect(world.acceptUpstream().isEmpty)
    }

    @Test func anUpgradeToClearTextHTTP2IsIgnored() throws {
        let world = try Self.world([])
        let client = world.dial()
        world.send(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
            on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let request = try #require(world.request(on: upstream))
        for name in ["upgrade", "connection", "http2-settings"] { #expect(request[name] == nil) }
    }

    @Test func interimResponsesArePassedOnWhereConfigured() throws {
        for passes in [true, false] {
            let world = try Self.world(interim: passes)
            let client = world.dial()
            world.send(
                "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", on: client)
            world.settle()
            let upstream = try #require(world.acceptUpstream().first)
            if !passes { #expect(world.response(to: client)?.status == 100) }
            world.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", on: upstream)
            world.settle()
            if passes {
                let hint = try #require(world.response(to: client))
                #expect(hint.status == 103)
                #expect(hint["link"] == "</a>")
            }
            world.send("hi", on: client)
            world.settle()
            #expect((world.request(on: upstream)?["expect"] != nil) == passes)
            world.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: upstream)
            world.settle()
            #expect(world.response(to: client)?.status == 200)
        }
    }

    @Test func aTunnelThatIsSilentTooLongIsClosed() throws {
        let world = try Self.world()
        let (client, upstream) = try Self.tunnel(world)
        world.pass(milliseconds: 200_000)
        world.send("awake", on: client)
        world.settle()
        world.pass(milliseconds: 200_000)
        #expect(!world.proxy.world { $0.isClosed(upstream) })
        world.pass(milliseconds: 101_000)
        #expect(world.proxy.openExchanges == 0)
        #expect(world.proxy.world { $0.isClosed(upstream) })
    }
}
