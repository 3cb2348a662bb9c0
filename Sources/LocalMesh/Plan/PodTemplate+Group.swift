import MeshAPI

extension PodTemplate {
    /// A member of a WorkloadGroup: its labels, identity, ports and health check come from the group's template.
    init(_ group: WorkloadGroup) {
        let labels = group.labels.merging(group.template?.labels ?? [:]) { $1 }
        self.init(namespace: group.metadata.namespace, workload: group.metadata.name, labels: labels)
        serviceAccount = group.template?.serviceAccount ?? "default"
        let ports = (group.template?.ports ?? [:]).sorted { $0.key < $1.key }
        place = Place(
            locality: group.template?.locality, weight: group.template?.weight,
            servicePorts: group.template?.ports ?? [:])
        var container = Container(
            name: "guest",
            ports: ports.compactMap { name, number in
                UInt16(exactly: number).map { WorkloadsFile.Port(name: name, number: $0, protocol: "TCP") }
            }
        )
        container.readiness = group.probe.flatMap { container.probe(from: $0) }
        if container.readiness == nil, let first = container.ports.first {
            container.readiness = ReadinessProbe(.tcp(port: first.number))
        }
        containers = [container]
    }
}
