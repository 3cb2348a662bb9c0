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
        var tables: [String: EncodedRouteTable]
        var snapshot: UInt64
    }

    /// What was done so far, in counts that do not depend on the machine.
    package struct Work: Sendable {
        /// Scopes made whole.
        package var scopes = 0
        /// Resources made for changes in scopes that were kept.
        package var resources = 0
    }

    /// The clusters of a service are the same in all scopes where the same rule holds for it.
    private struct ClusterKey: Hashable {
        var service: String
        var rule: ResourceKey?
        var features: ProxyFeatures
        var locality: Locality
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
    /// Of the snapshot in force.
    private var clusters: [ClusterKey: SharedResources.Resources] = [:]
    package private(set) var work = Work()
    private var keySets: KeySetSnapshot

    /// - Parameter lastGood: the mesh's settings that were in force last, for when those of the snapshot cannot be read.
    package init(
        _ snapshot: MeshSnapshot, keySets: KeySetSnapshot = KeySetSnapshot(), lastGood: MeshConfiguration? = nil
    ) {
        self.snapshot = snapshot
        self.keySets = keySets
        let read = MeshConfiguration(snapshot)
        configuration = read.fault == nil ? read : lastGood ?? read
        labelNames = Self.labelNames(snapshot)
    }

    /// Goes over to a newer snapshot.
    package mutating func advance(to next: MeshSnapshot) {
        let before = snapshot
        snapshot = next
        clusters = [:]
        if let edits = next.changedRules(since: before), labelNames.isSuperset(of: edits.flatMap(Self.clientLabels)) {
            for key in scopes.keys where scopes[key]?.snapshot == before.generation {
                // Out of the dictionary, so that it is changed in place.
                guard var scope = scopes.removeValue(forKey: key) else { continue }
                if advance(&scope, key, edits) { scope.snapshot = next.generation }
                scopes[key] = scope
            }
            return
        }
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
            let next = advance(scope, key, changed.services)
            scopes[key] = next
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

    private static func clientLabels(_ edit: RuleEdit) -> [String] {
        edit.new.http.flatMap(\.match).flatMap(\.sourceLabels.keys)
    }

    private mutating func scope(_ key: ScopeKey, for proxy: ProxyIdentity) -> Scope {
        let known = scopes[key]
        if let known, known.snapshot == snapshot.generation { return known }
        let view = ProxyView(snapshot: snapshot, proxy: proxy, mesh: configuration)
        let made = scope(view, after: known)
        scopes[key] = made
        return made
    }

    private mutating func scope(_ view: ProxyView, after known: Scope?) -> Scope {
        work.scopes += 1
        let (set, tables) = shared(view)
        return Scope(
            shared: SharedResources(set.resources, after: known?.shared), scope: view.scope, tables: tables,
            snapshot: snapshot.generation
        )
    }

    /// A scope after edits of VirtualServices: the virtual hosts concerned are made anew, the rest is kept.
    /// - Returns: false when more must be made anew; then what it shares is as before.
    private mutating func advance(_ scope: inout Scope, _ key: ScopeKey, _ edits: [RuleEdit]) -> Bool {
        let visible = edits.filter { $0.new.isVisible(in: key.namespace) }
        for edit in visible {
            let isBytes = [edit.old, edit.new].contains { !$0.tls.isEmpty || !$0.tcp.isEmpty }
            let narrows = !(scope.scope.sidecar?.egress.isEmpty ?? true)
            // Where a Sidecar lists what is imported, destinations decide what is in sight.
            let destinations = [edit.old, edit.new].map { Set($0.destinations.map(\.host.value)) }
            if isBytes || edit.old.matchesMesh != edit.new.matchesMesh || narrows && destinations[0] != destinations[1]
            {
                return false
            }
            scope.scope.replace(edit.new)
        }
        guard !visible.isEmpty else { return true }
        let outbound = SidecarOutbound(view: view(key, scope.scope))
        var changed: Set<String> = []
        for edit in visible where edit.new.gateways.contains("mesh") || edit.new.matchesMesh {
            guard let names = outbound.update(&scope.tables, for: edit.new) else { return false }
            changed.formUnion(names)
        }
        work.resources += changed.count
        share([TypeURL.route: scope.tables.filter { changed.contains($0.key) }.mapValues(\.resource)], in: &scope)
        return true
    }

    /// A scope's view of the mesh: any proxy of it stands for all.
    private func view(_ key: ScopeKey, _ scope: SidecarScope) -> ProxyView {
        let proxy = ProxyIdentity(
            id: "", role: .sidecar, ip: "", pod: "", namespace: key.namespace, labels: key.labels,
            features: key.features
        )
        return ProxyView(
            snapshot: snapshot, proxy: proxy, mesh: configuration, scope: scope, locality: key.locality
        )
    }

    /// Puts resources that differ from what a scope shares in their places.
    private func share(_ resources: SharedResources.Resources, in scope: inout Scope) {
        var changed: SharedResources.Resources = [:]
        for (type, made) in resources {
            let differing = made.filter { scope.shared.resource(type, $0.key) != $0.value }
            if !differing.isEmpty { changed[type] = differing }
        }
        if !changed.isEmpty { scope.shared = SharedResources(scope.shared, replacing: changed) }
    }

    /// A scope after a change of endpoints: the clusters of the services concerned are made anew, the rest is kept.
    private mutating func advance(_ before: Scope, _ key: ScopeKey, _ changed: [MeshService]) -> Scope {
        var scope = before
        scope.snapshot = snapshot.generation
        let visible = changed.filter { scope.scope.service($0.host)?.key == $0.key }
        guard !visible.isEmpty else { return scope }
        let view = view(key, scope.scope)
        // Headless services have listeners and names by pod.
        if visible.contains(where: { $0.resolution == .headless }) { return self.scope(view, after: before) }
        var made: SharedResources.Resources = [:]
        for service in visible { made.merge(clusters(of: service, view)) { $0.merging($1) { $1 } } }
        work.resources += made.values.reduce(0) { $0 + $1.count }
        share(made, in: &scope)
        return scope
    }

    // MARK: Making

    /// A service's clusters and their endpoints, encoded.
    private mutating func clusters(of service: MeshService, _ view: ProxyView) -> SharedResources.Resources {
        let rule = view.destinationRule(service.host)
        let key = ClusterKey(
            service: service.key, rule: rule?.origin.resource, features: view.proxy.features,
            locality: view.workload.place
        )
        if let known = clusters[key] { return known }
        var made: SharedResources.Resources = [:]
        for output in ClusterCompiler(view: view).clusters(of: service) {
            made[TypeURL.cluster, default: [:]][output.cluster.name] = VersionedResource(output.cluster)
            guard let endpoints = output.endpoints else { continue }
            made[TypeURL.endpoint, default: [:]][endpoints.clusterName] = VersionedResource(endpoints)
        }
        // Where labels of the client decide, the key does not tell all.
        let policies = [rule?.trafficPolicy] + (rule?.subsets.map(\.trafficPolicy) ?? [])
        let settings = policies.flatMap { [$0?.loadBalancer] + ($0?.portLevelSettings.map(\.loadBalancer) ?? []) }
        if settings.allSatisfy({ $0?.localityLbSetting?.failoverPriority.isEmpty ?? true }) { clusters[key] = made }
        return made
    }

    /// What all sidecars of a scope have.
    private mutating func shared(
        _ view: ProxyView
    ) -> (set: XDSTransport.ResourceSet, tables: [String: EncodedRouteTable]) {
        var set = XDSTransport.ResourceSet()
        for service in view.services {
            for (type, made) in clusters(of: service, view) {
                for (name, resource) in made { set.resources[type, default: [:]][name] = resource }
            }
        }
        for secret in SecretCompiler(view: view).clientSecrets() { set.insert(secret, named: secret.name) }
        for cluster in SidecarOutbound.fixedClusters() { set.insert(cluster, named: cluster.name) }
        let outbound = SidecarOutbound(view: view)
        let routes = outbound.routes()
        let tables = Dictionary(routes.map { ($0.name, EncodedRouteTable($0)) }) { $1 }
        set[TypeURL.route] = tables.mapValues(\.resource)
        for listener in outbound.listeners(routes: routes) { set.insert(listener, named: listener.name) }
        set.insert(NameTableCompiler(view: view).table(), named: "")
        return (set, tables)
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
