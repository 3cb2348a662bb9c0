/// TLS that clients use towards a host. Setting it turns automatic mutual TLS off for its scope.
package struct ClientTLSSettings: ObjectDecodable {
    package enum Mode: String, CaseIterable, Sendable {
        case disable = "DISABLE"
        case simple = "SIMPLE"
        case mutual = "MUTUAL"
        case istioMutual = "ISTIO_MUTUAL"
    }

    package var location: SourceLocation
    package var mode: Mode
    package var clientCertificate: String?
    package var privateKey: String?
    package var caCertificates: String?
    package var caCRL: String?
    package var credentialName: Located<String>?
    package var subjectAltNames: [String]
    package var sni: String?
    package var insecureSkipVerify: Bool?

    package init(_ reader: ObjectReader) {
        location = reader.location
        mode = reader.choice("mode") ?? .disable
        clientCertificate = reader.string("clientCertificate")
        privateKey = reader.string("privateKey")
        caCertificates = reader.string("caCertificates")
        caCRL = reader.string("caCrl")
        credentialName = reader.located("credentialName")
        subjectAltNames = reader.strings("subjectAltNames")
        sni = reader.string("sni")
        insecureSkipVerify = reader.bool("insecureSkipVerify")
        ClientTLSRules.check(self, reader)
    }
}
