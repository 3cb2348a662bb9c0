import EventLoop
import LoadBalancing
import Resilience
import SwiftProtobuf
import Telemetry
import XDS

private typealias Message = Envoy_Config_Cluster_V3_Cluster

/// envoy.config.cluster.v3.Cluster with its endpoints -> `ClusterDescriptor`.
struct ClusterCompiler {
    var registry: CompileRegistry
    var issues: [CompileIssue] = []

    init(registry: CompileRegistry) { self.registry = registry }

    /// - Parameters:
    ///   - assignment: what EDS says; nil for clusters that carry their endpoints, and before EDS has answered.
    ///   - previous: the same cluster as it serves now, whose counts and health go on.
    mutating func compile(
        _ cluster: Envoy_Config_Cluster_V3_Cluster, assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment?,
        continuing previous: ClusterDescriptor? = nil
    ) -> ClusterDescriptor {
        refuseUnsupported(cluster)
        let socket = transport(cluster.transportSocket, isSet: cluster.hasTransportSocket, path: "transport_socket")
        let matches = cluster.transportSocketMatches.enumerated().map { index, match in
            SocketMatch(
                criteria: match.match.fields,
                transport: transport(
                    match.transportSocket, isSet: match.hasTransportSocket,
                    path: "transport_socket_matches[\(index)].transport_socket"))
        }
        let http = HTTPUpstreamOptions(cluster, issues: &issues)
        let load = cluster.type == .eds ? assignment : cluster.loadAssignment
        let endpoints = endpoints(load, of: cluster, socket: socket, matches: matches)
        let balancing = BalancingCompiler(cluster)
        issues += balancing.issues
        let hosts = hosts(endpoints, load, hashesHostnames: balancing.hashesHostnames)
        var spec = balancing.spec
        if let factor = load?.policy, factor.hasOverprovisioningFactor {
            spec.overprovisioningPercent = UInt16(clamping: factor.overprovisioningFactor.value)
        }
        return ClusterDescriptor(
            name: cluster.name,
            statName: cluster.altStatName.isEmpty ? nil : cluster.altStatName,
            discovery: discovery(cluster.type),
            endpoints: endpoints,
            balancing: self.balancing(cluster),
            balancer: BalancerTable(spec: spec, hosts: hosts),
            upstream: http.upstream,
            http2: http.http2,
            connectTimeoutMilliseconds: cluster.hasConnectTimeout
                ? milliseconds(cluster.connectTimeout, path: "connect_timeout", fallback: 5_000, issues: &issues)
                : 5_000,
            tls: socket.tls,
            highLimits: limits(cluster.circuitBreakers, .high),
            defaultLimits: limits(cluster.circuitBreakers, .default),
            outliers: cluster.hasOutlierDetection ? outliers(cluster.outlierDetection) : nil,
            subsets: cluster.hasLbSubsetConfig
                ? subsets(cluster.lbSubsetConfig, spec, hosts, load, endpointCount: endpoints.count) : nil,
            options: options(cluster, http),
            continuing: previous,
            idleTimeoutMilliseconds: http.idleTimeoutMilliseconds,
            maxRequestsPerConnection: http.maxRequestsPerConnection,
            direction: direction(cluster.name),
            service: service(cluster.metadata),
            origin: registry.provenance.intern(cluster.metadata.origin)
        )
    }

    private mutating func refuseUnsupported(_ cluster: Message) {
        func refuse(_ isSet: Bool, _ path: String, _ message: String = "not supported yet") {
            if isSet { issues.append(CompileIssue(path: path, message: message)) }
        }
        if cluster.name.isEmpty { issues.append(CompileIssue(path: "name", message: "a cluster needs a name")) }
        if cluster.hasPerConnectionBufferLimitBytes {
            BufferLimit.check(cluster.perConnectionBufferLimitBytes.value, issues: &issues)
        }
        refuse(cluster.upstreamBindConfig.hasSourceAddress, "upstream_bind_config.source_address")
        refuse(
            cluster.commonLbConfig.closeConnectionsOnHostSetChange,
            "common_lb_config.close_connections_on_host_set_change")
        refuse(
            cluster.commonLbConfig.ignoreNewHostsUntilFirstHc, "common_lb_config.ignore_new_hosts_until_first_hc")
        refuse(
            cluster.healthChecks.count > 1, "health_checks[1]", "one health check a cluster is supported")
        refuse(cluster.trackClusterStats.timeoutBudgets, "track_cluster_stats.timeout_budgets")
        refuse(cluster.trackClusterStats.requestResponseSizes, "track_cluster_stats.request_response_sizes")
        refuse(cluster.trackClusterStats.perEndpointStats, "track_cluster_stats.per_endpoint_stats")
        refuse(
            cluster.type == .originalDst && cluster.lbPolicy != .clusterProvided
                && cluster.lbPolicy != .roundRobin && !cluster.hasLoadBalancingPolicy,
            "lb_policy", "must be CLUSTER_PROVIDED for type ORIGINAL_DST")
        refuse(
            cluster.type == .originalDst && cluster.hasLbSubsetConfig, "lb_subset_config",
            "has no meaning for type ORIGINAL_DST")
        if cluster.type == .logicalDns {
            let count = cluster.loadAssignment.endpoints.reduce(0) { $0 + $1.lbEndpoints.count }
            refuse(count > 1, "load_assignment", "LOGICAL_DNS takes one endpoint, here are \(count)")
        }
    }

