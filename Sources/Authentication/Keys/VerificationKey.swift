import Crypto
import CryptoExtras

/// One key that signatures are verified with. Its type decides which algorithms it may serve: a token cannot choose
/// another use of the same bytes (RFC 8725 section 3.1).
struct VerificationKey: Sendable {
    enum Material: Sendable {
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
        case secret(SymmetricKey)
    }

    let material: Material
    /// Empty is none.
    let id: String
    /// The only algorithm that the key's publisher allows; nil is every algorithm of its type.
    let algorithm: SignatureAlgorithm?

    /// Whether `signature` over `message` is this key's by `algorithm`; false also when the key's type does not have it.
    func verifies(_ signature: [UInt8], of message: [UInt8], by algorithm: SignatureAlgorithm) -> Bool {
        switch (material, algorithm) {
        case (.rsa(let key), .rs256): rsa(key, signature, SHA256.hash(data: message), .insecurePKCS1v1_5)
        case (.rsa(let key), .rs384): rsa(key, signature, SHA384.hash(data: message), .insecurePKCS1v1_5)
        case (.rsa(let key), .rs512): rsa(key, signature, SHA512.hash(data: message), .insecurePKCS1v1_5)
        case (.rsa(let key), .ps256): rsa(key, signature, SHA256.hash(data: message), .PSS)
        case (.rsa(let key), .ps384): rsa(key, signature, SHA384.hash(data: message), .PSS)
        case (.rsa(let key), .ps512): rsa(key, signature, SHA512.hash(data: message), .PSS)
        case (.p256(let key), .es256):
            if let parsed = try? P256.Signing.ECDSASignature(rawRepresentation: signature) {
                key.isValidSignature(parsed, for: SHA256.hash(data: message))
            } else {
                false
            }
        case (.p384(let key), .es384):
            if let parsed = try? P384.Signing.ECDSASignature(rawRepresentation: signature) {
                key.isValidSignature(parsed, for: SHA384.hash(data: message))
            } else {
                false
            }
        case (.p521(let key), .es512):
            if let parsed = try? P521.Signing.ECDSASignature(rawRepresentation: signature) {
                key.isValidSignature(parsed, for: SHA512.hash(data: message))
            } else {
                false
            }
        case (.ed25519(let key), .edDSA): key.isValidSignature(signature, for: message)
        case (.secret(let key), .hs256):
            HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case (.secret(let key), .hs384):
            HMAC<SHA384>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case (.secret(let key), .hs512):
            HMAC<SHA512>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        default: false
        }
    }

    private func rsa(
        _ key: _RSA.Signing.PublicKey, _ signature: [UInt8], _ digest: some Digest, _ padding: _RSA.Signing.Padding
    ) -> Bool {
        key.isValidSignature(
            _RSA.Signing.RSASignature(rawRepresentation: signature), for: digest, padding: padding)
    }
}
