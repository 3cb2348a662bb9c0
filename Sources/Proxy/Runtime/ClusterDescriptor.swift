package import EventLoop
package import LoadBalancing
package import Resilience
package import Telemetry

/// One upstream cluster (envoy.config.cluster.v3.Cluster) with its endpoints.
package final class ClusterDescriptor: Sendable {
    package enum Discovery: UInt8, Sendable {
        case fixed, endpointDiscovery, originalDestination, strictDNS, logicalDNS
    }
    /// What is spoken to endpoints.
    package enum Upstream: UInt8, Sendable {
        case http1, http2
        /// What TLS agrees upon by ALPN; HTTP/1.1 in clear text.
        case auto
        /// What the client speaks to us.
        case downstream

        /// The protocol of an endpoint's pool, and of its second one where the request decides.
        package var first: Upstream { self == .downstream ? .http1 : self }
        package var alternate: Upstream { self == .downstream ? .http2 : .http1 }
        package var hasAlternate: Bool { self == .downstream || self == .auto }
    }
    package enum Balancing: UInt8, Sendable { case roundRobin, leastRequest, random, ringHash, maglev, clusterProvided }

    /// Upstream connection pools survive a new snapshot by this name.
    package let name: String
    /// Shown in stats in place of the name when set.
    package let statName: String
    package let discovery: Discovery
    package let endpoints: [EndpointDescriptor]
    package let balancing: Balancing
    /// Prepared for balancing; its hosts are `endpoints`, in the same order.
    package let balancer: BalancerTable
    package let limits: CircuitBreakerLimits
    /// What is in progress over all workers, at default priority and at high priority.
    package let breaker: CircuitBreaker
    package let highBreaker: CircuitBreaker
    package let outliers: OutlierPolicy?
    /// What outlier detection and active checks found about `endpoints`.
    package let health: EndpointHealth
    /// Subsets of the endpoints that routes may ask for.
    package let subsets: SubsetTable?
    package let options: ClusterOptions
    package let upstream: Upstream
    package let http2: HTTP2Options
    package let connectTimeoutMilliseconds: UInt32
    /// Used when no transport socket match of an endpoint selects another.
    package let tls: UpstreamTLSDescriptor?
    /// An idle pooled connection is closed after this time; 0 is never. Envoy's default is one hour.
    package let idleTimeoutMilliseconds: UInt32
    /// Requests on one connection; 0 is no limit.
    package let maxRequestsPerConnection: UInt32
    package let direction: TrafficDirection
    /// Metric labels of the destination service.
    package let service: ServiceLabels
    package let origin: ProvenanceIndex

    package init(
        name: String,
        statName: String? = nil,
        discovery: Discovery = .fixed,
        endpoints: [EndpointDescriptor] = [],
        balancing: Balancing = .roundRobin,
        balancer: BalancerTable? = nil,
        upstream: Upstream = .http1,
        http2: HTTP2Options = .client,
        connectTimeoutMilliseconds: UInt32 = 5_000,
        tls: UpstreamTLSDescriptor? = nil,
        limits: CircuitBreakerLimits = CircuitBreakerLimits(),
        highLimits: CircuitLimits = CircuitLimits(),
        defaultLimits: CircuitLimits? = nil,
        outliers: OutlierPolicy? = nil,
        subsets: SubsetTable? = nil,
        options: ClusterOptions = ClusterOptions(),
        continuing previous: ClusterDescriptor? = nil,
        idleTimeoutMilliseconds: UInt32 = 3_600_000,
        maxRequestsPerConnection: UInt32 = 0,
        direction: TrafficDirection = .unspecified,
        service: ServiceLabels = ServiceLabels(),
        origin: ProvenanceIndex = .max
    ) {
        self.name = name
        self.statName = statName ?? name
        self.discovery = discovery
        self.endpoints = endpoints
        self.balancing = balancing
        self.balancer = balancer ?? Self.table(balancing, endpoints)
        self.limits = limits
        let wanted = defaultLimits ?? limits.circuitLimits
        breaker = previous?.breaker ?? CircuitBreaker(wanted)
        highBreaker = previous?.highBreaker ?? CircuitBreaker(highLimits)
        if breaker.limits != wanted { breaker.limits = wanted }
        if highBreaker.limits != highLimits { highBreaker.limits = highLimits }
        self.outliers = outliers
        self.subsets = subsets
        self.options = options
        health = Self.health(endpoints, outliers, options, previous)
        self.upstream = upstream
        self.http2 = http2
        self.connectTimeoutMilliseconds = connectTimeoutMilliseconds
        self.tls = tls
        self.idleTimeoutMilliseconds = idleTimeoutMilliseconds
        self.maxRequestsPerConnection = maxRequestsPerConnection
        self.direction = direction
        self.service = service
        self.origin = origin
    }

    /// Health outlives a new list of endpoints, for those that are in both.
    private static func health(
        _ endpoints: [EndpointDescriptor], _ outliers: OutlierPolicy?, _ options: ClusterOptions,
        _ previous: ClusterDescriptor?
    ) -> EndpointHealth {
        var numbers: [SocketAddress: Int] = [:]
        for (number, endpoint) in (previous?.endpoints ?? []).enumerated() { numbers[endpoint.address] = number }
        return EndpointHealth(
            hostCount: endpoints.count, outliers: outliers, isChecked: !options.healthChecks.isEmpty,
            adopting: previous?.health, endpoints.map { numbers[$0.address] })
    }

    /// Balancing by weight and priority, without locality weights and without panic, as Istio configures it.
    private static func table(_ balancing: Balancing, _ endpoints: [EndpointDescriptor]) -> BalancerTable {
        let policy: BalancerSpec.Policy =
            switch balancing {
            case .roundRobin, .clusterProvided: .roundRobin
            case .leastRequest: .leastRequest(choices: 2)
            case .random: .random
            case .ringHash: .ringHash(minimumSize: 1024, maximumSize: 8 << 20)
            case .maglev: .maglev(tableSize: 65_537)
            }
        var spec = BalancerSpec(policy: policy)
        spec.panicThresholdPercent = 0
        return BalancerTable(
            spec: spec,
            hosts: endpoints.map {
                BalancerHost(
                    weight: $0.weight, priority: $0.priority, hashKey: $0.address.description,
                    isHealthy: $0.health == .healthy || $0.health == .degraded)
            })
    }
}