    private mutating func options(_ cluster: Message, _ http: HTTPUpstreamOptions) -> ClusterOptions {
        var options = ClusterOptions()
        options.maxConnectionMilliseconds = http.maxConnectionMilliseconds
        options.autoSNI = http.autoSNI
        options.autoSANValidation = http.autoSANValidation
        options.closesOnHealthFailure = cluster.closeConnectionsOnHostHealthFailure
        if cluster.preconnectPolicy.hasPerUpstreamPreconnectRatio {
            options.preconnectRatio = cluster.preconnectPolicy.perUpstreamPreconnectRatio.value
            if !(1...3).contains(options.preconnectRatio) {
                options.preconnectRatio = 1
                issues.append(
                    CompileIssue(
                        path: "preconnect_policy.per_upstream_preconnect_ratio", message: "must be between 1 and 3"))
            }
        }
        if cluster.hasUpstreamConnectionOptions, cluster.upstreamConnectionOptions.hasTcpKeepalive {
            let message = cluster.upstreamConnectionOptions.tcpKeepalive
            var keepalive = ClusterOptions.Keepalive()
            keepalive.probes = message.keepaliveProbes.value
            keepalive.idleSeconds = message.keepaliveTime.value
            keepalive.intervalSeconds = message.keepaliveInterval.value
            options.keepalive = keepalive
        }
        for (index, option) in cluster.upstreamBindConfig.socketOptions.enumerated() {
            let place = "upstream_bind_config.socket_options[\(index)]"
            if option.state != .statePrebind {
                issues.append(CompileIssue(path: place + ".state", message: "must be STATE_PREBIND"))
            }
            guard let value = Int32(exactly: option.intValue), let level = Int32(exactly: option.level),
                let name = Int32(exactly: option.name)
            else {
                issues.append(CompileIssue(path: place, message: "its numbers do not fit into 32 bits"))
                continue
            }
            options.socketOptions.append(SocketOption(level: level, name: name, value: value))
        }
        if cluster.originalDstLbConfig.useHTTPHeader {
            let name = cluster.originalDstLbConfig.httpHeaderName
            options.destinationHeader = name.isEmpty ? "x-envoy-original-dst-host" : name.lowercased()
        }
        if cluster.originalDstLbConfig.hasUpstreamPortOverride {
            let port = cluster.originalDstLbConfig.upstreamPortOverride.value
            options.destinationPort = UInt16(clamping: port)
            if port > 65_535 {
                issues.append(
                    CompileIssue(
                        path: "original_dst_lb_config.upstream_port_override", message: "\(port) is not a port"))
            }
        }
        options.tracksRemaining = cluster.circuitBreakers.thresholds.contains { $0.trackRemaining }
        options.healthChecks = healthChecks(cluster.healthChecks)
        return options
    }

    private func discovery(_ type: Message.DiscoveryType) -> ClusterDescriptor.Discovery {
        switch type {
        case .strictDns: .strictDNS
        case .logicalDns: .logicalDNS
        case .eds: .endpointDiscovery
        case .originalDst: .originalDestination
        default: .fixed
        }
    }

    private func balancing(_ cluster: Message) -> ClusterDescriptor.Balancing {
        switch cluster.lbPolicy {
        case .leastRequest: .leastRequest
        case .random: .random
        case .ringHash: .ringHash
        case .maglev: .maglev
        case .clusterProvided: .clusterProvided
        default: .roundRobin
        }
    }

    /// Istio names clusters `outbound|port|subset|host` and `inbound|port||`.
    private func direction(_ name: String) -> TrafficDirection {
        if name.hasPrefix("outbound|") || name == "PassthroughCluster" { return .outbound }
        if name.hasPrefix("inbound|") || name == "InboundPassthroughCluster" { return .inbound }
        return .unspecified
    }

    /// `metadata.filter_metadata.istio.services[0]`, as Istio's control plane writes it.
    private func service(_ metadata: Envoy_Config_Core_V3_Metadata) -> ServiceLabels {
        let services = metadata.filterMetadata["istio"]?.fields["services"]?.listValue.values ?? []
        guard let fields = services.first?.structValue.fields else { return ServiceLabels() }
        var labels = ServiceLabels()
        labels.host = fields["host"]?.stringValue ?? ""
        labels.name = fields["name"]?.stringValue ?? ""
        labels.namespace = fields["namespace"]?.stringValue ?? ""
        return labels
    }

    /// What a transport socket puts on connections.
    private mutating func transport(
        _ socket: Envoy_Config_Core_V3_TransportSocket, isSet: Bool, path: String
    ) -> UpstreamTransport {
        guard isSet, !socket.typedConfig.isA(Envoy_Extensions_TransportSockets_RawBuffer_V3_RawBuffer.self) else {
            return UpstreamTransport()
        }
        let place = path + ".typed_config"
        if socket.typedConfig.isA(
            Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport.self)
        {
            guard
                let message = unpack(
                    socket.typedConfig,
                    as: Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport.self,
                    path: place, issues: &issues)
            else { return UpstreamTransport() }
            var inner = transport(
                message.transportSocket, isSet: message.hasTransportSocket, path: place + ".transport_socket")
            inner.proxyProtocol = message.config.version == .v2 ? 2 : 1
            return inner
        }
        guard
            let message = unpack(
                socket.typedConfig, as: Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext.self, path: place,
                issues: &issues)
        else { return UpstreamTransport() }
        let spec = TLSSpec(upstream: message, path: place, issues: &issues)
        return UpstreamTransport(
            tls: UpstreamTLSDescriptor(
                context: registry.tls(spec, path: place, issues: &issues), serverName: spec.serverName,
                isMutual: spec.chain != .none))
    }
}

/// How connections to endpoints begin.
struct UpstreamTransport {
    /// Nil is plaintext.
    var tls: UpstreamTLSDescriptor?
    var proxyProtocol: UInt8 = 0
}
