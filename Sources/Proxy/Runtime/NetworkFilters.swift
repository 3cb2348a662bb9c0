package import Authorization
package import Resilience
package import Routing

/// A network filter in front of the terminal filter of a chain.
package enum NetworkFilter: Sendable {
    /// envoy.extensions.filters.network.rbac.v3: index into `RuntimeSnapshot.authorizers`. A denied connection is closed.
    case rbac(authorizer: Int)
    /// envoy.extensions.filters.network.local_ratelimit.v3: a connection without a token is closed.
    case localRateLimit(TokenBucket)
    /// envoy.extensions.filters.network.connection_limit.v3: a connection beyond the limit is closed after the delay.
    case connectionLimit(ConnectionBudget, delayMilliseconds: UInt64)
    /// envoy.extensions.filters.network.ext_authz.v3: a connection that the service denies is closed.
    case externalAuthorization(ConnectionAuthorization)
}

/// Whom to ask about connections, and about which. Asked before the endpoint hears of the connection; Envoy asks at the
/// first bytes, when an endpoint that speaks first has spoken.
package final class ConnectionAuthorization: Sendable {
    package let service: ExternalAuthorization.GRPCService
    package let cluster: ClusterID
    package let timeoutMilliseconds: UInt64
    /// Connections go on when the service fails to answer.
    package let allowsFailures: Bool
    /// Only connections of which filters in front found this out; nil is all.
    package let condition: MetadataCondition?

    package init(
        service: ExternalAuthorization.GRPCService, cluster: ClusterID, timeoutMilliseconds: UInt64,
        allowsFailures: Bool, condition: MetadataCondition?
    ) {
        self.service = service
        self.cluster = cluster
        self.timeoutMilliseconds = timeoutMilliseconds
        self.allowsFailures = allowsFailures
        self.condition = condition
    }
}

/// envoy.extensions.filters.network.tcp_proxy.v3.
package final class TCPProxyDescriptor: Sendable {
    package struct Target: Sendable {
        package let cluster: ClusterIndex
        package let weight: UInt32

        package init(cluster: ClusterIndex, weight: UInt32 = 1) {
            self.cluster = cluster
            self.weight = weight
        }
    }

    package let statPrefix: String
    /// Chosen by weight; never empty.
    package let targets: [Target]
    /// Nothing moved in either direction; 0 is no limit. Envoy's default is one hour.
    package let idleTimeoutMilliseconds: UInt32
    package let maxConnectAttempts: UInt32
    /// Indices into the snapshot's access logs.
    package let accessLogs: [Int]
    package let direction: TrafficDirection
    /// What the endpoint is asked first, to connect further (`tunneling_config`); nil when bytes go as they are.
    package let tunnelRequest: [UInt8]?

    package init(
        statPrefix: String,
        targets: [Target],
        idleTimeoutMilliseconds: UInt32 = 3_600_000,
        maxConnectAttempts: UInt32 = 1,
        accessLogs: [Int] = [],
        direction: TrafficDirection = .unspecified,
        tunnelRequest: [UInt8]? = nil
    ) {
        self.statPrefix = statPrefix
        self.targets = targets
        self.idleTimeoutMilliseconds = idleTimeoutMilliseconds
        self.maxConnectAttempts = max(1, maxConnectAttempts)
        self.accessLogs = accessLogs
        self.direction = direction
        self.tunnelRequest = tunnelRequest
    }
}
