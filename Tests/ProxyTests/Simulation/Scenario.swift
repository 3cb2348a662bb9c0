import EventLoop
import Glibc
import Proxy
import Resilience
import Routing
import Telemetry

/// What the world of one seed is like: drawn once, before anything happens.
struct Scenario {
    static let address = SocketAddress.ip(IPAddress(v4: 0x0a00_0001), port: 80)
    static let second = SocketAddress.ip(IPAddress(v4: 0x0a00_0001), port: 81)

    var weather = SimulatedTransport.Weather()
    var clients = 1
    var requestsPerClient = 1
    var largestBody = 300
    var retries: UInt32 = 0
    var perTryMilliseconds: UInt64 = 0
    /// Tries that take too long go on beside the next one.
    var hedges = false
    var routeMilliseconds: UInt64 = 15_000
    var limits = CircuitBreakerLimits()
    var maxRequestsPerConnection: UInt32 = 0
    /// In a thousand requests that reach an endpoint.
    var endpointTrouble = 0
    /// In a thousand steps.
    var clientTrouble = 0
    var configurationSwaps = 0
    var drainsAtStep = Int.max
    var isSlow = false
    /// In a hundred clients: those that speak HTTP/2.
    var streamClients = 0
    /// Endpoints speak HTTP/2.
    var hasStreamEndpoints = false

    /// - Parameter streams: HTTP/2 takes part; otherwise all is HTTP/1.1.
    init(_ random: inout Random, streams: Bool = false) {
        func chance(_ percent: Int) -> Bool { random.below(100) < percent }
        if chance(70) { weather = .stormy }
        if chance(30) { weather.failedConnects = random.below(30) }
        clients = 1 + random.below(5)
        requestsPerClient = 1 + random.below(4)
        largestBody = chance(10) ? 60_000 : chance(30) ? 6_000 : 200
        if chance(50) { retries = 1 + UInt32(random.below(3)) }
        if chance(25) { perTryMilliseconds = 50 + UInt64(random.below(2_000)) }
        if chance(30) { routeMilliseconds = 100 + UInt64(random.below(4_000)) }
        if chance(10) { routeMilliseconds = 0 }
        if chance(25) {
            limits = CircuitBreakerLimits(
                maxConnections: 1 + UInt32(random.below(3)), maxPendingRequests: UInt32(random.below(4)),
                maxRequests: 1 + UInt32(random.below(6)), maxRetries: UInt32(random.below(3)))
        }
        if chance(20) { maxRequestsPerConnection = 1 + UInt32(random.below(3)) }
        if chance(60) { endpointTrouble = 50 + random.below(400) }
        if chance(50) { clientTrouble = 1 + random.below(20) }
        if chance(50) { configurationSwaps = 1 + random.below(4) }
        if chance(15) { drainsAtStep = random.below(120) }
        isSlow = chance(20)
        if streams {
            hasStreamEndpoints = chance(60)
            streamClients = hasStreamEndpoints ? [0, 50, 100][random.below(3)] : 50 + random.below(51)
        }
        if retries > 0, chance(20) {
            hedges = true
            if perTryMilliseconds == 0 || chance(50) { perTryMilliseconds = 20 + UInt64(random.below(300)) }
        }
        leaveOut()
    }

    /// `MARTLET_SIMULATION_WITHOUT`, a list of the names below, leaves parts of the trouble out: to find what a failing seed
    /// needs to fail.
    private mutating func leaveOut() {
        guard let given = getenv("MARTLET_SIMULATION_WITHOUT") else { return }
        for name in String(cString: given).split(separator: ",") {
            switch name {
            case "weather": weather = SimulatedTransport.Weather()
            case "swaps": configurationSwaps = 0
            case "drain": drainsAtStep = .max
            case "clients": clientTrouble = 0
            case "endpoints": endpointTrouble = 0
            case "slow": isSlow = false
            case "limits": limits = CircuitBreakerLimits()
            case "retries": (retries, perTryMilliseconds) = (0, 0)
            case "hedges": hedges = false
            case "timeouts": routeMilliseconds = 15_000
            default: break
            }
        }
    }

    /// One of the configurations that the proxy may be given. `number` 0 is the one at the start, where everything is there.
    func snapshot(generation: UInt64, number: Int, _ random: inout Random) throws -> RuntimeSnapshot {
        var policy = RetryPolicy()
        policy.conditions = [.serverError, .connectFailure, .reset]
        policy.retries = retries
        policy.perTryTimeout = perTryMilliseconds * 1_000_000
        policy.avoidsPreviousHosts = random.below(2) == 0
        let isChanged = number > 0
        let clusterCount = 2
        func forward(_ cluster: UInt32) -> RouteActionSpec {
            var forward = ForwardSpec(target: .cluster(ClusterID(index: cluster)))
            forward.timeoutNanoseconds = routeMilliseconds * 1_000_000
            forward.retryPolicy = retries > 0 ? 0 : .max
            forward.hedges = hedges
            return .forward(forward)
        }
        var routes = [
            RouteSpec(
                match: RouteMatchSpec(path: .exact("/direct")), action: .respond(DirectResponseSpec(status: 418)))
        ]
        if !isChanged || random.below(4) > 0 {
            routes.append(RouteSpec(match: RouteMatchSpec(path: .prefix("/a")), action: forward(0)))
        }
        routes.append(RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: forward(isChanged ? 0 : 1)))
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [VirtualHostSpec(name: "all", domains: ["*"], routes: routes)]
        let manager = HTTPConnectionManager(statPrefix: "http", routeTable: 0)
        func listener(_ name: String, _ address: SocketAddress) -> ListenerDescriptor {
            ListenerDescriptor(
                name: name, address: address,
                filterChains: [FilterChainDescriptor(name: "chain", terminal: .http(manager))])
        }
        var listeners: [ListenerDescriptor] = []
        if !isChanged || random.below(5) > 0 { listeners.append(listener("one", Self.address)) }
        if !isChanged || random.below(2) > 0 { listeners.append(listener("two", Self.second)) }
        var clusters: [ClusterDescriptor?] = []
        for index in 0..<clusterCount {
            if isChanged, random.below(6) == 0 {
                clusters.append(nil)
                continue
            }
            let count = isChanged ? random.below(4) : 1 + random.below(3)
            let first = isChanged ? random.below(3) : 0
            clusters.append(
                ClusterDescriptor(
                    name: "cluster-\(index)",
                    endpoints: (0..<count).map {
                        EndpointDescriptor(
                            address: .ip(IPAddress(v4: 0x0a00_0100 + UInt32(index * 16 + first + $0)), port: 8080))
                    },
                    upstream: hasStreamEndpoints ? .http2 : .http1, connectTimeoutMilliseconds: 1_000, limits: limits,
                    maxRequestsPerConnection: maxRequestsPerConnection))
        }
        return RuntimeSnapshot(
            generation: generation, listeners: listeners, clusters: clusters, routeTables: [try RouteTable(spec)],
            retryPolicies: [policy], provenance: ProvenanceTable(), local: WorkloadLabels(),
            telemetry: TelemetryDescriptor())
    }
}
