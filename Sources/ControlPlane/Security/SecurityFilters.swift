import MeshAPI
import MeshState
import XDS

/// What stands in front of a workload's application: who may come in, and whose tokens are good.
struct SecurityFilters {
    /// In the order in which requests pass them: who is asked elsewhere, tokens, own decisions.
    let http: [WireHTTPFilter]
    /// In front of the proxy filter of connections.
    let tcp: [NetworkFilter]
    /// Who is asked: the proxy needs their clusters, also where no route leads to them. By name of the cluster.
    let authorizers: [String: MeshService]

    init(view: ProxyView) {
        let snapshot = view.snapshot
        let policies = snapshot.authorizationPolicies(of: view.workload)
        let providers = view.mesh.authorizers.compactMapValues { $0.resolved(in: snapshot) }
        let authorization = AuthorizationFilters(
            policies: policies, trustDomains: view.trustDomains,
            providers: providers)
        var authorizers: [String: MeshService] = [:]
        for policy in policies where policy.action == .custom {
            guard let provider = policy.provider.flatMap({ providers[$0] }), let host = provider.host else { continue }
            authorizers[Names.outboundCluster(port: provider.port, host: host)] = snapshot.service(host: host)
        }
        self.authorizers = authorizers
        let tokens = TokenFilter(
            policies: snapshot.requestAuthentications(of: view.workload), keySets: view.keySets,
            choosesRoutes: view.proxy.role == .gateway)
        let linkerd = LinkerdFilters(
            snapshot: snapshot, workload: view.workload, trustDomains: view.trustDomains)
        http =
            authorization.customHTTP() + [tokens.filter()].compactMap(\.self) + authorization.http()
            + (linkerd?.http() ?? [])
        tcp = authorization.customTCP() + authorization.tcp() + (linkerd?.tcp() ?? [])
    }
}
