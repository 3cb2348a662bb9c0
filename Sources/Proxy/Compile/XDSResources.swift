package import XDS

/// The resources that a proxy has accepted, by name: what a snapshot is compiled from.
package struct XDSResources: Sendable {
    package var listeners: [String: Envoy_Config_Listener_V3_Listener] = [:]
    package var routes: [String: Envoy_Config_Route_V3_RouteConfiguration] = [:]
    package var clusters: [String: Envoy_Config_Cluster_V3_Cluster] = [:]
    /// By the name under which EDS was asked: `eds_cluster_config.service_name`, else the cluster's name.
    package var assignments: [String: Envoy_Config_Endpoint_V3_ClusterLoadAssignment] = [:]
    /// From SDS and, for `default` and `ROOTCA`, from the proxy's own identity.
    package var secrets: [String: Envoy_Extensions_TransportSockets_Tls_V3_Secret] = [:]

    package init() {}

    /// Names in a bootstrap that are there twice: which of the two should serve nobody can know.
    package private(set) var repeated: [CompileIssue] = []

    /// The static resources of a bootstrap file.
    package init(static resources: Envoy_Config_Bootstrap_V3_Bootstrap.StaticResources) {
        for (index, listener) in resources.listeners.enumerated() {
            let name = listener.name.isEmpty ? "listener-\(index)" : listener.name
            add(listeners.updateValue(listener, forKey: name) != nil, "listeners[\(index)]", name)
        }
        for (index, cluster) in resources.clusters.enumerated() {
            add(clusters.updateValue(cluster, forKey: cluster.name) != nil, "clusters[\(index)]", cluster.name)
        }
        for (index, secret) in resources.secrets.enumerated() {
            add(secrets.updateValue(secret, forKey: secret.name) != nil, "secrets[\(index)]", secret.name)
        }
    }

    private mutating func add(_ isRepeated: Bool, _ place: String, _ name: String) {
        guard isRepeated else { return }
        repeated.append(
            CompileIssue(path: "static_resources.\(place).name", message: "\"\(name)\" is there more than once"))
    }
}

/// What compiled resources ask for: the names to subscribe to.
package struct XDSReferences: Sendable, Equatable {
    package var routes: Set<String> = []
    package var assignments: Set<String> = []
    package var secrets: Set<String> = []

    package init() {}
}
