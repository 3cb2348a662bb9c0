/// Statistics of one cluster, under Envoy's names
/// (envoyproxy.io, "Cluster manager statistics").
package struct ClusterStatistics: StatisticGroup {
    package var connections: UInt64 = 0
    package var activeConnections: UInt64 = 0
    package var connectFailures: UInt64 = 0
    package var connectTimeouts: UInt64 = 0
    package var connectionOverflows: UInt64 = 0
    package var destroyedConnections: UInt64 = 0
    package var idleTimeouts: UInt64 = 0
    package var noHealthyUpstream: UInt64 = 0
    package var protocolErrors: UInt64 = 0
    package var sentBytes: UInt64 = 0
    package var receivedBytes: UInt64 = 0
    package var handshakes: UInt64 = 0
    package var transportFailures: UInt64 = 0
    package var requests: UInt64 = 0
    package var activeRequests: UInt64 = 0
    package var pendingRequests: UInt64 = 0
    package var activePendingRequests: UInt64 = 0
    package var overflows: UInt64 = 0
    package var cancelledRequests: UInt64 = 0
    package var requestTimeouts: UInt64 = 0
    package var perTryTimeouts: UInt64 = 0
    package var perTryIdleTimeouts: UInt64 = 0
    package var resets: UInt64 = 0
    package var outliers = OutlierStatistics()
    package var sentResets: UInt64 = 0
    package var retries: UInt64 = 0
    package var retrySuccesses: UInt64 = 0
    package var retriesExhausted: UInt64 = 0
    package var retriesOverflowed: UInt64 = 0
    package var outcomes = ResponseStatistics()

    package init() {}

    package static var family: StatisticFamily { StatisticFamily(name: "cluster", label: "envoy_cluster_name") }

    package static var responses: (prefix: String, path: WritableKeyPath<Self, ResponseStatistics>)? {
        ("upstream_rq", \.outcomes)
    }

    package static var fields: [StatisticField<Self>] { connectionFields + requestFields + OutlierStatistics.fields }

    private static var connectionFields: [StatisticField<Self>] {
        [
            StatisticField("upstream_cx_total", .counter, \.connections, "Connections that were opened."),
            StatisticField("upstream_cx_active", .gauge, \.activeConnections, "Connections that are open."),
            StatisticField("upstream_cx_connect_fail", .counter, \.connectFailures, "Connections that failed to open."),
            StatisticField("upstream_cx_connect_timeout", .counter, \.connectTimeouts, "Connect timeouts."),
            StatisticField(
                "upstream_cx_overflow", .counter, \.connectionOverflows, "Connections that a circuit breaker refused."),
            StatisticField("upstream_cx_destroy", .counter, \.destroyedConnections, "Connections that were closed."),
            StatisticField(
                "upstream_cx_idle_timeout", .counter, \.idleTimeouts, "Connections that were idle too long."),
            StatisticField(
                "upstream_cx_none_healthy", .counter, \.noHealthyUpstream, "Requests that found no healthy endpoint."),
            StatisticField(
                "upstream_cx_protocol_error", .counter, \.protocolErrors, "Connections with protocol errors."),
            StatisticField("upstream_cx_tx_bytes_total", .counter, \.sentBytes, "Bytes sent to endpoints."),
            StatisticField("upstream_cx_rx_bytes_total", .counter, \.receivedBytes, "Bytes received from endpoints."),
            StatisticField("ssl.handshake", .counter, \.handshakes, "TLS handshakes that succeeded."),
            StatisticField("ssl.connection_error", .counter, \.transportFailures, "TLS connections that failed."),
        ]
    }

    private static var requestFields: [StatisticField<Self>] {
        [
            StatisticField("upstream_rq_total", .counter, \.requests, "Requests."),
            StatisticField("upstream_rq_active", .gauge, \.activeRequests, "Requests that are under way."),
            StatisticField(
                "upstream_rq_pending_total", .counter, \.pendingRequests, "Requests that waited for a connection."),
            StatisticField(
                "upstream_rq_pending_active", .gauge, \.activePendingRequests, "Requests that wait for a connection."),
            StatisticField(
                "upstream_rq_pending_overflow", .counter, \.overflows, "Requests that a circuit breaker refused."),
            StatisticField("upstream_rq_cancelled", .counter, \.cancelledRequests, "Requests given up while waiting."),
            StatisticField("upstream_rq_timeout", .counter, \.requestTimeouts, "Requests that took too long."),
            StatisticField("upstream_rq_per_try_timeout", .counter, \.perTryTimeouts, "Attempts that took too long."),
            StatisticField(
                "upstream_rq_per_try_idle_timeout", .counter, \.perTryIdleTimeouts,
                "Attempts without a byte for too long."),
            StatisticField("upstream_rq_rx_reset", .counter, \.resets, "Requests that the endpoint reset."),
            StatisticField("upstream_rq_tx_reset", .counter, \.sentResets, "Requests that were reset from here."),
            StatisticField("upstream_rq_retry", .counter, \.retries, "Retries."),
            StatisticField("upstream_rq_retry_success", .counter, \.retrySuccesses, "Retries that succeeded."),
            StatisticField(
                "upstream_rq_retry_limit_exceeded", .counter, \.retriesExhausted, "Requests whose retries were used up."
            ),
            StatisticField(
                "upstream_rq_retry_overflow", .counter, \.retriesOverflowed, "Retries that a circuit breaker refused."),
        ]
    }
}
