package import MeshAPI

extension MeshPlan {
    /// What the resources ask to run here.
    ///
    /// - Parameter addresses: cluster addresses by host, as the control plane gives them.
    package init(_ resources: [Resource], addresses: [String: String], problems: [ControlPlaneStatus.Problem]) {
        var namespaces: [String: [String: String]] = [:]
        var gateways: [Gateway] = []
        var configurations: [ProxyConfig] = []
        for resource in resources {
            if case .namespace(let namespace) = resource { namespaces[namespace.name] = namespace.metadata.labels }
            if case .gateway(let gateway) = resource { gateways.append(gateway) }
            if case .proxyConfig(let configuration) = resource { configurations.append(configuration) }
        }
        self.init(problems: problems)
        for resource in resources {
            switch resource {
            case .workload(let workload):
                workloads.append(
                    WorkloadPlan(workload, namespaceLabels: namespaces[workload.metadata.namespace] ?? [:]))
            case .service(let service):
                if let summary = Service(service, addresses: addresses) { services.append(summary) }
            case .configMap(let map):
                var values = map.data
                for (name, bytes) in map.binaryData { values[name] = String(decoding: bytes, as: UTF8.self) }
                data[Self.dataKey(.init(kind: "ConfigMap", name: map.metadata.name), map.metadata.namespace)] = values
            case .secret(let secret):
                data[Self.dataKey(.init(kind: "Secret", name: secret.metadata.name), secret.metadata.namespace)] =
                    secret.data.mapValues { String(decoding: $0, as: UTF8.self) }
            case .workloadGroup(let group):
                groups["\(group.metadata.namespace)/\(group.metadata.name)"] = PodTemplate(group)
            default: break
            }
        }
        workloads = ProxyConfigPlanner.apply(configurations, to: GatewayPlanner.add(gateways, to: workloads))
    }
}

extension MeshPlan.Service {
    /// nil: an alias of a name outside, which has no pods.
    init?(_ service: MeshAPI.Service, addresses: [String: String]) {
        if case .externalName = service.form { return nil }
        self.init(
            namespace: service.metadata.namespace,
            name: service.metadata.name,
            address: nil,
            selector: service.selector,
            ports: service.ports.compactMap { port in
                guard let number = UInt16(exactly: port.number) else { return nil }
                let target: Target
                switch port.target {
                case .number(let value): target = .number(UInt16(exactly: value) ?? number)
                case .name(let name): target = .name(name)
                }
                return Port(
                    name: port.name ?? "", number: number, target: target, transport: port.transport.lowercased())
            }
        )
        address = addresses[host]
    }
}

extension ControlPlaneStatus.Problem {
    package init(_ diagnostic: Diagnostic) {
        self.init(
            file: diagnostic.location.file,
            line: diagnostic.location.line,
            column: diagnostic.location.column,
            resource: diagnostic.resource,
            message: diagnostic.path.isEmpty ? diagnostic.message : "\(diagnostic.path): \(diagnostic.message)",
            severity: diagnostic.severity.rawValue
        )
    }
}
