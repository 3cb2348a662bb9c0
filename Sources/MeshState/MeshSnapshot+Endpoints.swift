extension MeshSnapshot {
    /// What differs from the snapshot before when only pods do: the services they stand behind, and the pods
    /// (`namespace/name`). Nil when resources differ as well, or nobody knows.
    package func changedEndpoints(since before: MeshSnapshot) -> (services: [MeshService], workloads: Set<String>)? {
        guard let change = endpointChange, change.since == before.generation else { return nil }
        return (change.services.map { services[$0] }, change.workloads)
    }

    /// This mesh with other pods. Cost: what the changed pods touch, and one pass over the list of pods.
    package func replacing(_ next: [MeshWorkload], generation: UInt64) -> MeshSnapshot {
        let sorted = next.sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
        var changed: [(old: MeshWorkload?, new: MeshWorkload?)] = []
        var a = 0
        var b = 0
        // Both are in order.
        while a < workloads.count || b < sorted.count {
            let old = a < workloads.count ? workloads[a] : nil
            let new = b < sorted.count ? sorted[b] : nil
            let oldName = old.map { ($0.namespace, $0.name) }
            let newName = new.map { ($0.namespace, $0.name) }
            if let oldName, let newName, oldName == newName {
                if old != new { changed.append((old, new)) }
                a += 1
                b += 1
            } else if let oldName, newName.map({ oldName < $0 }) ?? true {
                changed.append((old, nil))
                a += 1
            } else {
                changed.append((nil, new))
                b += 1
            }
        }
        return MeshSnapshot(self, workloads: sorted, changed: changed, generation: generation)
    }
}
