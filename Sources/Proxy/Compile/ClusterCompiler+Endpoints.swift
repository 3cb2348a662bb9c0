import EventLoop
import LoadBalancing
import SwiftProtobuf
import Telemetry
import XDS

/// One entry of `transport_socket_matches`: endpoints with these metadata values get this transport.
struct SocketMatch {
    let criteria: [String: Google_Protobuf_Value]
    let transport: UpstreamTransport

    /// Envoy's rule: every criterion is there with an equal value; no criteria match all.
    func matches(_ metadata: [String: Google_Protobuf_Value]) -> Bool {
        criteria.allSatisfy { metadata[$0.key] == $0.value }
    }
}

extension ClusterCompiler {
    mutating func endpoints(
        _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment?, of cluster: Envoy_Config_Cluster_V3_Cluster,
        socket: UpstreamTransport, matches: [SocketMatch]
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
                if item.hasLoadBalancingWeight, item.loadBalancingWeight.value == 0 {
                    issues.append(CompileIssue(path: path + ".load_balancing_weight", message: "must be above 0"))
                }
                let criteria = item.metadata.filterMetadata["envoy.transport_socket_match"]?.fields ?? [:]
                let transport = matches.first { $0.matches(criteria) }?.transport ?? socket
                let check = item.endpoint.healthCheckConfig
                result.append(
                    EndpointDescriptor(
                        address: address,
                        // A resolved endpoint carries the name that it had before it was an address.
                        hostname: isNamed && item.endpoint.hostname.isEmpty
                            ? message.socketAddress_.address : item.endpoint.hostname,
                        weight: item.hasLoadBalancingWeight ? max(1, item.loadBalancingWeight.value) : 1,
                        health: health(item.healthStatus),
                        priority: locality.priority,
                        locality: Locality(
                            region: locality.locality.region, zone: locality.locality.zone,
                            subzone: locality.locality.subZone),
                        tls: transport.tls,
                        proxyProtocol: transport.proxyProtocol,
                        checkAddress: checkAddress(check, endpoint: address, path: path),
                        checkHost: check.hostname,
                        isCheckDisabled: check.disableActiveHealthCheck,
                        workload: WorkloadLabels(metadata: item.metadata)
                    ))
            }
        }
        return result
    }

    /// Where the active check of an endpoint goes; nil is the endpoint itself.
    private mutating func checkAddress(
        _ message: Envoy_Config_Endpoint_V3_Endpoint.HealthCheckConfig, endpoint: EventLoop.SocketAddress, path: String
    ) -> EventLoop.SocketAddress? {
        let place = path + ".endpoint.health_check_config"
        if message.hasAddress {
            if let address = message.address.socketAddress { return address }
            issues.append(CompileIssue(path: place + ".address", message: "needs a literal IP address and port"))
        }
        guard message.portValue != 0, let ip = endpoint.ip else { return nil }
        guard let port = UInt16(exactly: message.portValue) else {
            issues.append(CompileIssue(path: place + ".port_value", message: "\(message.portValue) is not a port"))
            return nil
        }
        return .ip(ip, port: port)
    }

    /// The endpoints as balancing sees them.
    func hosts(
        _ endpoints: [EndpointDescriptor], _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment?,
        hashesHostnames: Bool
    ) -> [BalancerHost] {
        let items = Self.flat(assignment)
        var localities: [Locality: UInt32] = [:]
        return endpoints.enumerated().map { index, endpoint in
            let number = localities[endpoint.locality] ?? UInt32(localities.count)
            localities[endpoint.locality] = number
            let item = items.count == endpoints.count ? items[index] : nil
            let key = item?.endpoint.metadata.filterMetadata["envoy.lb"]?.fields["hash_key"]?.stringValue ?? ""
            let name = hashesHostnames && !endpoint.hostname.isEmpty ? endpoint.hostname : endpoint.address.description
            return BalancerHost(
                weight: endpoint.weight, priority: endpoint.priority, locality: number,
                localityWeight: item?.localityWeight ?? 0, hashKey: key.isEmpty ? name : key,
                isHealthy: endpoint.health == .healthy || endpoint.health == .degraded,
                isDegraded: endpoint.health == .degraded)
        }
    }

    private static func flat(
        _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment?
    ) -> [(endpoint: Envoy_Config_Endpoint_V3_LbEndpoint, localityWeight: UInt32)] {
        (assignment?.endpoints ?? []).flatMap { locality in
            locality.lbEndpoints.map { ($0, locality.loadBalancingWeight.value) }
        }
    }

    /// Subsets by the endpoints' metadata under `envoy.lb`.
    mutating func subsets(
        _ message: Envoy_Config_Cluster_V3_Cluster.LbSubsetConfig, _ spec: BalancerSpec, _ hosts: [BalancerHost],
        _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment?, endpointCount: Int
    ) -> SubsetTable {
        let items = Self.flat(assignment)
        let metadata = hosts.indices.map { index -> SubsetTable.Criteria in
            guard items.count == endpointCount else { return [:] }
            return MetadataText.criteria(items[index].endpoint.metadata.filterMetadata["envoy.lb"]?.fields ?? [:])
        }
        let selectors = message.subsetSelectors.enumerated().map { index, selector -> SubsetTable.Selector in
            let fallback: SubsetTable.Fallback?
            switch selector.fallbackPolicy {
            case .noFallback: fallback = SubsetTable.Fallback.none
            case .anyEndpoint: fallback = .anyEndpoint
            case .defaultSubset: fallback = .defaultSubset
            case .keysSubset:
                issues.append(
                    CompileIssue(
                        path: "lb_subset_config.subset_selectors[\(index)].fallback_policy",
                        message: "KEYS_SUBSET is not supported"))
                fallback = nil
            default: fallback = nil
            }
            return SubsetTable.Selector(keys: selector.keys, fallback: fallback)
        }
        let fallback: SubsetTable.Fallback =
            switch message.fallbackPolicy {
            case .anyEndpoint: .anyEndpoint
            case .defaultSubset: .defaultSubset
            default: .none
            }
        return SubsetTable(
            spec: spec, hosts: hosts, metadata: metadata, selectors: selectors, fallback: fallback,
            defaultSubset: MetadataText.criteria(message.defaultSubset.fields))
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

/// Metadata values as texts that are equal when the values are.
enum MetadataText {
    static func criteria(_ fields: [String: Google_Protobuf_Value]) -> [String: String] {
        fields.mapValues(text)
    }

    private static func text(_ value: Google_Protobuf_Value) -> String {
        switch value.kind {
        case .stringValue(let text): "s" + text
        case .numberValue(let number): "n\(number)"
        case .boolValue(let truth): truth ? "true" : "false"
        case .nullValue, nil: "null"
        case .listValue(let list): "[" + list.values.map(text).joined(separator: ",") + "]"
        case .structValue(let fields):
            "{"
                + fields.fields.sorted { $0.key < $1.key }.map { "\($0.key):\(text($0.value))" }
                .joined(separator: ",") + "}"
        }
    }
}
