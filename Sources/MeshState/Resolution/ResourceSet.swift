package import MeshAPI

/// The resources of all sources by kind, one for each key, oldest first; of the same age, as all
/// without a creation time are, by name and then namespace (Istio's order: files of one `kubectl apply` have one age).
package struct ResourceSet: Sendable {
    package private(set) var namespaces: [Namespace] = []
    package private(set) var services: [Service] = []
    package private(set) var workloads: [Workload] = []
    package private(set) var configMaps: [ConfigMap] = []
    package private(set) var secrets: [Secret] = []
    package private(set) var serviceAccounts: [ServiceAccount] = []
    package private(set) var virtualServices: [VirtualService] = []
    package private(set) var destinationRules: [DestinationRule] = []
    package private(set) var gateways: [Gateway] = []
    package private(set) var peerAuthentications: [PeerAuthentication] = []
    package private(set) var serviceEntries: [ServiceEntry] = []
    package private(set) var workloadEntries: [WorkloadEntry] = []
    package private(set) var workloadGroups: [WorkloadGroup] = []
    package private(set) var sidecars: [Sidecar] = []
    package private(set) var proxyConfigs: [ProxyConfig] = []
    package private(set) var trafficSplits: [TrafficSplit] = []
    package private(set) var httpRouteGroups: [HTTPRouteGroup] = []
    package private(set) var authorizationPolicies: [AuthorizationPolicy] = []
    package private(set) var requestAuthentications: [RequestAuthentication] = []
    package private(set) var linkerdPolicies: [LinkerdPolicy] = []
    package private(set) var diagnostics: [Diagnostic] = []

    package init() {}

    /// `documents` in the order of the sources; of two with the same key the later one counts.
    package init(_ documents: [(key: ResourceKey, resource: Resource)]) {
        var latest: [ResourceKey: Int] = [:]
        for (index, document) in documents.enumerated() {
            if let earlier = latest[document.key] {
                diagnostics.append(
                    Diagnostic(
                        .warning,
                        at: document.resource.metadata.location,
                        resource: document.key.description,
                        "replaces the same resource at \(documents[earlier].resource.metadata.location)"
                    )
                )
            }
            latest[document.key] = index
        }
        // The zone Z is the only one that Kubernetes writes, so that texts compare as times do.
        let ordered = latest.values.map { index in
            let metadata = documents[index].resource.metadata
            return (
                age: metadata.creationTimestamp ?? "", name: "\(metadata.name).\(metadata.namespace)", index: index
            )
        }
        let kept = ordered.sorted { ($0.age, $0.name, $0.index) < ($1.age, $1.name, $1.index) }
        for entry in kept { append(documents[entry.index].resource) }
    }

    private mutating func append(_ resource: Resource) {
        switch resource {
        case .namespace(let value): namespaces.append(value)
        case .service(let value): services.append(value)
        case .serviceAccount(let value): serviceAccounts.append(value)
        case .workload(let value): workloads.append(value)
        case .configMap(let value): configMaps.append(value)
        case .secret(let value): secrets.append(value)
        case .virtualService(let value): virtualServices.append(value)
        case .destinationRule(let value): destinationRules.append(value)
        case .gateway(let value): gateways.append(value)
        case .peerAuthentication(let value): peerAuthentications.append(value)
        case .serviceEntry(let value): serviceEntries.append(value)
        case .workloadEntry(let value): workloadEntries.append(value)
        case .workloadGroup(let value): workloadGroups.append(value)
        case .sidecar(let value): sidecars.append(value)
        case .proxyConfig(let value): proxyConfigs.append(value)
        case .trafficSplit(let value): trafficSplits.append(value)
        case .httpRouteGroup(let value): httpRouteGroups.append(value)
        case .authorizationPolicy(let value): authorizationPolicies.append(value)
        case .requestAuthentication(let value): requestAuthentications.append(value)
        case .linkerdPolicy(let value): linkerdPolicies.append(value)
        }
    }
}

extension ResourceKey {
    static func networking(_ kind: String, _ metadata: ObjectMeta) -> ResourceKey {
        ResourceKey(group: "networking.istio.io", kind: kind, namespace: metadata.namespace, name: metadata.name)
    }

    static func security(_ kind: String, _ metadata: ObjectMeta) -> ResourceKey {
        ResourceKey(group: "security.istio.io", kind: kind, namespace: metadata.namespace, name: metadata.name)
    }
}
