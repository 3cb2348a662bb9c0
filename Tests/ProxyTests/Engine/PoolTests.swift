import EventLoop
import Proxy
import Resilience
import Routing
import Telemetry
import Testing

/// Connections to endpoints that fail, change or go away, and the requests that wait for them.
@Suite struct PoolTests {
    private static let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    /// Requests that share one connection that is being opened share its failure: none waits for a timeout of its own.
    @Test(arguments: [true, false])
    func whoWaitsForAConnectionThatCannotBeOpenedIsTold(isRefused: Bool) throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let clients = (0..<5).map { _ in world.dial() }
        for client in clients { world.send(Self.get, on: client) }
        world.settle()
        if isRefused {
            #expect(world.acceptUpstream(error: 111).count == 1)
        } else {
            world.pass(milliseconds: 5_100)
        }
        for client in clients { #expect(world.response(to: client)?.status == 503) }
        #expect(world.proxy.openExchanges == 0)
        #expect(world.proxy.queuedRequests == 0)
        #expect(world.proxy.balancedRequests == 0)
    }

    /// The request for which a connection was opened is gone, and the connection with it: the others get another.
    @Test func whoWaitsGetsAnotherConnectionWhenItsOwnerLeaves() throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let clients = (0..<4).map { _ in world.dial() }
        for client in clients {
            world.send(Self.get, on: client)
            world.settle()
        }
        #expect(world.proxy.world { $0.takeOpened() }.count == 1)
        world.proxy.world { $0.reset(clients[0]) }
        world.settle()
        let peer = StreamPeer(world, socket: try #require(world.acceptUpstream().first), isServer: true)
        world.settle()
        let requests = peer.requests()
        #expect(requests.count == 3)
        for request in requests { peer.respond(request) }
        world.settle()
        for client in clients.dropFirst() { #expect(world.response(to: client)?.status == 200) }
        // Who was sent back into the queue is counted once.
        #expect(world.proxy.metrics.clusters[0].pendingRequests == 4)
        #expect(world.proxy.metrics.clusters[0].activePendingRequests == 0)
    }

    /// The end of the connection is there in the same event that says that the connection is.
    @Test func anEndpointMayEndBeforeItIsAsked() throws {
        let world = try Simulation(endpoints: 1, upstream: .http2)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.proxy.world { $0.takeOpened() }.first)
        world.proxy.world { $0.end(upstream) }
        world.proxy.world { $0.complete(upstream) }
        world.settle()
        #expect(world.proxy.world { $0.isClosed(upstream) })
        #expect(world.response(to: client)?.status == 503)
        #expect(world.proxy.openExchanges == 0)
    }

