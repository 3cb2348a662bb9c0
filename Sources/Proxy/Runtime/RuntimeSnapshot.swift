package import Authorization
package import HeaderBlock
package import Resilience
package import Routing
package import TLS
package import Telemetry

/// Everything that a worker executes: one immutable configuration, compiled from xDS, swapped by pointer.
///
/// The parts refer to each other by index into the arrays here, so that reading them costs no reference counting and a
/// dangling reference is found when the snapshot is made. Exchanges that began under a snapshot finish under it.
///
/// Objects that did not change between two snapshots should be the same instance (`TLSContext`) or equal (`name`,
/// `address`): connections and upstream pools are kept by these.
package final class RuntimeSnapshot: Sendable {
    /// Grows with every snapshot that is applied; shown by the admin API.
    package let generation: UInt64
    package let listeners: [ListenerDescriptor]
    /// By the number of Routing's `ClusterID`; nil is a number without a cluster.
    package let clusters: [ClusterDescriptor?]
    /// By `HTTPConnectionManager.routeTable`; nil until RDS has sent it.
    package let routeTables: [RouteTable?]
    /// By `retryPolicy` of a route.
    package let retryPolicies: [RetryPolicy]
    /// What they say about headers; may be shorter.
    package let retryHeaders: [RetryHeaders]
    /// By the number in `HTTPFilter.rbac` and `NetworkFilter.rbac`.
    package let authorizers: [Authorizer]
    /// By the numbers in `accessLogs` of connection managers and TCP proxies.
    package let accessLogs: [AccessLogDescriptor]
    /// By the `context` of the TLS descriptors; nil until SDS has sent its secrets.
    package let tlsContexts: [TLSContext?]
    /// By `metadataMatch` of a route: what endpoints' metadata must hold.
    package let endpointCriteria: [[String: String]]
    /// By `condition` of a route: what filters must have found out about a request.
    package let routeConditions: [[MetadataCondition]]
    /// Formats of header values with command operators, by `HeaderMutation.format`.
    package let headerFormats: [AccessLogFormat]
    /// By the `attachment` of routes and weighted clusters.
    package let routeFilters: [RouteFilters]
    package let provenance: ProvenanceTable
    /// What this proxy says about its own workload in metrics.
    package let local: WorkloadLabels
    package let telemetry: TelemetryDescriptor

    package init(
        generation: UInt64,
        listeners: [ListenerDescriptor],
        clusters: [ClusterDescriptor?],
        routeTables: [RouteTable?] = [],
        retryPolicies: [RetryPolicy] = [],
        retryHeaders: [RetryHeaders] = [],
        authorizers: [Authorizer] = [],
        accessLogs: [AccessLogDescriptor] = [],
        tlsContexts: [TLSContext?] = [],
        endpointCriteria: [[String: String]] = [],
        routeConditions: [[MetadataCondition]] = [],
        headerFormats: [AccessLogFormat] = [],
        routeFilters: [RouteFilters] = [],
        provenance: ProvenanceTable,
        local: WorkloadLabels,
        telemetry: TelemetryDescriptor
    ) {
        self.generation = generation
        self.listeners = listeners
        self.clusters = clusters
        self.routeTables = routeTables
        self.retryPolicies = retryPolicies
        self.retryHeaders = retryHeaders
        self.authorizers = authorizers
        self.accessLogs = accessLogs
        self.tlsContexts = tlsContexts
        self.endpointCriteria = endpointCriteria
        self.routeConditions = routeConditions
        self.headerFormats = headerFormats
        self.routeFilters = routeFilters
        self.provenance = provenance
        self.local = local
        self.telemetry = telemetry
    }

    /// Finds the route of a request: by its head, and by what filters found out about it.
    @inline(__always)
    package func decide(
        _ table: RouteTable, _ head: borrowing HeadView, random: UInt64, metadata: borrowing RequestMetadata
    ) -> RouteDecision {
        var decision = table.decide(head, random: random)
        while decision.route != .max {
            let condition = table.condition(decision.route)
            if condition == .max || holds(condition, metadata) { break }
            decision = table.decide(head, random: random, after: decision.route)
        }
        return decision
    }

    private func holds(_ condition: UInt32, _ metadata: borrowing RequestMetadata) -> Bool {
        let metadata = copy metadata
        return routeConditions[Int(condition)].allSatisfy { $0.holds(metadata) }
    }

    /// The snapshot that serves nothing: what a worker has before the first `apply`.
    package static let empty = RuntimeSnapshot(
        generation: 0, listeners: [], clusters: [], provenance: ProvenanceTable(), local: WorkloadLabels(),
        telemetry: TelemetryDescriptor())
}

/// Index into `RuntimeSnapshot.clusters`, the `index` of Routing's `ClusterID`.
package typealias ClusterIndex = Int
