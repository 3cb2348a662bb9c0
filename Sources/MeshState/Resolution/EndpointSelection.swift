import MeshAPI

/// Which pods and other endpoints stand behind which services.
enum EndpointSelection {
    /// Endpoints by service key, in order of name. `workloads` and `entries` are what selectors choose from.
    /// Cost: services of a namespace times its pods.
    static func index(
        _ services: [MeshService], _ workloads: [MeshWorkload], entries: [MeshWorkload] = []
    ) -> [String: [MeshWorkload]] {
        let pods = Selectable(workloads + entries)
        var index: [String: [MeshWorkload]] = [:]
        for service in services {
            let found = endpoints(of: service, pods)
            if !found.isEmpty { index[service.key] = found }
        }
        return index
    }

    private static func endpoints(of service: MeshService, _ pods: Selectable) -> [MeshWorkload] {
        if let entry = service.entry, service.selector.isEmpty {
            if case .entry(.none) = service.resolution { return [] }
            return entry.endpoints.enumerated().map { index, spec in
                MeshWorkload(
                    spec, name: "\(service.origin.resource.name)-\(index)", namespace: service.namespace
                )
            }
        }
        guard !service.selector.isEmpty else { return [] }
        return pods.matching(service.selector, in: service.namespace)
    }

    /// Pods by namespace and by one label, so that a selector looks at few of them.
    struct Selectable {
        private var byLabel: [String: [MeshWorkload]] = [:]

        init(_ workloads: [MeshWorkload]) {
            for pod in workloads {
                for (name, value) in pod.labels {
                    byLabel["\(pod.namespace)/\(name)=\(value)", default: []].append(pod)
                }
            }
        }

        func matching(_ selector: [String: String], in namespace: String) -> [MeshWorkload] {
            // The label with the fewest pods narrows most.
            var best: [MeshWorkload]?
            for (name, value) in selector {
                let pods = byLabel["\(namespace)/\(name)=\(value)"] ?? []
                if pods.count < best?.count ?? .max { best = pods }
            }
            return (best ?? []).filter { $0.matches(selector) }.sorted { $0.name < $1.name }
        }
    }
}
