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
        /// An environment variable that is not set.
        case unset(variable: String)
    }

    /// A certificate chain and its key; the key of one that SDS delivers comes with it.
    struct Certificate: Hashable, Sendable {
        var chain: Source
        var key = Source.none
    }

    var isServer: Bool
    var chain = Source.none
    var key = Source.none
    /// Servers: behind the first one.
    var furtherCertificates: [Certificate] = []
    var validation = TLSValidation()
    /// The name of the secret whose validation context is merged into `validation`.
    var validationSecret: String?
    var requiresClientCertificate = false
    var protocols: [String] = []
    var minimum = 0
    var maximum = 0
    var ciphers: [String] = []
    var curves: [String] = []
    var serverName = ""
    /// Peers that met before need only a short handshake. Envoy's default too.
    var resumesSessions = true

    /// The SDS names that must have arrived before a context can be made.
    var secretNames: [String] {
        var names: [String] = []
        for source in [chain] + furtherCertificates.map(\.chain) {
            if case .secret(let name) = source { names.append(name) }
        }
        if let validationSecret { names.append(validationSecret) }
        return names
    }

    /// Makes the context; nil while one of its secrets has not arrived.
    func context(
        secrets: [String: Envoy_Extensions_TransportSockets_Tls_V3_Secret]
    ) throws(TLSSpecError) -> TLSContext? {
        var spec = self
        guard let first = Certificate(chain: chain, key: key).delivered(by: secrets) else { return nil }
        (spec.chain, spec.key) = (first.chain, first.key)
        spec.furtherCertificates = []
        for further in furtherCertificates {
            guard let delivered = further.delivered(by: secrets) else { return nil }
            spec.furtherCertificates.append(delivered)
        }
        if let validationSecret {
            guard case .validationContext(let message)? = secrets[validationSecret]?.type else { return nil }
            // What it must not say was refused when it came.
            var issues: [CompileIssue] = []
            let delivered = TLSValidation(message, path: "", issues: &issues)
            if let issue = issues.first { throw TLSSpecError(reason: issue.description) }
            spec.validation = validation.merged(with: delivered)
            // A secret that should bring trust and brings none must not switch the check off.
            if !spec.validation.isOn || spec.validation.pinsWithoutTrust { spec.validation.trust = .bytes(Data()) }
        }
        return try spec.context()
    }

    /// Whether a context can be made of what is here already, whatever the secrets will be. What is reported by its own
    /// path (a server without a certificate, names without trust) is left out.
    func check() throws(TLSSpecError) {
        var spec = self
        if spec.isServer, chain == .none { return }
        if case .secret = chain {
            // Only a client has contexts without certificates; everything else is the same.
            spec.isServer = false
            spec.chain = .none
            spec.key = .none
        }
        spec.furtherCertificates.removeAll {
            if case .secret = $0.chain { true } else { !spec.isServer }
        }
        if spec.validation.trust == .none {
            spec.validation.nameRules = []
            spec.validation.acceptsUntrusted = true
        }
        _ = try spec.context()
    }

    private func context() throws(TLSSpecError) -> TLSContext {
        if validation.namesWithoutTrust {
            throw TLSSpecError(reason: "names of certificates are checked, but there is no trusted_ca to prove them")
        }
        var configuration = TLSConfiguration(role: isServer ? .server : .client)
        configuration.certificateChain = try material(chain)
        configuration.privateKey = try material(key)
        for further in furtherCertificates {
            configuration.furtherCertificates.append((try material(further.chain), try material(further.key)))
        }
        if validation.trust != .none { configuration.trustAnchors = [try trustedMaterial()] }
        configuration.verification =
            validation.isOn ? (isServer && !requiresClientCertificate ? .optional : .required) : .none
        configuration.acceptUntrusted = validation.acceptsUntrusted || validation.pinsWithoutTrust
        configuration.pinnedKeys = validation.pinnedKeys
        configuration.pinnedCertificates = validation.pinnedCertificates
        configuration.subjectAlternativeNames = validation.nameRules.map(\.matcher)
        configuration.applicationProtocols = protocols
        configuration.minimumVersion = Self.version(minimum) ?? .tls12
        configuration.maximumVersion = Self.version(maximum) ?? .tls13
        configuration.cipherSuites = ciphers
        configuration.curves = curves
        configuration.serverName = serverName.isEmpty ? nil : serverName
        configuration.resumesSessions = resumesSessions
        do {
            return try TLSContext(configuration)
        } catch {
            throw TLSSpecError(reason: "\(error)")
        }
    }

    /// The anchors, and the lists of what they have revoked.
    private func trustedMaterial() throws(TLSSpecError) -> TLSMaterial {
        let trust = try material(validation.trust)
        guard validation.revocation != .none, case .pem(let anchors) = trust,
            case .pem(let lists) = try material(validation.revocation)
        else { return trust }
        guard String(decoding: lists, as: UTF8.self).contains("-----BEGIN X509 CRL-----") else {
            throw TLSSpecError(reason: "crl holds no list (BEGIN X509 CRL)")
        }
        return .pem(anchors + [UInt8(ascii: "\n")] + lists)
    }

    /// envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol; nil is TLS_AUTO.
    private static func version(_ number: Int) -> TLSConfiguration.Version? {
        switch number {
        case 1: .tls10
        case 2: .tls11
        case 3: .tls12
        case 4: .tls13
        default: nil
        }
    }

    /// Where a `DataSource` points.
    static func source(_ data: Envoy_Config_Core_V3_DataSource) -> Source {
        switch data.specifier {
        case .filename(let path): .file(path)
        case .inlineBytes(let bytes): .bytes(bytes)
        case .inlineString(let text): .bytes(Data(text.utf8))
        case .environmentVariable(let name):
            ProcessInfo.processInfo.environment[name].map { .bytes(Data($0.utf8)) } ?? .unset(variable: name)
        case nil: .none
        }
    }

    private func material(_ source: Source) throws(TLSSpecError) -> TLSMaterial {
        switch source {
        case .none, .secret: return .none
        case .unset(let name): throw TLSSpecError(reason: "the environment variable \(name) is not set")
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

extension TLSSpec.Certificate {
    /// With what SDS has delivered in the place of a secret's name; nil when it has not.
    fileprivate func delivered(
        by secrets: [String: Envoy_Extensions_TransportSockets_Tls_V3_Secret]
    ) -> TLSSpec.Certificate? {
        guard case .secret(let name) = chain else { return self }
        guard case .tlsCertificate(let certificate)? = secrets[name]?.type else { return nil }
        return TLSSpec.Certificate(
            chain: TLSSpec.source(certificate.certificateChain), key: TLSSpec.source(certificate.privateKey))
    }
}

/// Why a TLS context cannot be made from its material.
struct TLSSpecError: Error {
    let reason: String
}
