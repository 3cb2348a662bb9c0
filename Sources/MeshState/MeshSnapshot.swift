package import MeshAPI

/// The mesh at one moment: immutable, validated, every part with the place that made it. All host names are fully qualified.
package final class MeshSnapshot: Sendable {
    /// Counts up with every snapshot of a store.
    package let generation: UInt64
    package let settings: MeshSettings
    package let namespaces: [String: Namespace]
    /// In order of host name.
    package let services: [MeshService]
    package let workloads: [MeshWorkload]
    /// Oldest first: by creation time, then in the order of the files.
    package let virtualServices: [ResolvedVirtualService]
    package let destinationRules: [ResolvedDestinationRule]
    package let gateways: [Gateway]
    package let peerAuthentications: [PeerAuthentication]

    let serviceIndex: [String: Int]
    let endpointIndex: [String: [MeshWorkload]]
    let destinationRuleIndex: [String: [Int]]
    let wildcardDestinationRules: [Int]
    let secrets: [String: Secret]
    let configMaps: [String: ConfigMap]

    init(
        generation: UInt64,
        settings: MeshSettings,
        resources: ResourceSet,
        services: [MeshService],
        workloads: [MeshWorkload],
        virtualServices: [ResolvedVirtualService],
        destinationRules: [ResolvedDestinationRule]
    ) {
        self.generation = generation
        self.settings = settings
        namespaces = Dictionary(resources.namespaces.map { ($0.name, $0) }) { _, last in last }
        self.services = services
        self.workloads = workloads
        self.virtualServices = virtualServices
        self.destinationRules = destinationRules
        gateways = resources.gateways
        peerAuthentications = resources.peerAuthentications
        secrets = Dictionary(resources.secrets.map { ("\($0.metadata.namespace)/\($0.metadata.name)", $0) }) { $1 }
        configMaps = Dictionary(resources.configMaps.map { ("\($0.metadata.namespace)/\($0.metadata.name)", $0) }) {
            $1
        }
        serviceIndex = Dictionary(services.enumerated().map { ($1.host, $0) }) { first, _ in first }
        endpointIndex = EndpointSelection.index(services, workloads)
        destinationRuleIndex = Dictionary(grouping: destinationRules.indices) { destinationRules[$0].host }
        wildcardDestinationRules = destinationRules.indices.filter { destinationRules[$0].host.hasPrefix("*") }
    }

    /// A mesh with nothing in it.
    package static func empty(settings: MeshSettings = MeshSettings()) -> MeshSnapshot {
        MeshSnapshot(
            generation: 0,
            settings: settings,
            resources: ResourceSet(),
            services: [],
            workloads: [],
            virtualServices: [],
            destinationRules: []
        )
    }

    // MARK: Services and endpoints

    /// The service with this fully qualified host name.
    package func service(host: String) -> MeshService? { serviceIndex[host].map { services[$0] } }

    package func services(visibleIn namespace: String) -> [MeshService] {
        services.filter { $0.isVisible(in: namespace) }
    }

    /// The pods that the service selects, ready or not, in order of namespace and name.
    package func workloads(of service: MeshService) -> [MeshWorkload] { endpointIndex[service.host] ?? [] }

    /// The ready endpoints of a service port, those of one subset when it is named. A subset that no visible rule of the
    /// client's defines has none.
    package func endpoints(of service: MeshService, port: Int, subset: Subset? = nil) -> [MeshEndpoint] {
        guard let servicePort = service.port(port) else { return [] }
        return workloads(of: service).compactMap { workload in
            guard workload.ready || service.publishNotReadyAddresses, workload.matches(subset?.labels ?? [:]),
                let number = workload.port(for: servicePort.target)
            else { return nil }
            return MeshEndpoint(
                workload: workload,
                port: number,
                takesMutualTLS: workload.sidecar && mutualTLS(of: workload, port: number).mode != .disable
            )
        }
    }

    /// SPIFFE ids of the service accounts that the service's pods run as, sorted: what a client accepts from the server.
    package func identities(of service: MeshService) -> [String] {
        Set(
            workloads(of: service).map { settings.spiffeID(namespace: $0.namespace, serviceAccount: $0.serviceAccount) }
        )
        .sorted()
    }

    /// The services that select a pod: what its sidecar serves.
    package func services(of workload: MeshWorkload) -> [MeshService] {
        services.filter {
            $0.namespace == workload.namespace && !$0.selector.isEmpty && workload.matches($0.selector)
        }
    }

    package func workload(namespace: String, name: String) -> MeshWorkload? {
        workloads.first { $0.namespace == namespace && $0.name == name }
    }

    package func secret(namespace: String, name: String) -> Secret? { secrets["\(namespace)/\(name)"] }

    package func configMap(namespace: String, name: String) -> ConfigMap? { configMaps["\(namespace)/\(name)"] }
}
