import FoundationEssentials
import SwiftProtobuf
import TLS
package import XDS
package import XDSTransport

/// TLS towards the control plane, from the transport socket of its cluster in the bootstrap. Half of what such a message may
/// say makes no sense for one connection; it is refused by its path.
package enum ControlPlaneSecurity {
    private typealias Context = Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext
    private typealias Source = Envoy_Config_Core_V3_DataSource

    package struct Problem: Error, CustomStringConvertible, Equatable {
        package let description: String

        init(_ path: String, _ reason: String) { description = "\(path): \(reason)" }
    }

    /// - Returns: nil when the cluster has no transport socket, or a plain one.
    package static func read(_ cluster: Envoy_Config_Cluster_V3_Cluster) throws -> ClientSecurity? {
        let path = "static_resources.clusters \"\(cluster.name)\".transport_socket"
        guard cluster.transportSocketMatches.isEmpty else {
            throw Problem(path + "_matches", "not supported for the control plane: give one transport_socket")
        }
        guard cluster.hasTransportSocket, cluster.transportSocket.name != "envoy.transport_sockets.raw_buffer" else {
            return nil
        }
        guard cluster.transportSocket.typedConfig.isA(Context.self),
            let message = try? Context(unpackingAny: cluster.transportSocket.typedConfig)
        else { throw Problem(path, "only an UpstreamTlsContext is supported for the control plane") }
        return try read(message, path + ".typed_config.common_tls_context")
    }

    private static func read(_ message: Context, _ path: String) throws -> ClientSecurity {
        let common = message.commonTlsContext
        guard common.tlsCertificateSdsSecretConfigs.isEmpty, !common.hasTlsParams, common.tlsCertificates.count <= 1
        else {
            throw Problem(
                path, "SDS certificates, tls_params and several certificates are not supported for the control plane")
        }
        guard common.alpnProtocols.isEmpty || common.alpnProtocols == ["h2"] else {
            throw Problem(path + ".alpn_protocols", "the control plane speaks h2")
        }
        guard case .validationContext(let validation)? = common.validationContextType, validation.hasTrustedCa else {
            throw Problem(path + ".validation_context.trusted_ca", "is needed: whom else to believe")
        }
        let place = path + ".validation_context"
        guard validation.verifyCertificateSpki.isEmpty, validation.verifyCertificateHash.isEmpty,
            validation.trustChainVerification == .verifyTrustChain
        else {
            throw Problem(place, "only trusted_ca and names are supported for the control plane")
        }
        var names: [SubjectAlternativeNameMatcher] = []
        for (index, rule) in validation.matchTypedSubjectAltNames.enumerated() {
            let here = place + ".match_typed_subject_alt_names[\(index)]"
            let kind: SubjectAlternativeNameMatcher.Kind
            switch rule.sanType {
            case .dns: kind = .dns
            case .uri: kind = .uri
            default: throw Problem(here + ".san_type", "only URI and DNS names are supported")
            }
            guard case .exact(let name)? = rule.matcher.matchPattern, !rule.matcher.ignoreCase else {
                throw Problem(here + ".matcher", "only exact is supported for the control plane")
            }
            names.append(SubjectAlternativeNameMatcher(kind, .exact(name)))
        }
        guard validation.matchSubjectAltNames.isEmpty else {
            throw Problem(place + ".match_subject_alt_names", "is old: use match_typed_subject_alt_names")
        }
        guard !names.isEmpty else {
            throw Problem(
                place + ".match_typed_subject_alt_names",
                "is needed: every workload has a certificate of the same authority")
        }
        var security = ClientSecurity(
            trustAnchors: [.pem(try text(validation.trustedCa, place + ".trusted_ca"))], names: names,
            serverName: message.sni.isEmpty ? nil : message.sni)
        if let certificate = common.tlsCertificates.first {
            security.certificateChain = try text(certificate.certificateChain, path + ".tls_certificates[0]")
            security.privateKey = try text(certificate.privateKey, path + ".tls_certificates[0]")
        }
        return security
    }

    private static func text(_ source: Source, _ path: String) throws -> String {
        switch source.specifier {
        case .filename(let file)?:
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw Problem(path + ".filename", "\(file) cannot be read")
            }
            return text
        case .inlineString(let text)?: return text
        case .inlineBytes(let bytes)?: return String(decoding: bytes, as: UTF8.self)
        default: throw Problem(path, "needs filename, inline_string or inline_bytes")
        }
    }
}
