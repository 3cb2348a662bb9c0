import Crypto
import Foundation
import SwiftASN1
import TLS
import X509

/// A certificate authority for tests, and what it issues.
struct Authority {
    struct Issued {
        var chain: TLSMaterial
        var key: TLSMaterial
    }

    let certificate: Certificate
    private let key: Certificate.PrivateKey
    private let name: DistinguishedName

    var anchor: TLSMaterial { .pem((try? certificate.serializeAsPEM().pemString) ?? "") }

    init(_ commonName: String) throws {
        key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        name = try DistinguishedName { CommonName(commonName) }
        certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: key.publicKey,
            notValidBefore: Date() - 3600,
            notValidAfter: Date() + 3600,
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            },
            issuerPrivateKey: key
        )
    }

    func issue(
        uri: String? = nil,
        dns: String? = nil,
        from: TimeInterval = -60,
        until: TimeInterval = 600
    ) throws -> Issued {
        let leafKey = P256.Signing.PrivateKey()
        var names: [GeneralName] = []
        if let uri { names.append(.uniformResourceIdentifier(uri)) }
        if let dns { names.append(.dnsName(dns)) }
        let leaf = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: .init(leafKey.publicKey),
            notValidBefore: Date() + from,
            notValidAfter: Date() + until,
            issuer: name,
            subject: try DistinguishedName { OrganizationName("mesh") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectAlternativeNames(names)
            },
            issuerPrivateKey: key
        )
        return Issued(
            chain: .pem(try leaf.serializeAsPEM().pemString),
            key: .pem(leafKey.pemRepresentation)
        )
    }
}
