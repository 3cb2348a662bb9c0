import EventLoop
import Routing
import SwiftProtobuf
import TLS
package import Telemetry
package import XDS

/// Compiles accepted xDS resources into snapshots, reusing whatever did not change.
///
/// A value with one owner (the agent). Resources are checked one by one before they are accepted (`issues(…)`: the reasons
/// of a NACK); `snapshot(from:)` then never fails: what cannot be served yet, for want of a secret or a route table, is
/// left out of service and named in `pending`.
package struct RuntimeCompiler {
    private struct CachedCluster {
        let message: Envoy_Config_Cluster_V3_Cluster
        let assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment?
        let descriptor: ClusterDescriptor
    }

    private struct CachedListener {
        let message: Envoy_Config_Listener_V3_Listener
        let descriptor: ListenerDescriptor
        let inlineRoutes: [Int: InlineRoutes]
        let subscribedRoutes: Set<String>
    }

    private struct CachedContext {
        let secrets: [Envoy_Extensions_TransportSockets_Tls_V3_Secret?]
        let context: TLSContext
    }

    private struct CachedRoutes {
        let message: Envoy_Config_Route_V3_RouteConfiguration
        let table: RouteTable?
    }

    private let local: WorkloadLabels
    private var parts = CompiledParts()
    private var clusters: [String: CachedCluster] = [:]
    private var listeners: [String: CachedListener] = [:]
    private var contexts: [Int: CachedContext] = [:]
    /// Clusters of older tables, whose state the new ones go on with.
    private var forerunners: [String: ClusterDescriptor] = [:]
    private var routes: [String: CachedRoutes] = [:]
    private var generation: UInt64 = 0
    /// What went wrong in the last `snapshot(from:)` without keeping the rest from serving, for the log.
    package private(set) var failures: [String] = []
    /// Entries of the tables when all of them were in use.
    private var usedEntries = 0

    /// - Parameter local: what this proxy says about its own workload in metrics.
    package init(local: WorkloadLabels = WorkloadLabels()) { self.local = local }

    // MARK: checking

    /// Why a listener cannot be honoured; empty when it can.
    package func issues(in listener: Envoy_Config_Listener_V3_Listener) -> [CompileIssue] {
        var compiler = ListenerCompiler(parts: parts)
        _ = compiler.compile(listener)
        var issues = compiler.issues
        for inline in compiler.parts.inlineRoutes.values {
            var routes = compiler.parts
            _ = routes.routeTable(inline.configuration, path: inline.path, issues: &issues)
        }
        return issues
    }

    package func issues(in cluster: Envoy_Config_Cluster_V3_Cluster) -> [CompileIssue] {
        var compiler = ClusterCompiler(registry: parts.registry)
        _ = compiler.compile(cluster, assignment: nil)
        return compiler.issues
    }

    package func issues(in assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment) -> [CompileIssue] {
        var cluster = Envoy_Config_Cluster_V3_Cluster()
        cluster.name = assignment.clusterName.isEmpty ? "unnamed" : assignment.clusterName
        cluster.type = .eds
        var compiler = ClusterCompiler(registry: parts.registry)
        _ = compiler.compile(cluster, assignment: assignment)
        return compiler.issues
    }

    package func issues(in routes: Envoy_Config_Route_V3_RouteConfiguration) -> [CompileIssue] {
        var issues: [CompileIssue] = []
        var parts = parts
        _ = parts.routeTable(routes, path: "", issues: &issues)
        return issues
    }

    /// A certificate must parse and fit its key; a bundle must hold certificates.
    package func issues(in secret: Envoy_Extensions_TransportSockets_Tls_V3_Secret) -> [CompileIssue] {
        var spec = TLSSpec(isServer: false)
        switch secret.type {
        case .tlsCertificate: spec.chain = .secret(secret.name)
        case .validationContext(let message):
            spec.validationSecret = secret.name
            var issues: [CompileIssue] = []
            _ = TLSValidation(message, path: "validation_context.", issues: &issues)
            // Names alone are added to a trust that stands elsewhere.
            if !issues.isEmpty || TLSSpec.source(message.trustedCa) == .none { return issues }
        case nil: return [CompileIssue(path: "type", message: "must be tls_certificate or validation_context")]
        }
        do {
            _ = try spec.context(secrets: [secret.name: secret])
            return []
        } catch {
            return [CompileIssue(path: "", message: error.reason)]
        }
    }

    // MARK: names to ask for

    /// The names that the given clusters and listeners need from RDS, EDS and SDS.
    package mutating func references(of resources: XDSResources) -> XDSReferences {
        var result = XDSReferences()
        for (name, listener) in resources.listeners.sorted(by: { $0.key < $1.key }) {
            _ = compiledListener(name, listener)
            result.routes.formUnion(listeners[name]?.subscribedRoutes ?? [])
        }
        for cluster in resources.clusters.values {
            let descriptor = compiledCluster(cluster, resources)
            if cluster.type == .eds { result.assignments.insert(cluster.assignmentName) }
            for tls in ([descriptor.tls] + descriptor.endpoints.map(\.tls)).compactMap({ $0?.context }) {
                result.secrets.formUnion(parts.registry.tlsSpecs[tls].secretNames)
            }
            // Endpoints may not be there yet: their transports are named all the same.
            result.secrets.formUnion(socketMatchSecrets(cluster))
        }
        for listener in listeners.values {
            for chain in listener.descriptor.filterChains + [listener.descriptor.defaultFilterChain].compactMap({ $0 })
            {
                guard let context = chain.tls?.context else { continue }
                result.secrets.formUnion(parts.registry.tlsSpecs[context].secretNames)
            }
        }
        return result
    }

    private func socketMatchSecrets(_ cluster: Envoy_Config_Cluster_V3_Cluster) -> [String] {
        cluster.transportSocketMatches.flatMap { secrets(of: $0.transportSocket) }
    }

    private func secrets(of socket: Envoy_Config_Core_V3_TransportSocket) -> [String] {
        var issues: [CompileIssue] = []
        if socket.typedConfig.isA(
            Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport.self)
        {
            let message = unpack(
                socket.typedConfig,
                as: Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport.self, path: "",
                issues: &issues)
            return message.map { secrets(of: $0.transportSocket) } ?? []
        }
        guard socket.typedConfig.isA(Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext.self),
            let message = unpack(
                socket.typedConfig, as: Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext.self, path: "",
                issues: &issues)
        else { return [] }
        return TLSSpec(upstream: message, path: "", issues: &issues).secretNames
    }

    // MARK: the snapshot

    /// Everything that `resources` say, as workers execute it.
    package mutating func snapshot(from resources: XDSResources) -> RuntimeSnapshot {
        generation += 1
        failures = []
        forget(resources)
        var tables = compileAll(resources)
        if parts.entryCount > 2 * usedEntries + Self.spareEntries { startOver(resources, &tables) }
        for warning in parts.warnings where !failures.contains(warning) { failures.append(warning) }
        parts.warnings = []
        var numbered = [ClusterDescriptor?](repeating: nil, count: parts.registry.clusterNames.count)
        for (number, name) in parts.registry.clusterNames.enumerated() { numbered[number] = clusters[name]?.descriptor }
        return RuntimeSnapshot(
            generation: generation,
            listeners: listeners.sorted { $0.key < $1.key }.map(\.value.descriptor),
            clusters: numbered,
            routeTables: tables,
            retryPolicies: parts.retryPolicies,
            retryHeaders: parts.retryHeaders,
            authorizers: parts.authorizers.authorizers,
            accessLogs: parts.accessLogTable.descriptors,
            tlsContexts: tlsContexts(resources.secrets),
            endpointCriteria: parts.registry.criteria,
            routeConditions: parts.registry.conditions,
            headerFormats: parts.filterTables.headerFormats,
            routeFilters: parts.filterTables.routeFilters,
            provenance: parts.registry.provenance,
            local: local,
            telemetry: TelemetryDescriptor()
        )
    }

    /// So much of what is not used any more is kept before the tables are made anew.
    private static let spareEntries = 1024

    private mutating func compileAll(_ resources: XDSResources) -> [RouteTable?] {
        for (name, listener) in resources.listeners { _ = compiledListener(name, listener) }
        for cluster in resources.clusters.values { _ = compiledCluster(cluster, resources) }
        return routeTables(resources)
    }

    /// Entries of the tables are never taken out, as snapshots refer to them by number. When most of them are of
    /// configurations that are gone, everything is compiled once more into new tables; what lives on outside of a
    /// snapshot (TLS contexts, the health and counts of clusters) is carried over; local rate limits begin with full
    /// buckets, as they do when their configuration changes.
    private mutating func startOver(_ resources: XDSResources, _ tables: inout [RouteTable?]) {
        var fresh = RuntimeCompiler(local: local)
        fresh.generation = generation
        fresh.forerunners = clusters.mapValues(\.descriptor)
        let newTables = fresh.compileAll(resources)
        fresh.forerunners = [:]
        fresh.usedEntries = fresh.parts.entryCount
        // A resource whose last good version serves does not compile: the old tables stay.
        let names = Set(routes.keys)
        guard fresh.listeners.count == listeners.count, names.isSubset(of: fresh.routes.keys) else {
            usedEntries = parts.entryCount
            return
        }
        var known: [TLSSpec: CachedContext] = [:]
        for (number, context) in contexts { known[parts.registry.tlsSpecs[number]] = context }
        for (number, spec) in fresh.parts.registry.tlsSpecs.enumerated() { fresh.contexts[number] = known[spec] }
        tables = newTables
        self = fresh
    }

    private mutating func forget(_ resources: XDSResources) {
        for name in listeners.keys where resources.listeners[name] == nil {
            for number in listeners[name]?.inlineRoutes.keys ?? [:].keys {
                routes[parts.registry.routeTableNames[number]] = nil
            }
            listeners[name] = nil
        }
        for name in clusters.keys where resources.clusters[name] == nil { clusters[name] = nil }
        for name in routes.keys where !name.hasPrefix("inline:") && resources.routes[name] == nil { routes[name] = nil }
    }

    private mutating func compiledListener(
        _ name: String, _ message: Envoy_Config_Listener_V3_Listener
    ) -> ListenerDescriptor? {
        if let known = listeners[name], known.message == message { return known.descriptor }
        parts.inlineRoutes = [:]
        parts.subscribedRoutes = []
        var compiler = ListenerCompiler(parts: parts)
        let descriptor = compiler.compile(message)
        parts = compiler.parts
        // A listener that has issues was refused before it came here; the last good one stays.
        guard compiler.issues.isEmpty, let descriptor else { return listeners[name]?.descriptor }
        listeners[name] = CachedListener(
            message: message, descriptor: descriptor, inlineRoutes: parts.inlineRoutes,
            subscribedRoutes: parts.subscribedRoutes)
        return descriptor
    }

    private mutating func compiledCluster(
        _ message: Envoy_Config_Cluster_V3_Cluster, _ resources: XDSResources
    ) -> ClusterDescriptor {
        let assignment = message.type == .eds ? resources.assignments[message.assignmentName] : nil
        if let known = clusters[message.name], known.message == message, known.assignment == assignment {
            return known.descriptor
        }
        var compiler = ClusterCompiler(registry: parts.registry)
        let descriptor = compiler.compile(
            message, assignment: assignment, continuing: clusters[message.name]?.descriptor ?? forerunners[message.name]
        )
        parts.registry = compiler.registry
        _ = parts.registry.cluster(message.name)
        clusters[message.name] = CachedCluster(message: message, assignment: assignment, descriptor: descriptor)
        return descriptor
    }

    private mutating func routeTables(_ resources: XDSResources) -> [RouteTable?] {
        for (name, message) in resources.routes { compileRoutes(key: name, message, path: "") }
        for listener in listeners.values {
            for (number, inline) in listener.inlineRoutes {
                let key = parts.registry.routeTableNames[number]
                compileRoutes(key: key, inline.configuration, path: inline.path)
            }
        }
        return parts.registry.routeTableNames.map { routes[$0]?.table }
    }

    private mutating func compileRoutes(
        key: String, _ message: Envoy_Config_Route_V3_RouteConfiguration, path: String
    ) {
        if let known = routes[key], known.message == message { return }
        var issues: [CompileIssue] = []
        parts.filterTables.table = key
        let table = parts.routeTable(message, path: path, issues: &issues)
        // Refused before it came here, were it not good: the last good table stays.
        guard issues.isEmpty, let table else { return }
        routes[key] = CachedRoutes(message: message, table: table)
    }

    private mutating func tlsContexts(
        _ secrets: [String: Envoy_Extensions_TransportSockets_Tls_V3_Secret]
    ) -> [TLSContext?] {
        parts.registry.tlsSpecs.enumerated().map { number, spec in
            let used = spec.secretNames.map { secrets[$0] }
            if let known = contexts[number], known.secrets == used { return known.context }
            var context: TLSContext?
            do throws(TLSSpecError) {
                context = try spec.context(secrets: secrets)
            } catch {
                let names = spec.secretNames.joined(separator: ", ")
                failures.append("the TLS context of \(names.isEmpty ? "a file" : names): \(error.reason)")
            }
            // A rotated secret that does not fit leaves the context that works.
            guard let context = context ?? contexts[number]?.context else { return nil }
            contexts[number] = CachedContext(secrets: used, context: context)
            return context
        }
    }
}

extension Envoy_Config_Cluster_V3_Cluster {
    /// The name under which EDS is asked for this cluster's endpoints.
    var assignmentName: String { edsClusterConfig.serviceName.isEmpty ? name : edsClusterConfig.serviceName }
}
