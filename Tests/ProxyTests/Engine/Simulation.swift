import EventLoop
import Proxy
import Resilience
import Routing
import Telemetry

/// A proxy in a simulated world, with one listener on port 80 and a cluster of endpoints whose answers the test writes.
final class Simulation {
    static let address = SocketAddress.ip(IPAddress(v4: 0x0a00_0001), port: 80)

    let proxy: SimulatedProxy
    /// Bytes that endpoints have received, by socket.
    var received: [Int32: [UInt8]] = [:]
    var opened: [Int32] = []

    init(
        seed: UInt64 = 1, weather: SimulatedTransport.Weather = SimulatedTransport.Weather(), retry: RetryPolicy? = nil,
        timeoutMilliseconds: UInt64 = 15_000, endpoints: Int = 2, limits: CircuitBreakerLimits = CircuitBreakerLimits(),
        manager: HTTPConnectionManager = HTTPConnectionManager(statPrefix: "http", routeTable: 0),
        upstream: ClusterDescriptor.Upstream = .http1, bufferBytes: Int = 256 << 20
    ) throws {
        proxy = try SimulatedProxy(seed: seed, weather: weather, bufferBytes: bufferBytes)
        proxy.apply(
            try Self.snapshot(
                generation: 1, retry: retry, timeoutMilliseconds: timeoutMilliseconds, endpoints: endpoints,
                limits: limits, manager: manager, upstream: upstream))
    }

    static func snapshot(
        generation: UInt64, retry: RetryPolicy? = nil, timeoutMilliseconds: UInt64 = 15_000, endpoints: Int = 2,
        limits: CircuitBreakerLimits = CircuitBreakerLimits(), listens: Bool = true,
        manager: HTTPConnectionManager = HTTPConnectionManager(statPrefix: "http", routeTable: 0),
        cluster custom: ClusterDescriptor? = nil, upstream: ClusterDescriptor.Upstream = .http1
    ) throws -> RuntimeSnapshot {
        var forward = ForwardSpec(target: .cluster(ClusterID(index: 0)))
        forward.timeoutNanoseconds = timeoutMilliseconds * 1_000_000
        forward.retryPolicy = retry == nil ? .max : 0
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [
            VirtualHostSpec(
                name: "all", domains: ["*"],
                routes: [
                    RouteSpec(match: RouteMatchSpec(path: .connect), action: .forward(forward)),
                    RouteSpec(
                        match: RouteMatchSpec(path: .exact("/direct")),
                        action: .respond(DirectResponseSpec(status: 418))),
                    RouteSpec(
                        match: RouteMatchSpec(path: .exact("/nowhere")),
                        action: .forward(ForwardSpec(target: .cluster(ClusterID(index: 7))))),
                    RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: .forward(forward)),
                ])
        ]
        spec.virtualHosts[0].sendsAttemptCount = true
        let listener = ListenerDescriptor(
            name: "http", address: address,
            filterChains: [FilterChainDescriptor(name: "chain", terminal: .http(manager))])
        let cluster =
            custom
            ?? ClusterDescriptor(
                name: "up",
                endpoints: (0..<endpoints).map {
                    EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0100 + UInt32($0)), port: 8080))
                },
                upstream: upstream, limits: limits)
        return RuntimeSnapshot(
            generation: generation, listeners: listens ? [listener] : [], clusters: [cluster],
            routeTables: [try RouteTable(spec)], retryPolicies: retry.map { [$0] } ?? [], provenance: ProvenanceTable(),
            local: WorkloadLabels(), telemetry: TelemetryDescriptor())
    }

    func dial() -> Int32 { proxy.world { $0.dial(Self.address) } ?? -1 }

    func send(_ text: String, on socket: Int32) { proxy.world { $0.deliver(Array(text.utf8), to: socket) } }

    /// Turns the worker until nothing happens any more for a few rounds.
    func settle(_ rounds: Int = 20) { for _ in 0..<rounds { proxy.turn() } }

    /// Lets time go by.
    func pass(milliseconds: UInt64) {
        proxy.world { $0.advance(milliseconds: milliseconds) }
        settle()
    }

    /// Accepts what the proxy has begun to connect, and returns all upstream sockets.
    @discardableResult
    func acceptUpstream(error: Int32 = 0) -> [Int32] {
        let fresh = proxy.world { $0.takeOpened() }
        for socket in fresh { proxy.world { $0.complete(socket, error: error) } }
        opened += fresh
        settle()
        return fresh
    }

    /// The next whole request that arrived on an upstream socket.
    func request(on socket: Int32) -> WireMessage? {
        received[socket, default: []] += proxy.world { $0.takeSent(socket) }
        return WireMessage.take(from: &received[socket, default: []])
    }

    func text(sentTo socket: Int32) -> String {
        String(decoding: proxy.world { $0.takeSent(socket) }, as: UTF8.self)
    }

    func response(to socket: Int32, answersHead: Bool = false) -> WireMessage? {
        received[socket, default: []] += proxy.world { $0.takeSent(socket) }
        let ended = proxy.world { $0.isEnded(socket) }
        return WireMessage.take(from: &received[socket, default: []], answersHead: answersHead, ended: ended)
    }
}
