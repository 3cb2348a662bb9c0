import EventLoop
import SwiftProtobuf
import Telemetry
import XDS

/// One entry of `transport_socket_matches`: endpoints with these metadata values get this transport.
struct SocketMatch {
    let criteria: [String: Google_Protobuf_Value]
    let tls: UpstreamTLSDescriptor?

    /// Envoy's rule: every criterion is there with an equal value; no criteria match all.
    func matches(_ metadata: [String: Google_Protobuf_Value]) -> Bool {
        criteria.allSatisfy { metadata[$0.key] == $0.value }
    }
}

extension ClusterCompiler {
    mutating func endpoints(
        _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment?, of cluster: Envoy_Config_Cluster_V3_Cluster,
        socket: UpstreamTLSDescriptor?, matches: [SocketMatch]
    ) -> [EndpointDescriptor] {
        guard let assignment else { return [] }
        let isNamed = cluster.type == .strictDns || cluster.type == .logicalDns
        var result: [EndpointDescriptor] = []
        for (group, locality) in assignment.endpoints.enumerated() {
            for (index, item) in locality.lbEndpoints.enumerated() {
                let path = "load_assignment.endpoints[\(group)].lb_endpoints[\(index)]"
                let message = item.endpoint.address
                guard let address = isNamed ? placeholder(message) : message.socketAddress else {
                    issues.append(
                        CompileIssue(
                            path: path + ".endpoint.address",
                            message: "needs a literal IP address and port; names need type STRICT_DNS or LOGICAL_DNS"))
                    continue
                }
                let criteria = item.metadata.filterMetadata["envoy.transport_socket_match"]?.fields ?? [:]
                let match = matches.first { $0.matches(criteria) }
                result.append(
                    EndpointDescriptor(
                        address: address,
                        hostname: isNamed ? message.socketAddress_.address : item.endpoint.hostname,
                        weight: item.hasLoadBalancingWeight ? item.loadBalancingWeight.value : 1,
                        health: health(item.healthStatus),
                        priority: locality.priority,
                        locality: Locality(
                            region: locality.locality.region, zone: locality.locality.zone,
                            subzone: locality.locality.subZone),
                        tls: match.map(\.tls) ?? socket,
                        workload: WorkloadLabels(metadata: item.metadata)
                    ))
            }
        }
        return result
    }

    /// DNS clusters know the port before they know the address.
    private func placeholder(_ address: Envoy_Config_Core_V3_Address) -> EventLoop.SocketAddress? {
        if let literal = address.socketAddress { return literal }
        guard case .socketAddress(let socket)? = address.address, !socket.address.isEmpty,
            let port = UInt16(exactly: socket.portValue)
        else { return nil }
        return .ip(.anyIPv4, port: port)
    }

    private func health(_ status: Envoy_Config_Core_V3_HealthStatus) -> EndpointDescriptor.Health {
        switch status {
        case .unhealthy, .timeout: .unhealthy
        case .draining: .draining
        case .degraded: .degraded
        default: .healthy
        }
    }
}

extension Envoy_Config_Core_V3_Address {
    /// The socket address message, empty when the address is a pipe.
    fileprivate var socketAddress_: Envoy_Config_Core_V3_SocketAddress {
        if case .socketAddress(let socket)? = address { socket } else { Envoy_Config_Core_V3_SocketAddress() }
    }
}

extension WorkloadLabels {
    /// `filter_metadata.istio.workload` is `name;namespace;canonical-service;canonical-revision;cluster` (Istio's form);
    /// `filter_metadata.martlet` adds `app`, `version` and `principal`.
    init(metadata: Envoy_Config_Core_V3_Metadata) {
        self.init()
        let text = metadata.filterMetadata["istio"]?.fields["workload"]?.stringValue ?? ""
        let parts = text.split(separator: ";", omittingEmptySubsequences: false).map(String.init)
        if parts.count >= 5 {
            workload = parts[0]
            namespace = parts[1]
            canonicalService = parts[2]
            canonicalRevision = parts[3]
            cluster = parts[4]
        }
        let more = metadata.filterMetadata["martlet"]?.fields ?? [:]
        app = more["app"]?.stringValue ?? canonicalService
        version = more["version"]?.stringValue ?? canonicalRevision
        principal = more["principal"]?.stringValue ?? ""
    }
}
