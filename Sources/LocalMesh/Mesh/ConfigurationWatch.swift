import MeshAPI
import MeshState

/// Follows the manifest files and tells of each state of them. What is broken stays as it was when it was last good.
package struct ConfigurationWatch: Sendable {
    package var paths: [String]

    package init(paths: [String]) {
        self.paths = paths
    }

    /// Returns when the task is cancelled.
    package func run(_ apply: @Sendable (MeshPlan) async -> Void) async {
        let store = MeshStore(paths: paths)
        var files = FileSource(paths: paths)
        await apply(Self.plan(await store.load(), &files))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await store.run() }
            for await update in store.updates { await apply(Self.plan(update, &files)) }
        }
    }

    /// The store knows addresses and findings; Deployments and the like are of no interest to it.
    private static func plan(_ update: MeshUpdate, _ files: inout FileSource) -> MeshPlan {
        var latest: [ResourceKey: Resource] = [:]
        var order: [ResourceKey] = []
        for (key, resource) in files.scan().resources where latest.updateValue(resource, forKey: key) == nil {
            order.append(key)
        }
        var addresses: [String: String] = [:]
        for service in update.snapshot.services { addresses[service.host] = service.address }
        return MeshPlan(
            order.compactMap { latest[$0] },
            addresses: addresses,
            problems: update.diagnostics.map(ControlPlaneStatus.Problem.init)
        )
    }
}
