package import MeshAPI

/// ProxyConfigs as settings of pods' proxies: they need a restart, so a change replaces the pods.
package enum ProxyConfigPlanner {
    /// Of the mesh, then of the namespace, then of the workload: the narrower one wins, variables are joined. Of several of one
    /// reach the first counts.
    package static func apply(
        _ configurations: [ProxyConfig], to workloads: [WorkloadPlan], root: String = GatewayPlanner.namespace
    ) -> [WorkloadPlan] {
        guard !configurations.isEmpty else { return workloads }
        return workloads.map { plan in
            var result = plan
            let namespace = plan.template.namespace
            let general = configurations.filter { ($0.selector ?? [:]).isEmpty }
            let own = configurations.first { configuration in
                guard let selector = configuration.selector, !selector.isEmpty else { return false }
                return configuration.metadata.namespace == namespace
                    && selector.allSatisfy { plan.template.labels[$0.key] == $0.value }
            }
            let found = [
                general.first { $0.metadata.namespace == root },
                general.first { $0.metadata.namespace == namespace && namespace != root }, own,
            ]
            for configuration in found.compactMap(\.self) {
                if let number = configuration.concurrency { result.template.proxyConcurrency = number }
                result.template.proxyEnvironment.merge(configuration.environmentVariables) { $1 }
            }
            return result
        }
    }
}
