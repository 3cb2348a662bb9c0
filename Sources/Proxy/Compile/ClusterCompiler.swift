import EventLoop
import SwiftProtobuf
import Telemetry
import XDS

private typealias Message = Envoy_Config_Cluster_V3_Cluster

/// envoy.config.cluster.v3.Cluster with its endpoints -> `ClusterDescriptor`.
struct ClusterCompiler {
    var registry: CompileRegistry
    var issues: [CompileIssue] = []

    init(registry: CompileRegistry) { self.registry = registry }

    /// - Parameter assignment: what EDS says; nil for clusters that carry their endpoints, and before EDS has answered.
    mutating func compile(
        _ cluster: Envoy_Config_Cluster_V3_Cluster, assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment?
    ) -> ClusterDescriptor {
        refuseUnsupported(cluster)
        let socket = transport(cluster.transportSocket, isSet: cluster.hasTransportSocket, path: "transport_socket")
        let matches = cluster.transportSocketMatches.enumerated().map { index, match in
            SocketMatch(
                criteria: match.match.fields,
                tls: transport(
                    match.transportSocket, isSet: match.hasTransportSocket,
                    path: "transport_socket_matches[\(index)].transport_socket"))
        }
        let http = HTTPUpstreamOptions(cluster, issues: &issues)
        let load = cluster.type == .eds ? assignment : cluster.loadAssignment
        return ClusterDescriptor(
            name: cluster.name,
            statName: cluster.altStatName.isEmpty ? nil : cluster.altStatName,
            discovery: discovery(cluster.type),
            endpoints: endpoints(load, of: cluster, socket: socket, matches: matches),
            balancing: balancing(cluster),
            upstream: http.upstream,
            connectTimeoutMilliseconds: cluster.hasConnectTimeout
                ? milliseconds(cluster.connectTimeout, path: "connect_timeout", fallback: 5_000, issues: &issues)
                : 5_000,
            tls: socket,
            limits: limits(cluster.circuitBreakers),
            idleTimeoutMilliseconds: http.idleTimeoutMilliseconds,
            maxRequestsPerConnection: http.maxRequestsPerConnection,
            direction: direction(cluster.name),
            service: service(cluster.metadata),
            origin: registry.provenance.intern(cluster.metadata.origin)
        )
    }

    private mutating func refuseUnsupported(_ cluster: Message) {
        func refuse(_ isSet: Bool, _ path: String) {
            if isSet { issues.append(CompileIssue(path: path, message: "not supported yet")) }
        }
        if cluster.name.isEmpty { issues.append(CompileIssue(path: "name", message: "a cluster needs a name")) }
        refuse(!cluster.healthChecks.isEmpty, "health_checks")
        refuse(cluster.hasOutlierDetection, "outlier_detection")
        refuse(cluster.upstreamBindConfig.hasSourceAddress, "upstream_bind_config.source_address")
        refuse(cluster.originalDstLbConfig.useHTTPHeader, "original_dst_lb_config.use_http_header")
        refuse(cluster.originalDstLbConfig.hasUpstreamPortOverride, "original_dst_lb_config.upstream_port_override")
        refuse(cluster.lbPolicy == .loadBalancingPolicyConfig, "lb_policy")
        refuse(
            cluster.commonLbConfig.closeConnectionsOnHostSetChange,
            "common_lb_config.close_connections_on_host_set_change")
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

    private func limits(_ breakers: Envoy_Config_Cluster_V3_CircuitBreakers) -> CircuitBreakerLimits {
        var limits = CircuitBreakerLimits()
        guard let threshold = breakers.thresholds.first(where: { $0.priority == .default }) else { return limits }
        if threshold.hasMaxConnections { limits.maxConnections = threshold.maxConnections.value }
        if threshold.hasMaxPendingRequests { limits.maxPendingRequests = threshold.maxPendingRequests.value }
        if threshold.hasMaxRequests { limits.maxRequests = threshold.maxRequests.value }
        if threshold.hasMaxRetries { limits.maxRetries = threshold.maxRetries.value }
        return limits
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

    /// The TLS of a transport socket; nil is plaintext.
    private mutating func transport(
        _ socket: Envoy_Config_Core_V3_TransportSocket, isSet: Bool, path: String
    ) -> UpstreamTLSDescriptor? {
        guard isSet, !socket.typedConfig.isA(Envoy_Extensions_TransportSockets_RawBuffer_V3_RawBuffer.self) else {
            return nil
        }
        let place = path + ".typed_config"
        guard
            let message = unpack(
                socket.typedConfig, as: Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext.self, path: place,
                issues: &issues)
        else { return nil }
        let spec = TLSSpec(upstream: message, path: place, issues: &issues)
        return UpstreamTLSDescriptor(
            context: registry.tls(spec), serverName: spec.serverName, isMutual: spec.chain != .none)
    }
}
