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

    /// Policies that hold for nobody, so that their author hears of it: no pod that runs has their labels.
    func policiesWithoutWorkloads() -> [Diagnostic] {
        guard !workloads.isEmpty else { return [] }
        var found: [Diagnostic] = []
        func check(
            _ kind: String, _ metadata: ObjectMeta, selector: [String: String]?, targets: [PolicyTarget]
        ) {
            guard !(selector ?? [:]).isEmpty || !targets.isEmpty else { return }
            let isRoot = metadata.namespace == settings.rootNamespace
            let isUsed = workloads.contains { workload in
                (isRoot || workload.namespace == metadata.namespace)
                    && selects(workload, level: metadata.namespace, selector: selector, targets: targets)
            }
            guard !isUsed else { return }
            let labels = (selector ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            let what = labels.isEmpty ? "target" : "selector (\(labels.joined(separator: ",")))"
            found.append(
                Diagnostic(
                    .warning, at: metadata.location,
                    resource: ResourceKey.security(kind, metadata).description,
                    path: labels.isEmpty ? "spec.targetRefs" : "spec.selector",
                    "no running pod has this \(what): the policy holds for nobody"))
        }
        for policy in authorizationPolicies {
            check("AuthorizationPolicy", policy.metadata, selector: policy.selector, targets: policy.targets)
        }
        for policy in requestAuthentications {
            check("RequestAuthentication", policy.metadata, selector: policy.selector, targets: policy.targets)
        }
        return found
    }
}
