/// Statistics of one HTTP connection manager, by its stat prefix, under Envoy's names.
package struct HTTPStatistics: StatisticGroup {
    package var connections: UInt64 = 0
    package var activeConnections: UInt64 = 0
    package var protocolErrors: UInt64 = 0
    package var idleTimeouts: UInt64 = 0
    package var receivedBytes: UInt64 = 0
    package var sentBytes: UInt64 = 0
    package var requests: UInt64 = 0
    package var activeRequests: UInt64 = 0
    package var resets: UInt64 = 0
    package var requestTimeouts: UInt64 = 0
    package var tooLarge: UInt64 = 0
    package var overloads: UInt64 = 0
    package var noRoute: UInt64 = 0
    package var noCluster: UInt64 = 0
    package var allowed: UInt64 = 0
    package var denied: UInt64 = 0
    package var shadowAllowed: UInt64 = 0
    package var shadowDenied: UInt64 = 0
    package var audited: UInt64 = 0
    package var outcomes = ResponseStatistics()

    package init() {}

    package static var family: StatisticFamily {
        StatisticFamily(name: "http", label: "envoy_http_conn_manager_prefix")
    }

    package static var responses: (prefix: String, path: WritableKeyPath<Self, ResponseStatistics>)? {
        ("downstream_rq", \.outcomes)
    }

    package static var fields: [StatisticField<Self>] {
        [
            StatisticField("downstream_cx_total", .counter, \.connections, "Connections that were accepted."),
            StatisticField("downstream_cx_active", .gauge, \.activeConnections, "Connections that are open."),
            StatisticField(
                "downstream_cx_protocol_error", .counter, \.protocolErrors, "Connections with protocol errors."),
            StatisticField(
                "downstream_cx_idle_timeout", .counter, \.idleTimeouts, "Connections that were idle too long."),
            StatisticField("downstream_cx_rx_bytes_total", .counter, \.receivedBytes, "Bytes received from clients."),
            StatisticField("downstream_cx_tx_bytes_total", .counter, \.sentBytes, "Bytes sent to clients."),
            StatisticField("downstream_rq_total", .counter, \.requests, "Requests."),
            StatisticField("downstream_rq_active", .gauge, \.activeRequests, "Requests that are under way."),
            StatisticField("downstream_rq_rx_reset", .counter, \.resets, "Requests that the client gave up."),
            StatisticField("downstream_rq_timeout", .counter, \.requestTimeouts, "Requests that came too slowly."),
            StatisticField("downstream_rq_too_large", .counter, \.tooLarge, "Requests that were too large."),
            StatisticField(
                "downstream_rq_overload_close", .counter, \.overloads, "Requests refused for want of memory."),
            StatisticField("no_route", .counter, \.noRoute, "Requests without a route."),
            StatisticField("no_cluster", .counter, \.noCluster, "Requests whose route names an unknown cluster."),
            StatisticField("rbac.allowed", .counter, \.allowed, "Requests that policies allowed."),
            StatisticField("rbac.denied", .counter, \.denied, "Requests that policies denied."),
            StatisticField("rbac.shadow_allowed", .counter, \.shadowAllowed, "Requests that shadow policies allowed."),
            StatisticField("rbac.shadow_denied", .counter, \.shadowDenied, "Requests that shadow policies denied."),
            StatisticField("rbac.logged", .counter, \.audited, "Requests that policies marked for the access log."),
        ]
    }
}

/// Statistics of one listener, by its address, under Envoy's names.
package struct ListenerStatistics: StatisticGroup {
    package var connections: UInt64 = 0
    package var activeConnections: UInt64 = 0
    package var destroyedConnections: UInt64 = 0
    package var overflows: UInt64 = 0
    package var acceptFailures: UInt64 = 0
    package var inspectionTimeouts: UInt64 = 0
    package var noFilterChain: UInt64 = 0
    package var handshakes: UInt64 = 0
    package var handshakeFailures: UInt64 = 0
    package var allowedConnections: UInt64 = 0
    package var deniedConnections: UInt64 = 0
    package var shadowAllowed: UInt64 = 0
    package var shadowDenied: UInt64 = 0
    package var limitedConnections: UInt64 = 0

    package init() {}

    package static var family: StatisticFamily {
        StatisticFamily(name: "listener", label: "envoy_listener_address")
    }

    package static var fields: [StatisticField<Self>] {
        [
            StatisticField("downstream_cx_total", .counter, \.connections, "Connections that were accepted."),
            StatisticField("downstream_cx_active", .gauge, \.activeConnections, "Connections that are open."),
            StatisticField("downstream_cx_destroy", .counter, \.destroyedConnections, "Connections that were closed."),
            StatisticField("downstream_cx_overflow", .counter, \.overflows, "Connections beyond the limit."),
            StatisticField(
                "downstream_cx_accept_failed", .counter, \.acceptFailures,
                "Times that nothing could be accepted for want of descriptors."),
            StatisticField(
                "downstream_pre_cx_timeout", .counter, \.inspectionTimeouts, "Connections that sent no first bytes."),
            StatisticField(
                "no_filter_chain_match", .counter, \.noFilterChain, "Connections that no filter chain accepts."),
            StatisticField("ssl.handshake", .counter, \.handshakes, "TLS handshakes that succeeded."),
            StatisticField("ssl.connection_error", .counter, \.handshakeFailures, "TLS handshakes that failed."),
            StatisticField("rbac.allowed", .counter, \.allowedConnections, "Connections that policies allowed."),
            StatisticField("rbac.denied", .counter, \.deniedConnections, "Connections that policies denied."),
            StatisticField(
                "rbac.shadow_allowed", .counter, \.shadowAllowed, "Connections that shadow policies allowed."),
            StatisticField("rbac.shadow_denied", .counter, \.shadowDenied, "Connections that shadow policies denied."),
            StatisticField(
                "local_rate_limit.rate_limited", .counter, \.limitedConnections, "Connections beyond a rate limit."),
        ]
    }
}

/// Statistics of one TCP proxy, by its stat prefix, under Envoy's names.
package struct TCPStatistics: StatisticGroup {
    package var connections: UInt64 = 0
    package var activeConnections: UInt64 = 0
    package var noRoute: UInt64 = 0
    package var idleTimeouts: UInt64 = 0
    package var receivedBytes: UInt64 = 0
    package var sentBytes: UInt64 = 0

    package init() {}

    package static var family: StatisticFamily { StatisticFamily(name: "tcp", label: "envoy_tcp_prefix") }

    package static var fields: [StatisticField<Self>] {
        [
            StatisticField("downstream_cx_total", .counter, \.connections, "Connections that were proxied."),
            StatisticField("downstream_cx_active", .gauge, \.activeConnections, "Connections that are proxied."),
            StatisticField("downstream_cx_no_route", .counter, \.noRoute, "Connections without a usable cluster."),
            StatisticField("idle_timeout", .counter, \.idleTimeouts, "Connections that were idle too long."),
            StatisticField("downstream_cx_rx_bytes_total", .counter, \.receivedBytes, "Bytes received from clients."),
            StatisticField("downstream_cx_tx_bytes_total", .counter, \.sentBytes, "Bytes sent to clients."),
        ]
    }
}
