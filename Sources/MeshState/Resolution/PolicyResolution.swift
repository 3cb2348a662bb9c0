package import MeshAPI

extension MeshSnapshot {
    /// The AuthorizationPolicies that hold for a workload: those of the root namespace, then its own namespace's, each by
    /// age. All of them count together; none overrides another.
    package func authorizationPolicies(of workload: MeshWorkload) -> [AuthorizationPolicy] {
        levels(of: workload).flatMap { level in
            authorizationPolicies.filter { policy in
                policy.metadata.namespace == level
                    && selects(workload, level: level, selector: policy.selector, targets: policy.targets)
            }
        }
    }

    /// The RequestAuthentications that hold for a workload, in the same order.
    package func requestAuthentications(of workload: MeshWorkload) -> [RequestAuthentication] {
        levels(of: workload).flatMap { level in
            requestAuthentications.filter { policy in
                policy.metadata.namespace == level
                    && selects(workload, level: level, selector: policy.selector, targets: policy.targets)
            }
        }
    }

    private func levels(of workload: MeshWorkload) -> [String] {
        workload.namespace == settings.rootNamespace
            ? [workload.namespace] : [settings.rootNamespace, workload.namespace]
    }

    /// A selector of the root namespace selects in every namespace. A target is attached to the gateway of that name, or to
    /// the pods that a Service of the policy's namespace selects.
    private func selects(
        _ workload: MeshWorkload, level: String, selector: [String: String]?, targets: [PolicyTarget]
    ) -> Bool {
        guard targets.isEmpty else { return targets.contains { isTarget($0, workload, level: level) } }
        return workload.matches(selector ?? [:])
    }

    private func isTarget(_ target: PolicyTarget, _ workload: MeshWorkload, level: String) -> Bool {
        switch (target.group, target.kind) {
        case ("gateway.networking.k8s.io", "Gateway"):
            level == workload.namespace && workload.labels["gateway.networking.k8s.io/gateway-name"] == target.name
        case ("gateway.networking.k8s.io", "GatewayClass"):
            level == settings.rootNamespace
                && workload.labels["gateway.networking.k8s.io/gateway-class-name"] == target.name
        case ("", "Service"):
            services(of: workload).contains { $0.namespace == level && $0.name == target.name }
        default: false
        }
    }

    /// Policies that hold for nobody, so that their author hears of it: no pod that runs has their labels. Without any pod
    /// there is nothing to compare with.
    package func policiesWithoutWorkloads() -> [Diagnostic] {
        guard !workloads.isEmpty else { return [] }
        let selective =
            authorizationPolicies.map { SelectivePolicy("AuthorizationPolicy", $0.metadata, $0.selector, $0.targets) }
            + requestAuthentications.map {
                SelectivePolicy("RequestAuthentication", $0.metadata, $0.selector, $0.targets)
            }
        let chosen = selective.filter { !$0.selector.isEmpty || !$0.targets.isEmpty }
        guard !chosen.isEmpty else { return [] }
        let byNamespace = Dictionary(grouping: workloads, by: \.namespace)
        return chosen.compactMap { policy in
            let namespace = policy.metadata.namespace
            let candidates = namespace == settings.rootNamespace ? workloads : byNamespace[namespace] ?? []
            let isUsed = candidates.contains {
                selects($0, level: namespace, selector: policy.selector, targets: policy.targets)
            }
            return isUsed ? nil : policy.holdsForNobody
        }
    }
}

/// A policy of either kind, as far as it concerns whom it is for.
private struct SelectivePolicy {
    let kind: String
    let metadata: ObjectMeta
    let selector: [String: String]
    let targets: [PolicyTarget]

    init(_ kind: String, _ metadata: ObjectMeta, _ selector: [String: String]?, _ targets: [PolicyTarget]) {
        self.kind = kind
        self.metadata = metadata
        self.selector = selector ?? [:]
        self.targets = targets
    }

    var holdsForNobody: Diagnostic {
        let labels = selector.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let what = labels.isEmpty ? "is what targetRefs names" : "has the labels \(labels.joined(separator: ","))"
        return Diagnostic(
            .warning, at: metadata.location, resource: ResourceKey.security(kind, metadata).description,
            path: labels.isEmpty ? "spec.targetRefs" : "spec.selector",
            "no running pod \(what): the policy holds for nobody")
    }
}
