import FoundationEssentials
import SwiftProtobuf
import TLS
import XDS

/// What a peer's certificate must prove (envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext), of a
/// listener or cluster, of a secret, or of both together.
struct TLSValidation: Hashable, Sendable {
    struct NameRule: Hashable, Sendable {
        enum Kind: Hashable, Sendable { case any, uri, dns }
        enum Pattern: Hashable, Sendable {
            case exact(String)
            case prefix(String)
            case suffix(String)
            case contains(String)
        }
        var kind: Kind
        var pattern: Pattern
    }

    var trust = TLSSpec.Source.none
    /// Lists of revoked certificates, beside those that stand in `trust`.
    var revocation = TLSSpec.Source.none
    var nameRules: [NameRule] = []
    var acceptsUntrusted = false
    /// SHA-256 of public keys, and of certificates.
    var pinnedKeys: [[UInt8]] = []
    var pinnedCertificates: [[UInt8]] = []

    init() {}

    init(
        _ message: Envoy_Extensions_TransportSockets_Tls_V3_CertificateValidationContext, path: String,
        issues: inout [CompileIssue]
    ) {
        trust = TLSSpec.source(message.trustedCa)
        revocation = TLSSpec.source(message.crl)
        acceptsUntrusted = message.trustChainVerification == .acceptUntrusted
        for (index, text) in message.verifyCertificateSpki.enumerated() {
            guard let digest = Data(base64Encoded: text), digest.count == 32 else {
                issues.append(
                    CompileIssue(
                        path: path + "verify_certificate_spki[\(index)]",
                        message: "\"\(text)\" is not the SHA-256 of a public key in base64"))
                continue
            }
            pinnedKeys.append(Array(digest))
        }
        for (index, text) in message.verifyCertificateHash.enumerated() {
            guard let digest = Self.hex(text), digest.count == 32 else {
                issues.append(
                    CompileIssue(
                        path: path + "verify_certificate_hash[\(index)]",
                        message: "\"\(text)\" is not the SHA-256 of a certificate in hex"))
                continue
            }
            pinnedCertificates.append(digest)
        }
        for (index, rule) in message.matchTypedSubjectAltNames.enumerated() {
            let place = path + "match_typed_subject_alt_names[\(index)]"
            switch rule.sanType {
            case .uri: addRule(.uri, rule.matcher, path: place, issues: &issues)
            case .dns: addRule(.dns, rule.matcher, path: place, issues: &issues)
            default:
                issues.append(CompileIssue(path: place + ".san_type", message: "only URI and DNS names are supported"))
            }
        }
        for (index, matcher) in message.matchSubjectAltNames.enumerated() {
            addRule(.any, matcher, path: path + "match_subject_alt_names[\(index)]", issues: &issues)
        }
    }

    /// As Envoy merges what SDS delivers into the default: single fields are replaced, names are added.
    func merged(with secret: TLSValidation) -> TLSValidation {
        var result = self
        if secret.trust != .none { result.trust = secret.trust }
        if secret.revocation != .none { result.revocation = secret.revocation }
        result.nameRules += secret.nameRules
        if secret.acceptsUntrusted { result.acceptsUntrusted = true }
        result.pinnedKeys += secret.pinnedKeys
        result.pinnedCertificates += secret.pinnedCertificates
        return result
    }

    /// Whether the peer's certificate is looked at.
    var isOn: Bool { trust != .none || acceptsUntrusted || !nameRules.isEmpty || hasPins }

    private var hasPins: Bool { !pinnedKeys.isEmpty || !pinnedCertificates.isEmpty }

    /// A pin is proof enough: who has made the certificate does not matter then.
    var pinsWithoutTrust: Bool { hasPins && trust == .none && nameRules.isEmpty && !acceptsUntrusted }

    /// Two digits a byte, with or without colons between them.
    private static func hex(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text where character != ":" {
            guard character.isASCII, let digit = character.hexDigitValue.map(UInt8.init) else { return nil }
            if let first = high { bytes.append(first << 4 | digit) }
            high = high == nil ? digit : nil
        }
        return high == nil ? bytes : nil
    }

    /// Names prove nothing about a certificate that anyone may have made: Envoy refuses that, and so do we.
    var namesWithoutTrust: Bool { !nameRules.isEmpty && trust == .none }

    private mutating func addRule(
        _ kind: NameRule.Kind, _ matcher: Envoy_Type_Matcher_V3_StringMatcher, path: String,
        issues: inout [CompileIssue]
    ) {
        if matcher.ignoreCase, kind != .dns {
            issues.append(CompileIssue(path: path + ".ignore_case", message: "not supported for names of certificates"))
        }
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

extension TLSValidation.NameRule {
    var matcher: SubjectAlternativeNameMatcher {
        let kind: SubjectAlternativeNameMatcher.Kind =
            switch kind {
            case .any: .any
            case .uri: .uri
            case .dns: .dns
            }
        return switch pattern {
        case .exact(let text): SubjectAlternativeNameMatcher(kind, .exact(text))
        case .prefix(let text): SubjectAlternativeNameMatcher(kind, .prefix(text))
        case .suffix(let text): SubjectAlternativeNameMatcher(kind, .suffix(text))
        case .contains(let text): SubjectAlternativeNameMatcher(kind, .contains(text))
        }
    }
}
