import EventLoop
import Proxy
import Routing
import Telemetry
import Testing

/// Captured traffic: who gets a connection that was on its way somewhere else, and what becomes of bytes that are no HTTP.
@Suite struct CaptureTests {
    private static let capture = SocketAddress.ip(IPAddress(v4: 0x0000_0000), port: 15001)
    private static let request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"

    private static func world() throws -> SimulatedProxy {
        var spec = RouteConfigurationSpec()
        let route = RouteSpec(
            match: RouteMatchSpec(path: .prefix("/")), action: .respond(DirectResponseSpec(status: 418)))
        spec.virtualHosts = [VirtualHostSpec(name: "all", domains: ["*"], routes: [route])]
        let manager = HTTPConnectionManager(statPrefix: "http", routeTable: 0)
        func tcp(_ cluster: Int) -> TerminalFilter {
            .tcp(TCPProxyDescriptor(statPrefix: "tcp", targets: [TCPProxyDescriptor.Target(cluster: cluster)]))
        }
        let listeners = [
            ListenerDescriptor(
                name: "virtualOutbound", address: capture, usesOriginalDestination: true, filterChains: [],
                defaultFilterChain: FilterChainDescriptor(name: "passthrough", terminal: tcp(0))),
            ListenerDescriptor(
                name: "0.0.0.0_9080", address: SocketAddress.ip(IPAddress(v4: 0x0000_0000), port: 9080),
                bindsToPort: false, inspectsTLS: true,
                inspectsHTTP: true, inspectionTimeoutMilliseconds: 100,
                filterChains: [
                    FilterChainDescriptor(
                        name: "http",
                        match: FilterChainMatch(transport: .raw, applicationProtocols: ["http/1.0", "http/1.1"]),
                        terminal: .http(manager))
                ],
                defaultFilterChain: FilterChainDescriptor(name: "tcp", terminal: tcp(0))),
            ListenerDescriptor(
                name: "10.96.1.2_3306", address: SocketAddress.ip(IPAddress(v4: 0x0a60_0102), port: 3306),
                bindsToPort: false,
                filterChains: [FilterChainDescriptor(name: "mysql", terminal: tcp(1))]),
        ]
        let database = ClusterDescriptor(
            name: "mysql",
            endpoints: [EndpointDescriptor(address: SocketAddress.ip(IPAddress(v4: 0x0af4_0009), port: 3306))])
        let proxy = try SimulatedProxy(seed: 3)
        proxy.apply(
            RuntimeSnapshot(
                generation: 1, listeners: listeners,
                clusters: [ClusterDescriptor(name: "PassthroughCluster", discovery: .originalDestination), database],
                routeTables: [try RouteTable(spec)], provenance: ProvenanceTable(), local: WorkloadLabels(),
                telemetry: TelemetryDescriptor()))
        return proxy
    }

    private static func dial(_ proxy: SimulatedProxy, to original: String) throws -> Int32 {
        let address = try #require(SocketAddress(original))
        return try #require(proxy.world { $0.dial(capture, original: address) })
    }

    private static func turn(_ proxy: SimulatedProxy) { for _ in 0..<20 { proxy.turn() } }

    @Test func theExactAddressComesBeforeTheWildcard() throws {
        let proxy = try Self.world()
        _ = try Self.dial(proxy, to: "10.96.1.2:3306")
        Self.turn(proxy)
        let upstream = try #require(proxy.world { $0.takeOpened() }.first)
        #expect(proxy.world { $0.address(of: upstream) } == SocketAddress("10.244.0.9:3306"))
    }

    @Test func httpOnASharedPortIsSpokenAsHTTP() throws {
        let proxy = try Self.world()
        let client = try Self.dial(proxy, to: "10.96.0.7:9080")
        proxy.world { $0.deliver(Array(Self.request.utf8), to: client) }
        Self.turn(proxy)
        let answer = proxy.world { String(decoding: $0.takeSent(client), as: UTF8.self) }
        #expect(answer.hasPrefix("HTTP/1.1 418"))
    }

    @Test(arguments: ["10.96.0.7:9080", "93.184.216.34:443"])
    func otherBytesGoWhereTheyWanted(original: String) throws {
        let proxy = try Self.world()
        let client = try Self.dial(proxy, to: original)
        proxy.world { $0.deliver([0, 1, 2, 3], to: client) }
        Self.turn(proxy)
        let upstream = try #require(proxy.world { $0.takeOpened() }.first)
        #expect(proxy.world { $0.address(of: upstream) } == SocketAddress(original))
        proxy.world { $0.complete(upstream) }
        Self.turn(proxy)
        #expect(proxy.world { $0.takeSent(upstream) } == [0, 1, 2, 3])
        proxy.world { $0.deliver([9, 8], to: upstream) }
        Self.turn(proxy)
        #expect(proxy.world { $0.takeSent(client) } == [9, 8])
    }

    @Test func whenTheServerSpeaksFirstInspectionGivesUp() throws {
        let proxy = try Self.world()
        _ = try Self.dial(proxy, to: "10.96.0.7:9080")
        Self.turn(proxy)
        #expect(proxy.world { $0.takeOpened() }.isEmpty)
        proxy.world { $0.advance(milliseconds: 120) }
        Self.turn(proxy)
        #expect(proxy.world { $0.takeOpened() }.count == 1)
    }

    @Test func theEndOfOneSideIsPassedOnAndTheOtherSideGoesOn() throws {
        let proxy = try Self.world()
        let client = try Self.dial(proxy, to: "10.96.1.2:3306")
        Self.turn(proxy)
        let upstream = try #require(proxy.world { $0.takeOpened() }.first)
        proxy.world { $0.complete(upstream) }
        proxy.world { $0.deliver([1], to: client) }
        proxy.world { $0.end(client) }
        Self.turn(proxy)
        #expect(proxy.world { $0.isEnded(upstream) })
        #expect(!proxy.world { $0.isClosed(upstream) })
        proxy.world { $0.deliver([2, 3], to: upstream) }
        proxy.world { $0.end(upstream) }
        Self.turn(proxy)
        #expect(proxy.world { $0.takeSent(client) } == [2, 3])
        #expect(proxy.openConnections == 0)
        #expect(proxy.lentBuffers == 0)
    }

    @Test func aRefusedTunnelResetsItsClient() throws {
        let proxy = try Self.world()
        let client = try Self.dial(proxy, to: "10.96.1.2:3306")
        Self.turn(proxy)
        let upstream = try #require(proxy.world { $0.takeOpened() }.first)
        proxy.world { $0.complete(upstream, error: 111) }
        Self.turn(proxy)
        #expect(proxy.world { $0.isAborted(client) })
        #expect(proxy.openConnections == 0)
    }

    @Test func drainingAnswersWhatIsUnderWayAndClosesTheRest() throws {
        let world = try Simulation()
        let busy = world.dial()
        let idle = world.dial()
        world.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", on: busy)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.proxy.drain(milliseconds: 5_000)
        world.settle()
        // A client that is about to use its connection has a moment to do so.
        #expect(!world.proxy.world { $0.isClosed(idle) })
        world.pass(milliseconds: 300)
        #expect(world.proxy.world { $0.isClosed(idle) })
        #expect(world.dial() < 0)
        world.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: upstream)
        world.settle()
        let response = try #require(world.response(to: busy))
        #expect(response.status == 200)
        #expect(response["connection"] == "close")
    }
}
