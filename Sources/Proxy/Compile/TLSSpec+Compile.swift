import SwiftProtobuf
import XDS

private typealias TLSContextMessage = Envoy_Extensions_TransportSockets_Tls_V3_CommonTlsContext
private typealias ValidationMessage = Envoy_Extensions_TransportSockets_Tls_V3_CertificateValidationContext

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
        read(message.commonTlsContext, path: path + ".common_tls_context", issues: &issues)
        if chain == .none {
            issues.append(
                CompileIssue(
                    path: path + ".common_tls_context.tls_certificates",
                    message: "a server needs a certificate: give tls_certificates or tls_certificate_sds_secret_configs"
                ))
        }
        if requiresClientCertificate, trust == .none, !acceptsUntrusted {
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
        if (1...2).contains(maximum) {
            issues.append(
                CompileIssue(
                    path: path + ".tls_params.tls_maximum_protocol_version", message: "TLS below 1.2 is not offered"))
        }
        ciphers = common.tlsParams.cipherSuites
        curves = common.tlsParams.ecdhCurves
        readCertificate(common, path: path, issues: &issues)
        switch common.validationContextType {
        case .validationContext(let validation):
            readValidation(validation, path: path + ".validation_context", issues: &issues)
        case .validationContextSdsSecretConfig(let secret): trust = .secret(secret.name)
        case .combinedValidationContext(let combined):
            let place = path + ".combined_validation_context"
            readValidation(
                combined.defaultValidationContext, path: place + ".default_validation_context", issues: &issues)
            if combined.hasValidationContextSdsSecretConfig {
                trust = .secret(combined.validationContextSdsSecretConfig.name)
            }
        case nil: break
        }
    }

    private mutating func readCertificate(_ common: TLSContextMessage, path: String, issues: inout [CompileIssue]) {
        if common.tlsCertificates.count + common.tlsCertificateSdsSecretConfigs.count > 1 {
            issues.append(
                CompileIssue(
                    path: path + ".tls_certificates", message: "more than one certificate is not supported yet"))
        }
        if let certificate = common.tlsCertificates.first {
            chain = Self.source(certificate.certificateChain)
            key = Self.source(certificate.privateKey)
        } else if let secret = common.tlsCertificateSdsSecretConfigs.first {
            chain = .secret(secret.name)
        }
    }

    private mutating func readValidation(
        _ validation: ValidationMessage, path: String, issues: inout [CompileIssue]
    ) {
        trust = Self.source(validation.trustedCa)
        acceptsUntrusted = validation.trustChainVerification == .acceptUntrusted
        if !validation.verifyCertificateSpki.isEmpty {
            issues.append(CompileIssue(path: path + ".verify_certificate_spki", message: "not supported yet"))
        }
        if !validation.verifyCertificateHash.isEmpty {
            issues.append(CompileIssue(path: path + ".verify_certificate_hash", message: "not supported yet"))
        }
        for (index, rule) in validation.matchTypedSubjectAltNames.enumerated() {
            let place = path + ".match_typed_subject_alt_names[\(index)]"
            switch rule.sanType {
            case .uri: addRule(.uri, rule.matcher, path: place, issues: &issues)
            case .dns: addRule(.dns, rule.matcher, path: place, issues: &issues)
            default:
                issues.append(CompileIssue(path: place + ".san_type", message: "only URI and DNS names are supported"))
            }
        }
        for (index, matcher) in validation.matchSubjectAltNames.enumerated() {
            addRule(.any, matcher, path: path + ".match_subject_alt_names[\(index)]", issues: &issues)
        }
    }

    private mutating func addRule(
        _ kind: NameRule.Kind, _ matcher: Envoy_Type_Matcher_V3_StringMatcher, path: String,
        issues: inout [CompileIssue]
    ) {
        switch matcher.matchPattern {
        case .exact(let text): nameRules.append(NameRule(kind: kind, pattern: .exact(text)))
        case .prefix(let text): nameRules.append(NameRule(kind: kind, pattern: .prefix(text)))
        case .suffix(let text): nameRules.append(NameRule(kind: kind, pattern: .suffix(text)))
        case .contains(let text): nameRules.append(NameRule(kind: kind, pattern: .contains(text)))
        default:
            issues.append(CompileIssue(path: path, message: "only exact, prefix, suffix and contains are supported"))
        }
    }
}
