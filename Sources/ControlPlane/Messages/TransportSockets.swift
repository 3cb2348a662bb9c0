import MeshAPI
import SwiftProtobuf
import XDS

extension TransportSocket {
    static let raw = TransportSocket(
        "envoy.transport_sockets.raw_buffer", Envoy_Extensions_TransportSockets_RawBuffer_V3_RawBuffer()
    )

    static func upstreamTLS(_ context: UpstreamTLS) -> TransportSocket {
        TransportSocket("envoy.transport_sockets.tls", context)
    }

    static func downstreamTLS(_ context: DownstreamTLS) -> TransportSocket {
        TransportSocket("envoy.transport_sockets.tls", context)
    }
}

extension Envoy_Extensions_TransportSockets_Tls_V3_SdsSecretConfig {
    init(_ name: String) {
        self.init()
        self.name = name
        sdsConfig = .aggregated
    }
}

/// The TLS contexts between sidecars: the workload's own certificate, the mesh's roots, SPIFFE ids for names.
enum MeshTLS {
    /// What a client offers, so that the server knows mesh traffic from an application's own TLS before it decrypts.
    ///
    /// - Parameter multiplexes: HTTP/1.1 requests may travel on streams of HTTP/2; the server chooses.
    static func clientALPN(isHTTP: Bool, isHTTP2: Bool, multiplexes: Bool = false) -> [String] {
        if isHTTP2 { return ["istio-h2", "istio", "h2"] }
        if isHTTP, multiplexes { return [betweenOurs, "istio-h2", "istio-http/1.1", "istio", "h2", "http/1.1"] }
        return isHTTP ? ["istio-http/1.1", "istio", "http/1.1"] : ["istio"]
    }

    /// HTTP/2 between two of our proxies, which tell each other how HTTP/1.1 heads were spelled.
    static let betweenOurs = "martlet-h2"

    /// The offers by which a server tells mesh traffic.
    static let meshALPN = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"]

    /// Those of them that say what is inside.
    static let httpALPN = ["istio-http/1.0", "istio-http/1.1", "istio-h2"]
    static let bytesALPN = ["istio", "istio-peer-exchange"]

    /// - Parameter identities: SPIFFE ids that the server may have; empty accepts any of the mesh.
    static func upstream(
        serverName: String, identities: [String], isHTTP: Bool, isHTTP2: Bool = false, multiplexes: Bool = false
    ) -> UpstreamTLS {
        var context = UpstreamTLS()
        context.sni = serverName
        context.commonTlsContext = common(identities: identities)
        context.commonTlsContext.alpnProtocols = clientALPN(
            isHTTP: isHTTP, isHTTP2: isHTTP2, multiplexes: multiplexes)
        return context
    }

    /// - Parameter trustDomains: the mesh's own and its aliases: who is of one of them may knock.
    static func downstream(alpn: [String], trustDomains: [String]) -> DownstreamTLS {
        var context = DownstreamTLS()
        context.commonTlsContext = common(identities: [])
        context.commonTlsContext.combinedValidationContext.defaultValidationContext.matchTypedSubjectAltNames =
            trustDomains.map { domain in
                var prefix = Envoy_Extensions_TransportSockets_Tls_V3_SubjectAltNameMatcher()
                prefix.sanType = .uri
                prefix.matcher.prefix = "spiffe://\(domain)/"
                return prefix
            }
        context.commonTlsContext.alpnProtocols = alpn
        context.requireClientCertificate = .init(true)
        return context
    }

    private static func common(identities: [String]) -> CommonTLS {
        var common = CommonTLS()
        common.tlsParams.tlsMinimumProtocolVersion = .tlsv12
        common.tlsParams.tlsMaximumProtocolVersion = .tlsv13
        common.tlsCertificateSdsSecretConfigs = [.init(Names.workloadSecret)]
        common.combinedValidationContext.validationContextSdsSecretConfig = .init(Names.rootSecret)
        common.combinedValidationContext.defaultValidationContext.matchTypedSubjectAltNames = identities.map {
            identity in
            var matcher = Envoy_Extensions_TransportSockets_Tls_V3_SubjectAltNameMatcher()
            matcher.sanType = .uri
            matcher.matcher.exact = identity
            return matcher
        }
        return common
    }
}

extension Envoy_Extensions_TransportSockets_Tls_V3_TlsParameters {
    /// Istio's floor is TLS 1.2 unless the user asks otherwise.
    init(minimum: ServerTLSSettings.Version, maximum: ServerTLSSettings.Version, cipherSuites: [String] = []) {
        self.init()
        tlsMinimumProtocolVersion = minimum == .auto ? .tlsv12 : Self.version(minimum)
        tlsMaximumProtocolVersion = maximum == .auto ? .tlsAuto : Self.version(maximum)
        self.cipherSuites = cipherSuites
    }

    private static func version(_ version: ServerTLSSettings.Version) -> TlsProtocol {
        switch version {
        case .auto: .tlsAuto
        case .tls10: .tlsv10
        case .tls11: .tlsv11
        case .tls12: .tlsv12
        case .tls13: .tlsv13
        }
    }
}

extension Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext {
    /// TLS that a server ends with certificates in files (`ingress.tls` of a Sidecar).
    static func files(_ settings: ServerTLSSettings, alpn: [String]) -> Self {
        var context = Self()
        context.commonTlsContext.tlsParams = .init(
            minimum: settings.minProtocolVersion, maximum: settings.maxProtocolVersion,
            cipherSuites: settings.cipherSuites
        )
        context.commonTlsContext.alpnProtocols = alpn
        if let chain = settings.serverCertificate, let key = settings.privateKey {
            var certificate = Envoy_Extensions_TransportSockets_Tls_V3_TlsCertificate()
            certificate.certificateChain.filename = chain
            certificate.privateKey.filename = key
            context.commonTlsContext.tlsCertificates = [certificate]
        }
        guard settings.mode == .mutual, let authority = settings.caCertificates else { return context }
        context.requireClientCertificate = .init(true)
        context.commonTlsContext.validationContext.trustedCa.filename = authority
        if let list = settings.caCRL { context.commonTlsContext.validationContext.crl.filename = list }
        context.commonTlsContext.validationContext.matchTypedSubjectAltNames = settings.subjectAltNames.map { text in
            var matcher = Envoy_Extensions_TransportSockets_Tls_V3_SubjectAltNameMatcher()
            matcher.sanType = text.contains("://") ? .uri : .dns
            matcher.matcher.exact = text
            return matcher
        }
        return context
    }
}
