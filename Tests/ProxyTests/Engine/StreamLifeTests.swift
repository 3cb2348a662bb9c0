import EventLoop
import HTTP2
import Proxy
import Resilience
import Testing

/// How streams begin and end when the peers do not behave: nobody is orphaned, nothing leaks, nothing waits for ever.
@Suite struct StreamLifeTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    private static func manager(
        fields: Int = 100, headBytes: Int = 60 * 1024, requests: UInt32 = 0, drain: UInt32 = 5_000
    ) -> HTTPConnectionManager {
        var timeouts = HTTPConnectionManager.Timeouts()
        timeouts.maxRequests = requests
        timeouts.drainMilliseconds = drain
        return HTTPConnectionManager(
            statPrefix: "http", routeTable: 0, timeouts: timeouts, maxRequestHeadBytes: headBytes,
            maxRequestFields: fields)
    }

    /// The last of too many resets ends the connection, and the request that it is about with it.
    @Test func aFloodOfResetsLeavesNobodyBehind() throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        var upstream: StreamPeer?
        for _ in 0..<600 {
            guard let stream = client.request() else { break }
            client.reset(stream)
            world.settle(2)
            if let socket = world.proxy.world({ $0.takeOpened() }).first {
                world.proxy.world { $0.complete(socket) }
                upstream = StreamPeer(world, socket: socket, isServer: true)
            }
            client.pump()
        }
        world.settle()
        client.pump()
        #expect(client.sawGoAway)
        #expect(world.proxy.openExchanges == 0)
        upstream?.pump()
        for stream in upstream?.messages.keys.sorted() ?? [] { upstream?.respond(stream) }
        world.settle()
        #expect(world.proxy.openExchanges == 0)
    }

    @Test func aClientsGoAwayDoesNotCutOffItsStreams() throws {
        let world = try Simulation(endpoints: 1)
        let client = RawStreams(
            world, then: RawStreams.goAway() + RawStreams.get(1, "/direct") + RawStreams.get(3, "/a"))
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        #expect(world.request(on: upstream) != nil)
        world.send(Self.ok, on: upstream)
        world.settle()
        let frames = client.frames()
        #expect(frames.status(3) == 200)
        #expect(frames.body(3) == "ok")
        #expect(world.proxy.openExchanges == 0)
        #expect(world.proxy.world { $0.isEnded(client.socket) })
    }

    /// What clients have cancelled does not use up the window of the connection that all share.
    @Test func cancelledDownloadsGiveTheirBytesBack() throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        var options = HTTP2Options.client
        options.limits.connectionWindowBytes = 1 << 20
        world.proxy.apply(
            try Simulation.snapshot(
                generation: 2,
                cluster: ClusterDescriptor(
                    name: "h2", endpoints: [EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0300), port: 80))],
                    upstream: .http2, http2: options)))
        var settings = HTTP2Settings.announced(by: .client)
        settings.initialWindowSize = 1_000
        let client = StreamPeer(world, socket: world.dial(), isServer: false, settings: settings)
        client.reads = false
        world.settle()
        client.pump()
        var endpoint: StreamPeer?
        for round in 0..<8 {
            let stream = try #require(client.request())
            world.settle()
            if let socket = world.acceptUpstream().first {
                endpoint = StreamPeer(world, socket: socket, isServer: true)
            }
            world.settle()
            let peer = try #require(endpoint)
            let request = try #require(peer.requests().first)
            peer.respond(request, body: [UInt8](repeating: 7, count: 250_000))
            for _ in 0..<20 {
                world.settle(2)
                peer.pump()
            }
            #expect(peer.window(request) == 0, "all of round \(round) was sent")
            client.pump()
            #expect(client.messages[stream]?.body.count == 1_000)
            client.reset(stream)
            world.settle()
            peer.pump()
        }
        #expect(world.proxy.openExchanges == 0)
        #expect(world.proxy.lentBuffers == 0)
        client.reads = true
        let last = try #require(client.request())
        world.settle()
        let peer = try #require(endpoint)
        peer.respond(try #require(peer.requests().first), body: [UInt8](repeating: 1, count: 250_000))
        for _ in 0..<2_000 where client.messages[last]?.isEnded != true {
            world.settle(2)
            peer.pump()
            client.pump()
        }
        #expect(client.messages[last]?.body.count == 250_000)
    }

    @Test func anAnswerThatTheClientHasNoRoomForIsNotKeptForEver() throws {
        let world = try FilterWorld(
            routes: [
                #"{"match":{"prefix":"/"},"directResponse":{"status":200,"body":{"inlineString":"nobody reads this"}}}"#
            ]
        ).simulation
        var settings = HTTP2Settings.announced(by: .client)
        settings.initialWindowSize = 0
        let client = StreamPeer(world, socket: world.dial(), isServer: false, settings: settings)
        world.settle()
        client.pump()
        for _ in 0..<10 { _ = client.request() }
        world.settle()
        #expect(world.proxy.openExchanges == 10)
        for _ in 0..<8 { world.pass(milliseconds: 40_000) }
        #expect(world.proxy.openExchanges == 0)
        client.pump()
        #expect(client.messages.values.allSatisfy { $0.reset != nil })
    }

    // MARK: Both directions at once

    /// The response waits for the client, the request for the endpoint: each goes on when its own side does.
    @Test func aClientThatReadsNothingMayStillSend() throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        let stream = try #require(client.request("POST", body: Array("begin".utf8), ends: false))
        world.settle()
        let peer = StreamPeer(world, socket: try #require(world.acceptUpstream().first), isServer: true)
        world.settle()
        peer.pump()
        world.settle()
        let request = try #require(peer.messages.keys.first)
        client.pump()
        world.proxy.world { $0.setWindow(client.socket, 100) }
        peer.respond(request, body: [UInt8](repeating: 1, count: 60_000), ends: false)
        world.settle()
        world.proxy.world { $0.setWindow(peer.socket, 100) }
        client.send([UInt8](repeating: 2, count: 60_000), on: stream, ends: true)
        world.settle()
        world.proxy.world { $0.setWindow(peer.socket, .max) }
        for _ in 0..<200 {
            world.settle(2)
            peer.pump()
        }
        #expect(peer.messages[request]?.body.count == 60_005)
        #expect(peer.messages[request]?.isEnded == true)
    }

    /// The same between HTTP/1.1 peers.
    @Test func anUploadGoesOnWhileTheResponseIsNotRead() throws {
        let world = try Simulation(endpoints: 1)
        let client = world.dial()
        world.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.proxy.world { $0.setWindow(client, 100) }
        world.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", on: upstream)
        world.proxy.world { $0.deliver([UInt8](repeating: 1, count: 100_000), to: upstream) }
        world.settle()
        for _ in 0..<6 {
            world.proxy.world { $0.deliver([UInt8](repeating: 2, count: 10_000), to: client) }
            world.settle()
        }
        #expect(world.request(on: upstream)?.body.count == 60_000)
    }

    // MARK: Heads

    @Test(arguments: [(99, 200), (101, 431)])
    func fieldsBeyondTheLimitAreRefused(count: Int, status: Int) throws {
        let world = try Simulation(endpoints: 1)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        let stream = try #require(client.request(fields: (0..<count - 1).map { ("x-\($0)", "v") }))
        world.settle()
        if status == 200 {
            let upstream = try #require(world.acceptUpstream().first)
            #expect(world.request(on: upstream)?["x-97"] == "v")
            world.send(Self.ok, on: upstream)
            world.settle()
        }
        client.pump()
        #expect(client.messages[stream]?.status == status)
    }

    @Test(arguments: [("fields", 431), ("bytes", 431), ("neither", 503)])
    func theListenersLimitsOnHeadsHoldForHTTP2(what: String, status: Int) throws {
        let world = try Simulation(endpoints: 1, manager: Self.manager(fields: 10, headBytes: 2_000))
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        let fields =
            switch what {
            case "fields": (0..<10).map { ("x-\($0)", "v") }
            case "bytes": [("x-long", String(repeating: "v", count: 2_000))]
            default: [("x-a", "v")]
            }
        let stream = try #require(client.request("GET", "/nowhere", fields: fields))
        world.settle()
        client.pump()
        #expect(client.messages[stream]?.status == status)
    }

    /// A request as large as may be loses nothing of what the proxy has to add: without its framing the endpoint would
    /// take its body for another request.
    @Test func aFullHeadHasRoomForWhatIsAdded() throws {
        let world = try Simulation(endpoints: 1)
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        let body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        let stream = try #require(
            client.request("POST", fields: (0..<99).map { ("x-\($0)", "v") }, body: Array(body.utf8)))
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let request = try #require(world.request(on: upstream))
        #expect(request["transfer-encoding"] == "chunked")
        #expect(request["x-request-id"] != nil)
        #expect(request["x-98"] == "v")
        #expect(request.body == Array(body.utf8))
        // The client of this test takes 100 fields itself.
        let fields = (0..<95).map { "x-\($0): v\r\n" }.joined()
        world.send("HTTP/1.1 200 OK\r\n\(fields)Content-Length: 0\r\n\r\n", on: upstream)
        world.settle()
        client.pump()
        let response = try #require(client.messages[stream])
        #expect(response.status == 200)
        #expect(response["x-envoy-upstream-service-time"] != nil)
    }

    @Test func aRequestWithoutHostIsRefused() throws {
        let world = try Simulation(endpoints: 1)
        let client = RawStreams(world, then: RawStreams.get(1, "/a", host: nil))
        world.settle()
        #expect(world.acceptUpstream().isEmpty)
        #expect(client.frames().status(1) == 400)
    }

    @Test func aConnectionEndsBehindItsLastRequest() throws {
        let world = try Simulation(endpoints: 1, manager: Self.manager(requests: 2))
        let client = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle()
        client.pump()
        for round in 0..<2 {
            let stream = try #require(client.request("GET", "/direct"))
            world.settle()
            client.pump()
            #expect(client.messages[stream]?.status == 418)
            #expect(client.sawGoAway == (round == 1))
        }
        world.settle()
        #expect(world.proxy.world { $0.isEnded(client.socket) })
    }

    /// A client that does not answer the PING behind the first GOAWAY gets the last one after `drain_timeout`.
    @Test func aClientThatDoesNotAnswerHasHadItsNotice() throws {
        let world = try Simulation(endpoints: 1, manager: Self.manager(drain: 2_000))
        let client = RawStreams(world, then: RawStreams.get(1, "/a"))
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.proxy.drain(milliseconds: 60_000)
        world.settle()
        world.pass(milliseconds: 1_500)
        #expect(client.frames().count { $0.type == RawStreams.Frame.goAway } == 1)
        world.pass(milliseconds: 700)
        #expect(client.frames().count { $0.type == RawStreams.Frame.goAway } == 1)
        client.send(RawStreams.get(3, "/a"))
        world.send(Self.ok, on: upstream)
        world.settle()
        let frames = client.frames()
        #expect(frames.status(1) == 200)
        #expect(frames.contains { $0.type == RawStreams.Frame.reset && $0.stream == 3 && $0.payload == [0, 0, 0, 7] })
        #expect(world.proxy.openExchanges == 0)
    }
}