/// One endpoint of a cluster (envoy.config.endpoint.v3.LbEndpoint).
package struct EndpointDescriptor: Sendable {
    package enum Health: UInt8, Sendable { case healthy, unhealthy, draining, degraded }

    package let address: SocketAddress
    /// The name to resolve, for DNS clusters; the address then holds the last answer.
    package let hostname: String
    /// At least 1.
    package let weight: UInt32
    package let health: Health
    /// Lower is preferred.
    package let priority: UInt32
    package let locality: Locality
    /// The transport for this endpoint: the match of `transport_socket_matches` is made when the snapshot is compiled.
    package let tls: UpstreamTLSDescriptor?
    /// The version of the PROXY protocol's header that connections begin with; 0 is none.
    package let proxyProtocol: UInt8
    /// Where active checks go when not to `address`; nil is the same. `isCheckDisabled` endpoints count as healthy.
    package let checkAddress: SocketAddress?
    /// The host that active checks name; empty is the check's own.
    package let checkHost: String
    package let isCheckDisabled: Bool
    /// What metrics say about the destination.
    package let workload: WorkloadLabels

    package init(
        address: SocketAddress,
        hostname: String = "",
        weight: UInt32 = 1,
        health: Health = .healthy,
        priority: UInt32 = 0,
        locality: Locality = Locality(),
        tls: UpstreamTLSDescriptor? = nil,
        proxyProtocol: UInt8 = 0,
        checkAddress: SocketAddress? = nil,
        checkHost: String = "",
        isCheckDisabled: Bool = false,
        workload: WorkloadLabels = WorkloadLabels()
    ) {
        self.proxyProtocol = proxyProtocol
        self.checkAddress = checkAddress
        self.checkHost = checkHost
        self.isCheckDisabled = isCheckDisabled
        self.address = address
        self.hostname = hostname
        self.weight = max(1, weight)
        self.health = health
        self.priority = priority
        self.locality = locality
        self.tls = tls
        self.workload = workload
    }
}

package struct Locality: Sendable, Hashable {
    package var region = ""
    package var zone = ""
    package var subzone = ""

    package init(region: String = "", zone: String = "", subzone: String = "") {
        self.region = region
        self.zone = zone
        self.subzone = subzone
    }
}

/// Circuit breaker thresholds of the default priority (envoy.config.cluster.v3.CircuitBreakers), with Envoy's defaults.
package struct CircuitBreakerLimits: Sendable, Hashable {
    package var maxConnections: UInt32 = 1024
    package var maxPendingRequests: UInt32 = 1024
    package var maxRequests: UInt32 = 1024
    package var maxRetries: UInt32 = 3

    package init(
        maxConnections: UInt32 = 1024, maxPendingRequests: UInt32 = 1024, maxRequests: UInt32 = 1024,
        maxRetries: UInt32 = 3
    ) {
        self.maxConnections = maxConnections
        self.maxPendingRequests = maxPendingRequests
        self.maxRequests = maxRequests
        self.maxRetries = maxRetries
    }

    var circuitLimits: CircuitLimits {
        var limits = CircuitLimits()
        limits.connections = maxConnections
        limits.pendingRequests = maxPendingRequests
        limits.requests = maxRequests
        limits.retries = maxRetries
        return limits
    }
}
