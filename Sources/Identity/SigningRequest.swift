import Crypto
import SwiftASN1
import X509

/// What a proxy makes to get a certificate: a fresh P-256 key, which never leaves it, and the request to sign it.
package struct SigningRequest: Sendable {
    /// The private key, PKCS#8 PEM.
    package let privateKeyPEM: String
    /// The certificate signing request, PEM.
    package let requestPEM: String

    /// - Throws: only when the cryptographic library fails.
    package init(identity: SPIFFEID) throws {
        let key = P256.Signing.PrivateKey()
        let request = try CertificateSigningRequest(
            version: .v1,
            subject: DistinguishedName(),
            privateKey: Certificate.PrivateKey(key),
            attributes: CertificateSigningRequest.Attributes([
                .init(
                    ExtensionRequest(
                        extensions: Certificate.Extensions {
                            SubjectAlternativeNames([.uniformResourceIdentifier(identity.description)])
                        }
                    )
                )
            ]),
            signatureAlgorithm: .ecdsaWithSHA256
        )
        privateKeyPEM = key.pemRepresentation
        requestPEM = try request.serializeAsPEM().pemString
    }
}
