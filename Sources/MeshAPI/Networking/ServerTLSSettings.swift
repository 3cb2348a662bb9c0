/// TLS that a gateway server terminates or passes through.
package struct ServerTLSSettings: ObjectDecodable {
    package enum Mode: String, CaseIterable, Sendable {
        case passthrough = "PASSTHROUGH"
        case simple = "SIMPLE"
        case mutual = "MUTUAL"
        case autoPassthrough = "AUTO_PASSTHROUGH"
        case istioMutual = "ISTIO_MUTUAL"
        case optionalMutual = "OPTIONAL_MUTUAL"
    }

    package enum Version: String, CaseIterable, Sendable {
        case auto = "TLS_AUTO"
        case tls10 = "TLSV1_0"
        case tls11 = "TLSV1_1"
        case tls12 = "TLSV1_2"
        case tls13 = "TLSV1_3"
    }

    package struct Certificate: ObjectDecodable {
        package var serverCertificate: String?
        package var privateKey: String?
        package var caCertificates: String?

        package init(_ reader: ObjectReader) {
            serverCertificate = reader.string("serverCertificate")
            privateKey = reader.string("privateKey")
            caCertificates = reader.string("caCertificates")
        }
    }

    package var location: SourceLocation
    package var httpsRedirect: Bool
    package var mode: Mode
    package var serverCertificate: String?
    package var privateKey: String?
    package var caCertificates: String?
    package var caCRL: String?
    /// Secret in the gateway pod's namespace.
    package var credentialName: Located<String>?
    package var credentialNames: [Located<String>]
    package var caCertCredentialName: Located<String>?
    package var tlsCertificates: [Certificate]
    package var subjectAltNames: [String]
    package var verifyCertificateSPKI: [String]
    package var verifyCertificateHash: [String]
    package var minProtocolVersion: Version
    package var maxProtocolVersion: Version
    package var cipherSuites: [String]
    package var insecureSkipVerify: Bool?

    package init(_ reader: ObjectReader) {
        location = reader.location
        httpsRedirect = reader.bool("httpsRedirect") ?? false
        mode = reader.choice("mode") ?? .passthrough
        serverCertificate = reader.string("serverCertificate")
        privateKey = reader.string("privateKey")
        caCertificates = reader.string("caCertificates")
        caCRL = reader.string("caCrl")
        credentialName = reader.located("credentialName")
        credentialNames = reader.locatedStrings("credentialNames")
        caCertCredentialName = reader.located("caCertCredentialName")
        tlsCertificates = reader.objects("tlsCertificates")
        subjectAltNames = reader.strings("subjectAltNames")
        verifyCertificateSPKI = reader.strings("verifyCertificateSpki")
        verifyCertificateHash = reader.strings("verifyCertificateHash")
        minProtocolVersion = reader.choice("minProtocolVersion") ?? .auto
        maxProtocolVersion = reader.choice("maxProtocolVersion") ?? .auto
        cipherSuites = reader.strings("cipherSuites")
        insecureSkipVerify = reader.bool("insecureSkipVerify")
        ServerTLSRules.check(self, reader)
    }
}
