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
    /// The mesh after edits of VirtualServices' rules, or of DestinationRules' policies, at the cost of the edits; nil when they
    /// touch more than that, or when there is something to say about one of them: then `build` decides.
    ///
    /// - Parameters:
    ///   - before: the snapshot in force and the findings that hold for it.
    ///   - edits: each resource as it was and as it is.
    package func edit(_ before: Result, _ edits: [(old: Resource, new: Resource)]) -> Result? {
        if case .destinationRule? = edits.first?.new { return editPolicies(before, edits) }
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

    /// What a policy changes are the clusters of its host, as endpoints do.
    private func editPolicies(_ before: Result, _ edits: [(old: Resource, new: Resource)]) -> Result? {
        var rules = before.snapshot.destinationRules
        var touched: Set<Int> = []
        for edit in edits {
            guard case .destinationRule(let old) = edit.old, case .destinationRule(let new) = edit.new,
                old.metadata == new.metadata
            else { return nil }
            let last = ResolvedDestinationRule(old, settings: settings)
            let rule = ResolvedDestinationRule(new, settings: settings)
            let name = rule.origin.resource.description
            // One that others are merged into is not equal to what it says itself.
            guard let place = rules.firstIndex(of: last), last.isLocal, rule.isLocal, last.host == rule.host,
                last.readElsewhere == rule.readElsewhere,
                last.exportTo == rule.exportTo, last.subsets.map(\.name) == rule.subsets.map(\.name),
                !before.diagnostics.contains(where: { $0.resource == name || $0.message.contains(name) })
            else { return nil }
            rules[place] = rule
            touched.formUnion(before.snapshot.serviceIndex[rule.host] ?? [])
        }
        let snapshot = MeshSnapshot(before.snapshot, destinationRules: rules, touching: touched.sorted())
        return Result(snapshot: snapshot, diagnostics: before.diagnostics)
    }
}

extension ResolvedDestinationRule {
    /// What routes and listeners take from the policies, one entry for each policy and port.
    fileprivate var readElsewhere: [PolicyPart] {
        ([trafficPolicy] + subsets.map(\.trafficPolicy)).flatMap { policy in
            [PolicyPart(nil, policy?.connectionPool, policy?.loadBalancer)]
                + (policy?.portLevelSettings ?? []).map { PolicyPart($0.port, $0.connectionPool, $0.loadBalancer) }
        }
    }

    /// Whether it holds for one host and decides nothing beside that host's clusters: no routes (hashing), no listeners
    /// (tunnels, connections passed through), no secrets, nothing by the client's labels.
    fileprivate var isLocal: Bool {
        let policies = [trafficPolicy] + subsets.map(\.trafficPolicy)
        let balancers = policies.flatMap { [$0?.loadBalancer] + ($0?.portLevelSettings.map(\.loadBalancer) ?? []) }
        let tls = policies.flatMap { [$0?.tls] + ($0?.portLevelSettings.map(\.tls) ?? []) }
        return workloadSelector == nil && !host.hasPrefix("*") && policies.allSatisfy { $0?.tunnel == nil }
            && tls.allSatisfy { $0?.credentialName == nil }
            && balancers.allSatisfy { balancer in
                balancer?.consistentHash == nil && balancer?.simple != .passthrough
                    && balancer?.localityLbSetting?.failoverPriority.isEmpty ?? true
            }
    }
}

/// Of one policy: how long TCP connections may be idle (listeners), and whether the Service's session affinity is overruled
/// (routes).
private struct PolicyPart: Equatable {
    var port: Int?
    var idleTimeout: Duration?
    var hasBalancer: Bool

    init(_ port: Int?, _ pool: ConnectionPoolSettings?, _ balancer: LoadBalancerSettings?) {
        self.port = port
        idleTimeout = pool?.tcp?.idleTimeout
        hasBalancer = balancer != nil
    }
}