    @Test func changedSettingsReachThePoolsOfEndpointsThatStay() throws {
        func cluster(_ idle: UInt32) -> ClusterDescriptor {
            ClusterDescriptor(
                name: "up", endpoints: [EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0400), port: 80))],
                idleTimeoutMilliseconds: idle)
        }
        let world = try Simulation()
        world.proxy.apply(try Simulation.snapshot(generation: 2, cluster: cluster(3_600_000)))
        let client = world.dial()
        for round in 0..<2 {
            world.send(Self.get, on: client)
            world.settle()
            if round == 0 { world.acceptUpstream() }
            let upstream = try #require(world.opened.first)
            _ = try #require(world.request(on: upstream))
            world.send(Self.ok, on: upstream)
            world.settle()
            #expect(world.response(to: client)?.status == 200)
            if round == 0 { world.proxy.apply(try Simulation.snapshot(generation: 3, cluster: cluster(1_000))) }
        }
        let upstream = try #require(world.opened.first)
        #expect(!world.proxy.world { $0.isClosed(upstream) })
        world.pass(milliseconds: 1_200)
        #expect(world.proxy.world { $0.isClosed(upstream) })
    }

    /// A request on a connection that was kept is sent again only where the connection had gone before it came.
    @Test(arguments: [(100, true), (2_000, false)] as [(UInt64, Bool)])
    func onlyAConnectionThatWasStaleIsReplaced(milliseconds: UInt64, isRepeated: Bool) throws {
        let world = try Simulation(endpoints: 1)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let first = try #require(world.acceptUpstream().first)
        _ = world.request(on: first)
        world.send(Self.ok, on: first)
        world.settle()
        _ = world.response(to: client)
        world.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", on: client)
        world.settle()
        _ = world.request(on: first)
        world.pass(milliseconds: milliseconds)
        world.proxy.world { $0.reset(first) }
        world.settle()
        #expect(world.acceptUpstream().count == (isRepeated ? 1 : 0))
        if !isRepeated { #expect(world.response(to: client)?.status == 503) }
    }

    @Test func unhealthyEndpointsLoseTheirStreamsToo() throws {
        var policy = OutlierPolicy()
        policy.consecutive5xx = 1
        policy.maximumPercent = 100
        var options = ClusterOptions()
        options.closesOnHealthFailure = true
        let cluster = ClusterDescriptor(
            name: "checked", endpoints: [EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0500), port: 80))],
            upstream: .http2, outliers: policy, options: options)
        let world = try Simulation()
        world.proxy.apply(try Simulation.snapshot(generation: 2, cluster: cluster))
        let clients = (0..<2).map { _ in world.dial() }
        for client in clients { world.send(Self.get, on: client) }
        world.settle()
        let peer = StreamPeer(world, socket: try #require(world.acceptUpstream().first), isServer: true)
        world.settle()
        let requests = peer.requests()
        #expect(requests.count == 2)
        peer.respond(try #require(requests.first), status: 503)
        world.settle()
        world.pass(milliseconds: 600)
        #expect(!cluster.health.isHealthy(0))
        #expect(world.proxy.world { $0.isClosed(peer.socket) })
        #expect(world.proxy.openExchanges == 0)
    }

    @Test func interimResponsesDoNotPileUp() throws {
        let manager = HTTPConnectionManager(statPrefix: "http", routeTable: 0, passesInterimResponses: true)
        let world = try Simulation(endpoints: 1, manager: manager)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.proxy.world { $0.setWindow(client, 1) }
        let hint = "HTTP/1.1 103 Early Hints\r\nLink: <\(String(repeating: "a", count: 1_000))>\r\n\r\n"
        for _ in 0..<200 {
            world.send(hint, on: upstream)
            world.settle(2)
        }
        world.send(Self.ok, on: upstream)
        world.settle()
        world.proxy.world { $0.setWindow(client, .max) }
        var text = ""
        for _ in 0..<20 {
            text += world.text(sentTo: client)
            world.settle(2)
        }
        #expect(text.utf8.count < 64 * 1024)
        #expect(text.hasSuffix("\r\n\r\nok"))
        #expect(world.proxy.openExchanges == 0)
    }

    /// A response that never ends does not keep the others waiting.
    @Test func aBusyConnectionYields() throws {
        let world = try Simulation(endpoints: 1)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        _ = world.request(on: upstream)
        let size = 6_000_000
        world.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n", on: upstream)
        world.proxy.world { $0.deliver([UInt8](repeating: 1, count: size), to: upstream) }
        world.proxy.turn()
        var count = world.proxy.world { $0.takeSent(client) }.count
        // Its share when the event comes, and another when those that have more are taken up.
        #expect(count > 0 && count < 2_400_000, "\(count) bytes in one turn")
        for _ in 0..<10 {
            world.proxy.turn()
            count += world.proxy.world { $0.takeSent(client) }.count
        }
        #expect(count > size)
        #expect(world.proxy.openExchanges == 0)
    }

    // MARK: Tunnels

    private static let port = SocketAddress.ip(IPAddress(v4: 0x0a00_0002), port: 3306)

    private static func tunnels(attempts: UInt32, endpoints: Int, original: Bool = false) throws -> SimulatedProxy {
        let listener = ListenerDescriptor(
            name: "tcp", address: port, usesOriginalDestination: original,
            filterChains: [],
            defaultFilterChain: FilterChainDescriptor(
                name: "tcp",
                terminal: .tcp(
                    TCPProxyDescriptor(
                        statPrefix: "tcp", targets: [TCPProxyDescriptor.Target(cluster: 0)],
                        maxConnectAttempts: attempts))))
        let cluster = ClusterDescriptor(
            name: "db", discovery: original ? .originalDestination : .fixed,
            endpoints: (0..<endpoints).map {
                EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0600 + UInt32($0)), port: 3306))
            }, connectTimeoutMilliseconds: 1_000)
        let proxy = try SimulatedProxy(seed: 5)
        proxy.apply(
            RuntimeSnapshot(
                generation: 1, listeners: [listener], clusters: [cluster], routeTables: [],
                provenance: ProvenanceTable(), local: WorkloadLabels(), telemetry: TelemetryDescriptor()))
        return proxy
    }

    /// An endpoint that does not answer costs one connect timeout an attempt, and then the client is told.
    @Test func aTunnelThatCannotBeOpenedIsClosed() throws {
        let proxy = try Self.tunnels(attempts: 2, endpoints: 2)
        let client = try #require(proxy.world { $0.dial(Self.port) })
        for _ in 0..<5 { proxy.turn() }
        for attempt in 0..<2 {
            #expect(proxy.world { $0.takeOpened() }.count == 1, "attempt \(attempt)")
            #expect(!proxy.world { $0.isClosed(client) })
            proxy.world { $0.advance(milliseconds: 1_100) }
            for _ in 0..<5 { proxy.turn() }
        }
        #expect(proxy.world { $0.isAborted(client) })
        #expect(proxy.world { $0.takeOpened() }.isEmpty)
        #expect(proxy.openConnections == 0)
        #expect(proxy.metrics.clusters[0].activeConnections == 0)
    }

    /// Pools that are made for one destination go with their connections, also when there never was one.
    @Test func poolsOfDestinationsThatCannotBeReachedAreFreed() throws {
        let proxy = try Self.tunnels(attempts: 1, endpoints: 0, original: true)
        let before = proxy.livePools
        for number in 0..<20 {
            let original = SocketAddress.ip(IPAddress(v4: 0x0a00_0700 + UInt32(number)), port: 9_999)
            _ = try #require(proxy.world { $0.dial(Self.port, original: original) })
            for _ in 0..<5 { proxy.turn() }
            for socket in proxy.world({ $0.takeOpened() }) { proxy.world { $0.complete(socket, error: 111) } }
            for _ in 0..<5 { proxy.turn() }
        }
        #expect(proxy.livePools == before)
        #expect(proxy.openConnections == 0)
    }
}
