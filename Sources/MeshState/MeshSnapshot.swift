package import MeshAPI

/// The mesh at one moment: immutable, validated, every part with the place that made it. All host names are fully qualified.
package final class MeshSnapshot: Sendable {
    /// Counts up with every snapshot of a store.
    package let generation: UInt64
    package let settings: MeshSettings
    package let namespaces: [String: Namespace]
    /// Services in order of namespace and name, then the hosts of ServiceEntries in order.
    package let services: [MeshService]
    package let workloads: [MeshWorkload]
    /// Oldest first: by creation time, then by name.
    package let virtualServices: [ResolvedVirtualService]
    package let destinationRules: [ResolvedDestinationRule]
    package let gateways: [Gateway]
    package let peerAuthentications: [PeerAuthentication]
    package let sidecars: [Sidecar]
    package let proxyConfigs: [ProxyConfig]
    package let workloadGroups: [WorkloadGroup]
    package let authorizationPolicies: [AuthorizationPolicy]
    package let requestAuthentications: [RequestAuthentication]
    package let linkerdPolicies: [LinkerdPolicy]

    /// By host: Services first, then ServiceEntries in order of namespace.
    let serviceIndex: [String: [Int]]
    let namespaceIndex: [String: [Int]]
    /// Services of type ExternalName, by the name that they stand for.
    let aliasIndex: [String: [Int]]
    let workloadIndex: [String: Int]
    /// Services by the name of a workload behind them, and by address.
    let servedIndex: [String: [Int]]
    let endpointIndex: [String: [MeshWorkload]]
    /// How this came out of the snapshot before, when only pods changed.
    let endpointChange: (since: UInt64, services: [Int], workloads: Set<String>)?
    /// How this came out of the snapshot before, when only rules of VirtualServices changed.
    let ruleChange: (since: UInt64, services: [RuleEdit])?
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
        sidecars = resources.sidecars
        proxyConfigs = resources.proxyConfigs
        workloadGroups = resources.workloadGroups
        authorizationPolicies = resources.authorizationPolicies
        requestAuthentications = resources.requestAuthentications
        linkerdPolicies = resources.linkerdPolicies
        secrets = Dictionary(resources.secrets.map { ("\($0.metadata.namespace)/\($0.metadata.name)", $0) }) { $1 }
        configMaps = Dictionary(resources.configMaps.map { ("\($0.metadata.namespace)/\($0.metadata.name)", $0) }) {
            $1
        }
        serviceIndex = Dictionary(grouping: services.indices) { services[$0].host }
        namespaceIndex = Dictionary(grouping: services.indices) { services[$0].namespace }
        workloadIndex = Dictionary(workloads.enumerated().map { ("\($1.namespace)/\($1.name)", $0) }) { first, _ in
            first
        }
        let entries = resources.workloadEntries.compactMap { entry in
            entry.spec.map {
                MeshWorkload($0, name: entry.metadata.name, namespace: entry.metadata.namespace)
            }
        }
        let endpointIndex = EndpointSelection.index(services, workloads, entries: entries)
        self.endpointIndex = endpointIndex
        endpointChange = nil
        ruleChange = nil
        var served: [String: [Int]] = [:]
        for (number, service) in services.enumerated() {
            for workload in endpointIndex[service.key] ?? [] {
                served["\(workload.namespace)/\(workload.name)", default: []].append(number)
                if service.entry != nil, service.selector.isEmpty { served[workload.ip, default: []].append(number) }
            }
        }
        servedIndex = served
        var aliasIndex: [String: [Int]] = [:]
        for (number, service) in services.enumerated() {
            if case .externalName(let name) = service.resolution { aliasIndex[name, default: []].append(number) }
        }
        self.aliasIndex = aliasIndex
        destinationRuleIndex = Dictionary(grouping: destinationRules.indices) { destinationRules[$0].host }
        wildcardDestinationRules = destinationRules.indices.filter { destinationRules[$0].host.hasPrefix("*") }
    }

    /// `before` with some parts replaced; nil parts stay as they are. What follows from a part comes with it.
    private init(
        _ before: MeshSnapshot, generation: UInt64, workloads: [MeshWorkload]? = nil,
        virtualServices: [ResolvedVirtualService]? = nil, destinationRules: [ResolvedDestinationRule]? = nil,
        workloadIndex: [String: Int]? = nil, endpointIndex: [String: [MeshWorkload]]? = nil,
        servedIndex: [String: [Int]]? = nil,
        endpointChange: (since: UInt64, services: [Int], workloads: Set<String>)? = nil,
        ruleChange: (since: UInt64, services: [RuleEdit])? = nil
    ) {
        self.generation = generation
        settings = before.settings
        namespaces = before.namespaces
        services = before.services
        self.workloads = workloads ?? before.workloads
        self.virtualServices = virtualServices ?? before.virtualServices
        self.destinationRules = destinationRules ?? before.destinationRules
        gateways = before.gateways
        peerAuthentications = before.peerAuthentications
        sidecars = before.sidecars
        proxyConfigs = before.proxyConfigs
        workloadGroups = before.workloadGroups
        authorizationPolicies = before.authorizationPolicies
        requestAuthentications = before.requestAuthentications
        linkerdPolicies = before.linkerdPolicies
        secrets = before.secrets
        configMaps = before.configMaps
        serviceIndex = before.serviceIndex
        namespaceIndex = before.namespaceIndex
        aliasIndex = before.aliasIndex
        destinationRuleIndex = before.destinationRuleIndex
        wildcardDestinationRules = before.wildcardDestinationRules
        self.workloadIndex = workloadIndex ?? before.workloadIndex
        self.endpointIndex = endpointIndex ?? before.endpointIndex
        self.servedIndex = servedIndex ?? before.servedIndex
        self.endpointChange = endpointChange
        self.ruleChange = ruleChange
    }

    /// `before` with other pods; see `replacing`.
    convenience init(
        _ before: MeshSnapshot, workloads: [MeshWorkload], changed: [(old: MeshWorkload?, new: MeshWorkload?)],
        generation: UInt64
    ) {
        let isSameSet = changed.allSatisfy { $0.old != nil && $0.new != nil }
        let index =
            isSameSet
            ? nil
            : Dictionary(workloads.enumerated().map { ("\($1.namespace)/\($1.name)", $0) }) { first, _ in first }
        var endpoints = before.endpointIndex
        var served = before.servedIndex
        var touched: Set<Int> = []
        for (old, new) in changed {
            guard let namespace = (old ?? new)?.namespace, let name = (old ?? new)?.name else { continue }
            var serving: [Int] = []
            for number in before.namespaceIndex[namespace] ?? [] where !before.services[number].selector.isEmpty {
                let service = before.services[number]
                let was = old?.matches(service.selector) ?? false
                let isNow = new?.matches(service.selector) ?? false
                guard was || isNow else { continue }
                touched.insert(number)
                var pods = (endpoints[service.key] ?? []).filter { $0.name != name }
                if isNow, let new {
                    let place = pods.firstIndex { $0.name > name } ?? pods.count
                    pods.insert(new, at: place)
                    serving.append(number)
                }
                endpoints[service.key] = pods.isEmpty ? nil : pods
            }
            served["\(namespace)/\(name)"] = serving.isEmpty ? nil : serving
        }
        // Aliases have the endpoints of the service that they stand for.
        for number in touched { touched.formUnion(before.aliasIndex[before.services[number].host] ?? []) }
        let names = changed.compactMap { change in (change.old ?? change.new).map { "\($0.namespace)/\($0.name)" } }
        self.init(
            before, generation: generation, workloads: workloads, workloadIndex: index, endpointIndex: endpoints,
            servedIndex: served, endpointChange: (before.generation, touched.sorted(), Set(names)))
    }

    /// `before` with other rules in some VirtualServices, or other policies in some DestinationRules, which touch the clusters
    /// of these services; see `SnapshotBuilder.edit`.
    convenience init(
        _ before: MeshSnapshot, virtualServices: [ResolvedVirtualService]? = nil, edits: [RuleEdit] = [],
        destinationRules: [ResolvedDestinationRule]? = nil, touching touched: [Int] = []
    ) {
        self.init(
            before, generation: before.generation + 1, virtualServices: virtualServices,
            destinationRules: destinationRules,
            endpointChange: destinationRules == nil ? nil : (before.generation, touched, []),
            ruleChange: virtualServices == nil ? nil : (before.generation, edits))
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

    /// The service with this fully qualified host name; of several namespaces' the Service, else the first namespace's.
    package func service(host: String) -> MeshService? { serviceIndex[host]?.first.map { services[$0] } }

    /// The service of the mesh that an ExternalName Service stands for. Nil: a name outside, a ServiceEntry's, one that the
    /// service's namespace may not see, or another alias.
    package func alias(of service: MeshService) -> MeshService? {
        guard case .externalName(let name) = service.resolution, let target = self.service(host: name),
            target.entry == nil, target.isVisible(in: service.namespace)
        else { return nil }
        if case .externalName = target.resolution { return nil }
        return target
    }

    /// A host may come from several namespaces.
    package func services(visibleIn namespace: String) -> [MeshService] {
        services.filter { $0.isVisible(in: namespace) }
    }

    /// The pods and other endpoints of the service, ready or not, in order of name.
    package func workloads(of service: MeshService) -> [MeshWorkload] { endpointIndex[service.key] ?? [] }

    /// The ready endpoints of a service port, those of one subset when it is named. A subset that no visible rule of the
    /// client's defines has none.
    package func endpoints(of service: MeshService, port: Int, subset: Subset? = nil) -> [MeshEndpoint] {
        guard let servicePort = service.port(port) else { return [] }
        return workloads(of: service).compactMap { workload in
            guard workload.ready || service.publishNotReadyAddresses, workload.matches(subset?.labels ?? [:]),
                let number = workload.servicePorts?[servicePort.name] ?? workload.port(for: servicePort.target)
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
        if let names = service.entry?.subjectAltNames, !names.isEmpty { return names }
        return Set(
            workloads(of: service).map { settings.spiffeID(namespace: $0.namespace, serviceAccount: $0.serviceAccount) }
        )
        .sorted()
    }

    /// The services that lead to a pod: what its sidecar serves.
    package func services(of workload: MeshWorkload) -> [MeshService] {
        if workloadIndex["\(workload.namespace)/\(workload.name)"] != nil {
            let found = (servedIndex["\(workload.namespace)/\(workload.name)"] ?? []) + (servedIndex[workload.ip] ?? [])
            return Set(found).sorted().map { services[$0] }
        }
        // A pod that is not in the list yet: its labels tell.
        let own = (namespaceIndex[workload.namespace] ?? []).filter {
            !services[$0].selector.isEmpty && workload.matches(services[$0].selector)
        }
        return Set(own + (servedIndex[workload.ip] ?? [])).sorted().map { services[$0] }
    }

    package func workload(namespace: String, name: String) -> MeshWorkload? {
        workloadIndex["\(namespace)/\(name)"].map { workloads[$0] }
    }

    package func secret(namespace: String, name: String) -> Secret? { secrets["\(namespace)/\(name)"] }

    package func configMap(namespace: String, name: String) -> ConfigMap? { configMaps["\(namespace)/\(name)"] }
}
