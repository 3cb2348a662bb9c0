package import MeshAPI

/// The DestinationRules of one host and namespace, merged.
package struct ResolvedDestinationRule: Sendable, Equatable {
    package var namespace: String
    /// Fully qualified, or a wildcard.
    package var host: String
    package var trafficPolicy: TrafficPolicy?
    package var policyOrigin: Origin?
    package var subsets: [Subset]
    /// Where each subset comes from.
    package var subsetOrigins: [String: Origin]
    package var exportTo: [String]
    package var workloadSelector: [String: String]?
    package var origin: Origin

    package func subset(_ name: String) -> Subset? { subsets.first { $0.name == name } }

    package func isVisible(in namespace: String) -> Bool {
        Visibility.includes(namespace, exportTo: exportTo, owner: self.namespace)
    }

    /// The policy for a port of the host and a subset. Groups of the subset replace those of the rule; a port setting stands
    /// for itself: groups that it leaves out go back to the defaults.
    package func policy(port: Int, subset name: String?) -> EffectivePolicy {
        let subset = name.flatMap(subset)
        var policy = EffectivePolicy(trafficPolicy, origin: policyOrigin)
        if let own = subset?.trafficPolicy, let name {
            policy = policy.overridden(by: own, origin: subsetOrigins[name])
        }
        let portSetting =
            subset?.trafficPolicy?.portLevelSettings.first { $0.port == port }
            ?? trafficPolicy?.portLevelSettings.first { $0.port == port }
        guard let portSetting else { return policy }
        let portOrigin = policy.origin.map { Origin($0.resource, at: portSetting.location) }
        policy.loadBalancer = portSetting.loadBalancer
        policy.connectionPool = portSetting.connectionPool
        policy.outlierDetection = portSetting.outlierDetection
        policy.tls = portSetting.tls
        policy.origin = portOrigin
        return policy
    }
}

/// How clients treat one cluster (host, port, subset). Nil groups mean the mesh's defaults; nil `tls` means automatic mutual TLS.
package struct EffectivePolicy: Sendable, Equatable {
    package var loadBalancer: LoadBalancerSettings?
    package var connectionPool: ConnectionPoolSettings?
    package var outlierDetection: OutlierDetection?
    package var tls: ClientTLSSettings?
    package var tunnel: TrafficPolicy.Tunnel?
    package var proxyProtocol: TrafficPolicy.ProxyProtocol?
    package var retryBudget: TrafficPolicy.RetryBudget?
    package var origin: Origin?

    package init(_ policy: TrafficPolicy? = nil, origin: Origin? = nil) {
        loadBalancer = policy?.loadBalancer
        connectionPool = policy?.connectionPool
        outlierDetection = policy?.outlierDetection
        tls = policy?.tls
        tunnel = policy?.tunnel
        proxyProtocol = policy?.proxyProtocol
        retryBudget = policy?.retryBudget
        self.origin = policy == nil ? nil : origin
    }

    func overridden(by policy: TrafficPolicy, origin: Origin?) -> EffectivePolicy {
        var result = EffectivePolicy(policy, origin: origin)
        result.loadBalancer = policy.loadBalancer ?? loadBalancer
        result.connectionPool = policy.connectionPool ?? connectionPool
        result.outlierDetection = policy.outlierDetection ?? outlierDetection
        result.tls = policy.tls ?? tls
        result.tunnel = policy.tunnel ?? tunnel
        result.proxyProtocol = policy.proxyProtocol ?? proxyProtocol
        result.retryBudget = policy.retryBudget ?? retryBudget
        return result
    }
}
