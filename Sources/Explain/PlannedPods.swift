import FoundationEssentials
import LocalMesh
package import MeshAPI
package import MeshState

/// The pods that manifests make, as `martlet up` would start them and `workloads.json` list them.
package enum PlannedPods {
    /// One for each workload and gateway, called as it is, with an address that is nobody's (RFC 2544).
    package static func list(_ documents: [(key: ResourceKey, resource: Resource)]) throws -> [MeshWorkload] {
        let latest = Dictionary(documents.map { ($0.key, $0.resource) }) { _, last in last }
        let resources = latest.sorted { $0.key < $1.key }.map(\.value)
        let plan = MeshPlan(resources, addresses: [:], problems: [])
        let file = WorkloadsFile(
            workloads: plan.workloads.enumerated().map { number, workload in
                WorkloadsFile.Workload(
                    workload.template, name: workload.template.workload,
                    address: "198.18.\(number / 250).\(number % 250 + 1)", isReady: true)
            })
        return try JSONText.decode(WorkloadList.self, from: try JSONText.encode(file)).workloads
    }
}
