package import ControlPlane
import FoundationEssentials
package import MeshAPI
package import MeshState

/// The mesh that is asked about: what manifests would make, or what a running mesh has in force.
package struct ExplainedMesh: Sendable {
    package enum Failure: Error, CustomStringConvertible {
        case noState(String)
        case invalid([Diagnostic])

        package var description: String {
            switch self {
            case .noState(let folder):
                "\(folder) holds no state of a mesh: start one with `martlet up`, or name manifests with --config"
            case .invalid(let errors): errors.map(\.description).joined(separator: "\n")
            }
        }
    }

    package let snapshot: MeshSnapshot
    /// The keys of token issuers, as the control plane fetched them last; none for manifests alone.
    package let keySets: KeySetSnapshot

    /// - Parameter paths: files and folders with manifests. Each workload of theirs stands for one pod that runs.
    /// - Throws: `Failure.invalid` when the mesh would not take them.
    package init(paths: [String]) throws {
        var source = FileSource(paths: paths)
        let scan = source.scan()
        let errors = scan.diagnostics.filter { $0.severity == .error }
        guard errors.isEmpty else { throw Failure.invalid(errors) }
        snapshot = Self.snapshot(scan.resources, workloads: try PlannedPods.list(scan.resources))
        keySets = KeySetSnapshot()
    }

    /// - Parameter stateDirectory: of a mesh that runs, or ran: the manifests that are in force there, and its pods.
    package init(stateDirectory folder: String) throws {
        let files = FileManager.default
        guard let memory = files.contents(atPath: folder + "/last-good.json"),
            let pods = files.contents(atPath: folder + "/workloads.json")
        else { throw Failure.noState(folder) }
        let texts = try JSONDecoder().decode([String: String].self, from: memory)
        let workloads = try JSONDecoder().decode(WorkloadList.self, from: pods).workloads
        let decoder = ManifestDecoder()
        let resources = texts.sorted { $0.key < $1.key }.flatMap { path, text in
            decoder.decode(text, file: path).compactMap { document in
                document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
            }
        }
        snapshot = Self.snapshot(resources, workloads: workloads)
        keySets = KeySetStore.remembered(at: folder + "/key-sets.json", for: snapshot)
    }

    private static func snapshot(
        _ documents: [(key: ResourceKey, resource: Resource)], workloads: [MeshWorkload]
    ) -> MeshSnapshot {
        SnapshotBuilder().build(ResourceSet(documents), workloads: workloads).snapshot
    }

    /// A pod by its name or its workload's, `NAME` of namespace `default` or `NAMESPACE/NAME`.
    package func pod(_ name: String) -> MeshWorkload? {
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        let (namespace, own) = parts.count == 2 ? (parts[0], parts[1]) : ("default", name)
        return snapshot.workload(namespace: namespace, name: own)
            ?? snapshot.workloads.first { $0.namespace == namespace && $0.workload == own }
    }

    /// A Service by a name of it that a client in `namespace` may use.
    package func service(_ host: String, from namespace: String) -> MeshService? {
        let parts = host.split(separator: ".").map(String.init)
        var names = [host, snapshot.settings.resolve(host, in: namespace)]
        if parts.count == 2 || parts.count == 3 && parts[2] == "svc" {
            names.append(snapshot.settings.host(service: parts[0], namespace: parts[1]))
        }
        return names.lazy.compactMap { snapshot.service(host: $0) }.first
            ?? snapshot.services.first { $0.addresses.contains(host) }
    }
}
