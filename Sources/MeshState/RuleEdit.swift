package import MeshAPI

/// A VirtualService whose rules changed and nothing else: not its name, age, hosts, gateways or visibility.
package struct RuleEdit: Sendable {
    package var old: ResolvedVirtualService
    package var new: ResolvedVirtualService
}

extension MeshSnapshot {
    /// What differs from the snapshot before when only rules of VirtualServices do; nil when more differs, or nobody knows.
    package func changedRules(since before: MeshSnapshot) -> [RuleEdit]? {
        guard let change = ruleChange, change.since == before.generation else { return nil }
        return change.services
    }
}

extension SnapshotBuilder {
    /// The mesh after edits of VirtualServices' rules, at the cost of the edits; nil when they touch more than that, or when
    /// there is something to say about one of them: then `build` decides.
    ///
    /// - Parameters:
    ///   - before: the snapshot in force and the findings that hold for it.
    ///   - edits: each resource as it was and as it is.
    package func edit(_ before: Result, _ edits: [(old: Resource, new: Resource)]) -> Result? {
        var services = before.snapshot.virtualServices
        var changes: [RuleEdit] = []
        for edit in edits {
            guard case .virtualService(let old) = edit.old, case .virtualService(let new) = edit.new,
                old.metadata == new.metadata, !new.isDelegate, !new.http.contains(where: { $0.delegate != nil })
            else { return nil }
            let key = ResourceKey.networking("VirtualService", new.metadata)
            let name = key.description
            guard !before.diagnostics.contains(where: { $0.resource == name || $0.message.contains(name) }),
                let place = services.firstIndex(where: { $0.key == key })
            else { return nil }
            let resolved = VirtualServiceResolution.resolve([new], settings: settings)
            let last = services[place]
            guard let service = resolved.services.first, resolved.diagnostics.isEmpty, last.delegates.isEmpty,
                last.hosts.map(\.value) == service.hosts.map(\.value), last.gateways == service.gateways,
                last.exportTo == service.exportTo
            else { return nil }
            services[place] = service
            changes.append(RuleEdit(old: last, new: service))
        }
        let snapshot = MeshSnapshot(before.snapshot, virtualServices: services, edits: changes)
        let check = ReferenceCheck(snapshot)
        guard changes.allSatisfy({ check.faults(of: $0.new).isEmpty }) else { return nil }
        return Result(snapshot: snapshot, diagnostics: before.diagnostics)
    }
}
