package import MeshAPI

/// A new state of the mesh, or new findings about the configuration.
package struct MeshUpdate: Sendable {
    package var snapshot: MeshSnapshot
    /// Everything there is to say about the configuration now, errors first, each with its place.
    package var diagnostics: [Diagnostic]
    /// Resources that were added, removed or changed.
    package var changedResources: Set<ResourceKey>
    /// `namespace/name` of pods that were added, removed or changed.
    package var changedWorkloads: Set<String>

    /// Only findings changed: the snapshot is the one of the update before.
    package var isSnapshotUnchanged: Bool { changedResources.isEmpty && changedWorkloads.isEmpty }
}
