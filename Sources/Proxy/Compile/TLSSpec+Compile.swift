import SwiftProtobuf
import XDS

private typealias TLSContextMessage = Envoy_Extensions_TransportSockets_Tls_V3_CommonTlsContext

extension TLSSpec {
    /// envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.
    init(
        downstream message: Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext, path: String,
        issues: inout [CompileIssue]
    ) {
        self.init(isServer: true)
        requiresClientCertificate = message.requireClientCertificate.value
        if message.requireSni.value {
            issues.append(CompileIssue(path: path + ".require_sni", message: "not supported yet"))
        }
        // Sessions are kept by clients, in tickets; none are kept here (disable_stateful_session_resumption).
        resumesSessions = !message.disableStatelessSessionResumption
        read(message.commonTlsContext, path: path + ".common_tls_context", issues: &issues)
        if chain == .none {
            issues.append(
                CompileIssue(
                    path: path + ".common_tls_context.tls_certificates",
                    message: "a server needs a certificate: give tls_certificates or tls_certificate_sds_secret_configs"
                ))
        }
        if requiresClientCertificate, !validation.isOn, validationSecret == nil {
            issues.append(
                CompileIssue(
                    path: path + ".require_client_certificate",
                    message: "needs a validation context with trusted_ca to check the certificate against"))
        }
    }

    /// envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext.
    init(
        upstream message: Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext, path: String,
        issues: inout [CompileIssue]
    ) {
        self.init(isServer: false)
        serverName = message.sni
        read(message.commonTlsContext, path: path + ".common_tls_context", issues: &issues)
    }

    private mutating func read(_ common: TLSContextMessage, path: String, issues: inout [CompileIssue]) {
        protocols = common.alpnProtocols
        minimum = common.tlsParams.tlsMinimumProtocolVersion.rawValue
        maximum = common.tlsParams.tlsMaximumProtocolVersion.rawValue
        ciphers = common.tlsParams.cipherSuites
        curves = common.tlsParams.ecdhCurves
        readCertificate(common, path: path, issues: &issues)
        var place = path + ".validation_context"
        switch common.validationContextType {
        case .validationContext(let message):
            validation = TLSValidation(message, path: place + ".", issues: &issues)
        case .validationContextSdsSecretConfig(let secret): validationSecret = secret.name
        case .combinedValidationContext(let combined):
            place = path + ".combined_validation_context.default_validation_context"
            validation = TLSValidation(combined.defaultValidationContext, path: place + ".", issues: &issues)
            if combined.hasValidationContextSdsSecretConfig {
                validationSecret = combined.validationContextSdsSecretConfig.name
            }
        case nil: break
        }
        if validation.namesWithoutTrust, validationSecret == nil {
            issues.append(
                CompileIssue(
                    path: place + ".trusted_ca",
                    message: "names are checked only on certificates that a trusted_ca has signed: give one"))
        }
    }

    private mutating func readCertificate(_ common: TLSContextMessage, path: String, issues: inout [CompileIssue]) {
        let certificates =
            common.tlsCertificates.isEmpty
            ? common.tlsCertificateSdsSecretConfigs.map { Certificate(chain: .secret($0.name)) }
            : common.tlsCertificates.map {
                Certificate(chain: Self.source($0.certificateChain), key: Self.source($0.privateKey))
            }
        if certificates.count > 1, !isServer {
            issues.append(
                CompileIssue(path: path + ".tls_certificates", message: "a client has one certificate at most"))
        }
        guard let first = certificates.first else { return }
        (chain, key) = (first.chain, first.key)
        furtherCertificates = Array(certificates.dropFirst())
    }
}
