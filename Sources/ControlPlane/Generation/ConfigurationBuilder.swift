package import MeshState
import XDS
package import XDSTransport

/// Everything one proxy shall have, made from a snapshot. Pure: the same input gives the same resources.
package struct ConfigurationBuilder: Sendable {
    private let snapshot: MeshSnapshot
    private let configuration: MeshConfiguration

    package init(_ snapshot: MeshSnapshot) {
        self.snapshot = snapshot
        configuration = MeshConfiguration(snapshot)
    }

    package func build(for proxy: ProxyIdentity) -> XDSTransport.ResourceSet {
        let view = ProxyView(snapshot: snapshot, proxy: proxy, mesh: configuration)
        var set = XDSTransport.ResourceSet(generation: Int(clamping: snapshot.generation))
        if proxy.features.contains(.proxyless) {
            ProxylessConfiguration(view: view).add(to: &set)
            return set
        }
        switch proxy.role {
        case .sidecar: addSidecar(view, to: &set)
        case .gateway: addGateway(view, to: &set)
        }
        set.insert(NameTableCompiler(view: view).table(), named: "")
        return set
    }

    private func addSidecar(_ view: ProxyView, to set: inout XDSTransport.ResourceSet) {
        let compiler = ClusterCompiler(view: view)
        for service in view.services {
            for output in compiler.clusters(of: service) { insert(output, into: &set) }
        }
        for secret in SecretCompiler(view: view).clientSecrets() { set.insert(secret, named: secret.name) }
        for cluster in SidecarOutbound.fixedClusters() { set.insert(cluster, named: cluster.name) }
        let outbound = SidecarOutbound(view: view)
        let inbound = SidecarInbound(view: view)
        let routes = outbound.routes()
        for table in routes { set.insert(table, named: table.name) }
        for listener in outbound.listeners(routes: routes) + [inbound.listener()] {
            set.insert(listener, named: listener.name)
        }
        for cluster in inbound.clusters() { set.insert(cluster, named: cluster.name) }
    }

    private func addGateway(_ view: ProxyView, to set: inout XDSTransport.ResourceSet) {
        let output = GatewayCompiler(view: view).compile()
        for listener in output.listeners { set.insert(listener, named: listener.name) }
        for table in output.routes { set.insert(table, named: table.name) }
        for secret in output.secrets { set.insert(secret, named: secret.name) }
        // A gateway gets the clusters that its routes lead to, no others.
        let wanted = output.clusters
        let compiler = ClusterCompiler(view: view)
        for service in view.services where output.servesAll || wanted.contains(where: { $0.hasSuffix("|" + service.host) }) {
            for made in compiler.clusters(of: service) where output.servesAll || wanted.contains(made.cluster.name) {
                insert(made, into: &set)
            }
            if output.servesAll { for made in compiler.byServerName(service) { insert(made, into: &set) } }
        }
        for secret in SecretCompiler(view: view).clientSecrets() { set.insert(secret, named: secret.name) }
        for cluster in SidecarOutbound.fixedClusters() { set.insert(cluster, named: cluster.name) }
    }

    private func insert(_ output: ClusterCompiler.Output, into set: inout XDSTransport.ResourceSet) {
        set.insert(output.cluster, named: output.cluster.name)
        if let endpoints = output.endpoints { set.insert(endpoints, named: endpoints.clusterName) }
    }
}
