package import EventLoop
package import Resilience

/// What a cluster wants of its connections, beside its endpoints and their balancing.
package struct ClusterOptions: Sendable, Hashable {
    /// TCP keepalive of upstream sockets (envoy.config.core.v3.TcpKeepalive); 0 is the system's default.
    package struct Keepalive: Sendable, Hashable {
        package var probes: UInt32 = 0
        package var idleSeconds: UInt32 = 0
        package var intervalSeconds: UInt32 = 0

        package init() {}
    }

    /// An upstream connection takes no further request after this time; 0 is no limit.
    package var maxConnectionMilliseconds: UInt32 = 0
    /// Connections that are kept ahead of the requests: 1 is none.
    package var preconnectRatio = 1.0
    package var keepalive: Keepalive?
    /// Set on upstream sockets before they connect (BindConfig.socket_options).
    package var socketOptions: [SocketOption] = []
    /// Connections to an endpoint are closed when it becomes unhealthy.
    package var closesOnHealthFailure = false
    /// ORIGINAL_DST: the header that names the destination instead of the connection.
    package var destinationHeader: String?
    /// ORIGINAL_DST: the port instead of the original one; 0 is the original.
    package var destinationPort: UInt16 = 0
    /// The server name is the request's host.
    package var autoSNI = false
    /// The peer's certificate must be for the request's host.
    package var autoSANValidation = false
    /// `remaining_*` gauges are shown.
    package var tracksRemaining = false
    package var healthChecks: [HealthCheckPolicy] = []

    package init() {}
}
