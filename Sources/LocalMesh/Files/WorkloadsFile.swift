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
