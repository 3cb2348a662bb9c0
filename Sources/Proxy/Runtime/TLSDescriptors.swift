/// TLS of a filter chain (envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext).
package struct DownstreamTLSDescriptor: Sendable {
    /// Index into `RuntimeSnapshot.tlsContexts`; nil while its secret has not arrived: connections are closed.
    package let context: Int?
    package let requiresClientCertificate: Bool

    package init(context: Int?, requiresClientCertificate: Bool) {
        self.context = context
        self.requiresClientCertificate = requiresClientCertificate
    }
}

/// TLS to an endpoint (envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext).
package struct UpstreamTLSDescriptor: Sendable {
    /// Index into `RuntimeSnapshot.tlsContexts`; nil while its secret has not arrived: requests get 503 UF.
    package let context: Int?
    /// The server name to send; empty is none.
    package let serverName: String
    /// Whether the peer is authenticated by a client certificate of ours, for the metrics' connection_security_policy.
    package let isMutual: Bool

    package init(context: Int?, serverName: String = "", isMutual: Bool = true) {
        self.context = context
        self.serverName = serverName
        self.isMutual = isMutual
    }
}
