/// workloads.json: the pods of the mesh, as the control plane reads them.
package struct WorkloadsFile: Codable, Equatable, Sendable {
    package struct Port: Codable, Equatable, Sendable {
        package var name: String
        package var number: UInt16
        /// TCP or UDP.
        package var `protocol`: String

        package init(name: String, number: UInt16, protocol: String) {
            self.name = name
            self.number = number
            self.protocol = `protocol`
        }
    }

    package struct Workload: Codable, Equatable, Sendable {
        package var name: String
        package var namespace: String
        package var ip: String
        package var workload: String
        package var labels: [String: String]
        package var serviceAccount: String
        package var ports: [Port]
        package var ready: Bool
        package var sidecar: Bool
        /// `pod` or `gateway`.
        package var kind: String
        /// Those by which policies are chosen: of `config.linkerd.io`.
        package var annotations: [String: String]?
        /// Of a member of a WorkloadGroup: `region/zone/subzone`, its share, and numbers of services' ports by name.
        package var place: PodTemplate.Place?
    }

    package var workloads: [Workload]

    package init(workloads: [Workload]) {
        self.workloads = workloads
    }
}

extension WorkloadsFile.Workload {
    /// One pod of those that a template makes.
    package init(_ template: PodTemplate, name: String, address: String, isReady: Bool) {
        let hasProxy = template.sidecar || template.kind == .gateway
        let annotations = template.annotations.filter { $0.key.hasPrefix("config.linkerd.io/") }
        self.init(
            name: name,
            namespace: template.namespace,
            ip: address,
            workload: template.workload,
            labels: hasProxy
                ? WorkloadLabels.injected(template.labels, workload: template.workload) : template.labels,
            serviceAccount: template.serviceAccount,
            ports: template.ports,
            ready: isReady,
            sidecar: template.sidecar,
            kind: template.kind.rawValue,
            annotations: annotations.isEmpty ? nil : annotations,
            place: template.place
        )
    }
}
