import FoundationEssentials
import SwiftProtobuf
import TLS
import XDS

/// What a TLS context is made from, before its secrets are looked up. Equal specs share one context.
struct TLSSpec: Hashable, Sendable {
    /// Where certificates or keys come from.
    enum Source: Hashable, Sendable {
        case none
        case bytes(Data)
        case file(String)
        /// The name of a secret delivered by SDS.
        case secret(String)
    }

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

    var isServer: Bool
    var chain = Source.none
    var key = Source.none
    var trust = Source.none
    var nameRules: [NameRule] = []
    var acceptsUntrusted = false
    var requiresClientCertificate = false
    var protocols: [String] = []
    var minimum = 0
    var maximum = 0
    var ciphers: [String] = []
    var curves: [String] = []
    var serverName = ""

    /// The SDS names that must have arrived before a context can be made.
    var secretNames: [String] {
        [chain, trust].compactMap { if case .secret(let name) = $0 { name } else { nil } }
    }

    /// Makes the context; nil while one of its secrets has not arrived.
    func context(
        secrets: [String: Envoy_Extensions_TransportSockets_Tls_V3_Secret]
    ) throws(TLSSpecError) -> TLSContext? {
        var configuration = TLSConfiguration(role: isServer ? .server : .client)
        switch (chain, key) {
        case (.secret(let name), _):
            guard case .tlsCertificate(let certificate)? = secrets[name]?.type else { return nil }
            configuration.certificateChain = try material(Self.source(certificate.certificateChain))
            configuration.privateKey = try material(Self.source(certificate.privateKey))
        default:
            configuration.certificateChain = try material(chain)
            configuration.privateKey = try material(key)
        }
        switch trust {
        case .secret(let name):
            guard case .validationContext(let context)? = secrets[name]?.type else { return nil }
            configuration.trustAnchors = [try material(Self.source(context.trustedCa))]
        case .none: break
        case .bytes, .file: configuration.trustAnchors = [try material(trust)]
        }
        let validates = trust != .none || acceptsUntrusted
        configuration.verification =
            validates ? (isServer && !requiresClientCertificate ? .optional : .required) : .none
        configuration.acceptUntrusted = acceptsUntrusted
        configuration.subjectAlternativeNames = nameRules.map(\.matcher)
        configuration.applicationProtocols = protocols
        configuration.minimumVersion = minimum == 4 ? .tls13 : .tls12
        configuration.maximumVersion = maximum == 3 ? .tls12 : .tls13
        configuration.cipherSuites = ciphers
        configuration.curves = curves
        configuration.serverName = serverName.isEmpty ? nil : serverName
        do {
            return try TLSContext(configuration)
        } catch {
            throw TLSSpecError(reason: "\(error)")
        }
    }

    /// Where a `DataSource` points.
    static func source(_ data: Envoy_Config_Core_V3_DataSource) -> Source {
        switch data.specifier {
        case .filename(let path): .file(path)
        case .inlineBytes(let bytes): .bytes(bytes)
        case .inlineString(let text): .bytes(Data(text.utf8))
        case .environmentVariable(let name):
            ProcessInfo.processInfo.environment[name].map { .bytes(Data($0.utf8)) } ?? .none
        case nil: .none
        }
    }

    private func material(_ source: Source) throws(TLSSpecError) -> TLSMaterial {
        switch source {
        case .none, .secret: return .none
        case .bytes(let data): return .pem(Array(data))
        case .file(let path):
            do {
                return .pem(Array(try Data(contentsOf: URL(filePath: path))))
            } catch {
                throw TLSSpecError(reason: "\(path) cannot be read")
            }
        }
    }
}

/// Why a TLS context cannot be made from its material.
struct TLSSpecError: Error {
    let reason: String
}

extension TLSSpec.NameRule {
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
