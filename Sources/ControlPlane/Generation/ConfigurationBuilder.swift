import MeshAPI
package import MeshState
import XDS
package import XDSTransport

/// Everything one proxy shall have, made from a snapshot. The same input gives the same resources.
///
/// What sidecars of one namespace have in common is made once (a scope) and shared; what a change of endpoints does not touch
/// is kept from the snapshot before.
package struct ConfigurationBuilder {
    /// What decides a sidecar's view of the mesh beside its own inbound side.
    private struct ScopeKey: Hashable {
        var namespace: String
        var features: ProxyFeatures
        var locality: Locality
        /// Those labels that some selector looks at.
        var labels: [String: String]
    }

    private struct Scope {
        var shared: SharedResources
        var scope: SidecarScope
        var snapshot: UInt64
    }

    private struct Own {
        var resources: [String: [String: VersionedResource]]
        var scope: ScopeKey
    }

    package private(set) var snapshot: MeshSnapshot
    private var configuration: MeshConfiguration
    private var labelNames: Set<String>
    private var scopes: [ScopeKey: Scope] = [:]
    private var owned: [ProxyIdentity: Own] = [:]
    private var keySets: KeySetSnapshot

    package init(_ snapshot: MeshSnapshot, keySets: KeySetSnapshot = KeySetSnapshot()) {
        self.snapshot = snapshot
        self.keySets = keySets
        configuration = MeshConfiguration(snapshot)
        labelNames = Self.labelNames(snapshot)
    }

    /// Goes over to a newer snapshot.
    package mutating func advance(to next: MeshSnapshot) {
        let before = snapshot
        snapshot = next
        guard let changed = next.changedEndpoints(since: before) else {
            let read = MeshConfiguration(next)
            // What cannot be read changes nothing: the defaults could open what was closed.
            if read.fault == nil { configuration = read }
            labelNames = Self.labelNames(next)
            owned = [:]
            // Scopes that nobody asked for lately are nobody's.
            scopes = scopes.filter { $0.value.snapshot == before.generation }
            return
        }
        for (key, scope) in scopes where scope.snapshot == before.generation {
            scopes[key] = advance(scope, key, changed.services)
        }
        for proxy in owned.keys where changed.workloads.contains("\(proxy.namespace)/\(proxy.pod)") {
            owned[proxy] = nil
        }
    }

    /// Goes over to other keys of issuers: inbound sides hold them.
    package mutating func use(_ keySets: KeySetSnapshot) {
        self.keySets = keySets
        owned = [:]
    }

    /// Forgets a proxy that has gone.
    package mutating func forget(_ proxy: ProxyIdentity) { owned[proxy] = nil }

    package mutating func build(for proxy: ProxyIdentity) -> XDSTransport.ResourceSet {
        let generation = Int(clamping: snapshot.generation)
        guard proxy.role == .sidecar, !proxy.features.contains(.proxyless) else {
            return Self.whole(
                ProxyView(snapshot: snapshot, proxy: proxy, mesh: configuration, keySets: keySets), generation)
        }
        let key = key(of: proxy)
        let scope = scope(key, for: proxy)
        if let own = owned[proxy], own.scope == key {
            return XDSTransport.ResourceSet(generation: generation, resources: own.resources, shared: scope.shared)
        }
        let view = ProxyView(
            snapshot: snapshot, proxy: proxy, mesh: configuration, scope: scope.scope, keySets: keySets)
        var set = XDSTransport.ResourceSet(generation: generation, shared: scope.shared)
        let inbound = SidecarInbound(view: view)
        set.insert(inbound.listener(), named: Names.virtualInbound)
        for cluster in inbound.clusters() { set.insert(cluster, named: cluster.name) }
        // Its Sidecar may hide who decides for it.
        for (name, service) in inbound.security.authorizers where view.service(service.host)?.key != service.key {
            for made in ClusterCompiler(view: view).clusters(of: service) where made.cluster.name == name {
                Self.insert(made, into: &set)
            }
        }
        owned[proxy] = Own(resources: set.resources, scope: key)
        return set
    }

    // MARK: Scopes

    private func key(of proxy: ProxyIdentity) -> ScopeKey {
        let workload = ProxyView.workload(of: proxy, in: snapshot)
        let labels = labelNames.isEmpty ? [:] : workload.labels.filter { labelNames.contains($0.key) }
        return ScopeKey(
            namespace: proxy.namespace, features: proxy.features, locality: workload.place, labels: labels
        )
    }

    /// The labels of clients that decide something.
    private static func labelNames(_ snapshot: MeshSnapshot) -> Set<String> {
        var names: Set<String> = []
        for service in snapshot.virtualServices {
            for match in service.http.flatMap(\.match) { names.formUnion(match.sourceLabels.keys) }
            for match in service.tls.flatMap(\.match) { names.formUnion(match.sourceLabels.keys) }
            for match in service.tcp.flatMap(\.match) { names.formUnion(match.sourceLabels.keys) }
        }
        for sidecar in snapshot.sidecars { names.formUnion((sidecar.workloadSelector ?? [:]).keys) }
        for rule in snapshot.destinationRules {
            names.formUnion((rule.workloadSelector ?? [:]).keys)
            for policy in [rule.trafficPolicy] + rule.subsets.map(\.trafficPolicy) {
                let settings = [policy?.loadBalancer] + (policy?.portLevelSettings.map(\.loadBalancer) ?? [])
                for label in settings.flatMap({ $0?.localityLbSetting?.failoverPriority ?? [] }) {
                    names.insert(String(label.prefix { $0 != "=" }))
                }
            }
        }
        return names
    }

    private mutating func scope(_ key: ScopeKey, for proxy: ProxyIdentity) -> Scope {
        let known = scopes[key]
        if let known, known.snapshot == snapshot.generation { return known }
        let view = ProxyView(snapshot: snapshot, proxy: proxy, mesh: configuration)
        let resources = Self.shared(view).resources
        let made = Scope(
            shared: SharedResources(resources, after: known?.shared), scope: view.scope, snapshot: snapshot.generation
        )
        scopes[key] = made
        return made
    }

    /// A scope after a change of endpoints: the clusters of the services concerned are made anew, the rest is kept.
    private func advance(_ before: Scope, _ key: ScopeKey, _ changed: [MeshService]) -> Scope {
        var scope = before
        scope.snapshot = snapshot.generation
        let visible = changed.filter { scope.scope.service($0.host)?.key == $0.key }
        guard !visible.isEmpty else { return scope }
        // Any proxy of the scope stands for all.
        let proxy = ProxyIdentity(
            id: "", role: .sidecar, ip: "", pod: "", namespace: key.namespace, labels: key.labels,
            features: key.features
        )
        let view = ProxyView(
            snapshot: snapshot, proxy: proxy, mesh: configuration, scope: scope.scope, locality: key.locality
        )
        // Headless services have listeners and names by pod.
        if visible.contains(where: { $0.resolution == .headless }) {
            scope.shared = SharedResources(Self.shared(view).resources, after: before.shared)
            return scope
        }
        let compiler = ClusterCompiler(view: view)
        var resources = before.shared.resources
        var changes: [String: Set<String>] = [:]
        func put(_ type: String, _ name: String, _ resource: VersionedResource) {
            guard resources[type]?[name] != resource else { return }
            resources[type, default: [:]][name] = resource
            changes[type, default: []].insert(name)
        }
        for service in visible {
            for output in compiler.clusters(of: service) {
                put(TypeURL.cluster, output.cluster.name, VersionedResource(output.cluster))
                guard let endpoints = output.endpoints else { continue }
                put(TypeURL.endpoint, endpoints.clusterName, VersionedResource(endpoints))
            }
        }
        guard !changes.isEmpty else { return scope }
        scope.shared = SharedResources(resources, after: before.shared, changes: changes)
        return scope
    }

    // MARK: Making

    /// What all sidecars of a scope have.
    private static func shared(_ view: ProxyView) -> XDSTransport.ResourceSet {
        var set = XDSTransport.ResourceSet()
        let compiler = ClusterCompiler(view: view)
        for service in view.services {
            for output in compiler.clusters(of: service) { insert(output, into: &set) }
        }
        for secret in SecretCompiler(view: view).clientSecrets() { set.insert(secret, named: secret.name) }
        for cluster in SidecarOutbound.fixedClusters() { set.insert(cluster, named: cluster.name) }
        let outbound = SidecarOutbound(view: view)
        let routes = outbound.routes()
        for table in routes { set.insert(table, named: table.name) }
        for listener in outbound.listeners(routes: routes) { set.insert(listener, named: listener.name) }
        set.insert(NameTableCompiler(view: view).table(), named: "")
        return set
    }

    /// Gateways and gRPC programs, which share nothing.
    private static func whole(_ view: ProxyView, _ generation: Int) -> XDSTransport.ResourceSet {
        var set = XDSTransport.ResourceSet(generation: generation)
        if view.proxy.features.contains(.proxyless) {
            ProxylessConfiguration(view: view).add(to: &set)
            return set
        }
        let output = GatewayCompiler(view: view).compile()
        for listener in output.listeners { set.insert(listener, named: listener.name) }
        for table in output.routes { set.insert(table, named: table.name) }
        for secret in output.secrets { set.insert(secret, named: secret.name) }
        // A gateway gets the clusters that its routes lead to, no others.
        let wanted = output.clusters
        let compiler = ClusterCompiler(view: view)
        let hosts = Set(wanted.compactMap { $0.split(separator: "|").last.map(String.init) })
        for service in view.services where output.servesAll || hosts.contains(service.host) {
            for made in compiler.clusters(of: service) where output.servesAll || wanted.contains(made.cluster.name) {
                insert(made, into: &set)
            }
            if output.servesAll { for made in compiler.byServerName(service) { insert(made, into: &set) } }
        }
        for secret in SecretCompiler(view: view).clientSecrets() { set.insert(secret, named: secret.name) }
        for cluster in SidecarOutbound.fixedClusters() { set.insert(cluster, named: cluster.name) }
        set.insert(NameTableCompiler(view: view).table(), named: "")
        return set
    }

    private static func insert(_ output: ClusterCompiler.Output, into set: inout XDSTransport.ResourceSet) {
        set.insert(output.cluster, named: output.cluster.name)
        if let endpoints = output.endpoints { set.insert(endpoints, named: endpoints.clusterName) }
    }
}
