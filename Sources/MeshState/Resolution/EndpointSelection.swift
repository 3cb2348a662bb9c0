import MeshAPI

/// Which pods stand behind which services.
enum EndpointSelection {
    /// Pods by service host, in order of name. Cost: services of a namespace times its pods.
    static func index(_ services: [MeshService], _ workloads: [MeshWorkload]) -> [String: [MeshWorkload]] {
        let byNamespace = Dictionary(grouping: workloads, by: \.namespace)
        var index: [String: [MeshWorkload]] = [:]
        for service in services where !service.selector.isEmpty {
            let pods = (byNamespace[service.namespace] ?? []).filter { $0.matches(service.selector) }
            if !pods.isEmpty { index[service.host] = pods.sorted { $0.name < $1.name } }
        }
        return index
    }
}
