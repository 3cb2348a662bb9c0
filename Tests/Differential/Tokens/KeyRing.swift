import Crypto
import CryptoExtras
import Foundation

/// The keys of two issuers, made anew for each run. Both call their keys by the same names: a name alone proves nothing.
struct KeyRing: Sendable {
    static let shared: Result<KeyRing, any Error> = Result { try KeyRing() }

    /// One issuer's key of each type.
    struct Keys: Sendable {
        let rsa: _RSA.Signing.PrivateKey
        let p256 = P256.Signing.PrivateKey()
        let p384 = P384.Signing.PrivateKey()
        let p521 = P521.Signing.PrivateKey()
        let ed25519 = Curve25519.Signing.PrivateKey()

        init() throws { rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048) }
    }

    /// An algorithm and the name of the key that serves it.
    static let algorithms = [
        ("RS256", "rsa"), ("RS384", "rsa"), ("RS512", "rsa"), ("PS256", "rsa"), ("PS384", "rsa"), ("PS512", "rsa"),
        ("ES256", "p256"), ("ES384", "p384"), ("ES512", "p521"), ("EdDSA", "ed"),
    ]

    let issuer: Keys
    let other: Keys

    private init() throws {
        issuer = try Keys()
        other = try Keys()
    }

    /// The public keys as JSON without quotes of the single kind. The issuer's say their algorithm, the other's do not.
    func keySet(other isOther: Bool) throws -> String {
        let keys = isOther ? other : issuer
        let numbers = try keys.rsa.publicKey.getKeyPrimitives()
        var list: [[String: String]] = []
        for (algorithm, name) in Self.algorithms where !isOther || algorithm != "RS384" {
            var key = ["kid": name]
            if !isOther { key["alg"] = algorithm }
            switch name {
            case "rsa":
                key["kty"] = "RSA"
                key["n"] = Self.encode(numbers.modulus)
                key["e"] = Self.encode(numbers.publicExponent)
            case "ed":
                key["kty"] = "OKP"
                key["crv"] = "Ed25519"
                key["x"] = Self.encode(keys.ed25519.publicKey.rawRepresentation)
            default:
                let (curve, point) =
                    switch name {
                    case "p256": ("P-256", keys.p256.publicKey.x963Representation)
                    case "p384": ("P-384", keys.p384.publicKey.x963Representation)
                    default: ("P-521", keys.p521.publicKey.x963Representation)
                    }
                let half = (point.count - 1) / 2
                key["kty"] = "EC"
                key["crv"] = curve
                key["x"] = Self.encode(point.dropFirst().prefix(half))
                key["y"] = Self.encode(point.dropFirst(1 + half))
            }
            list.append(key)
        }
        let json = try JSONSerialization.data(withJSONObject: ["keys": list], options: [.sortedKeys])
        return String(decoding: json, as: UTF8.self)
    }

    /// The signature of `message` by one issuer; empty for an algorithm without a key.
    func sign(_ message: String, _ algorithm: String, other isOther: Bool) throws -> Data {
        let keys = isOther ? other : issuer
        let data = Data(message.utf8)
        let padding: _RSA.Signing.Padding = algorithm.hasPrefix("PS") ? .PSS : .insecurePKCS1v1_5
        switch algorithm {
        case "RS256", "PS256":
            return try keys.rsa.signature(for: SHA256.hash(data: data), padding: padding).rawRepresentation
        case "RS384", "PS384":
            return try keys.rsa.signature(for: SHA384.hash(data: data), padding: padding).rawRepresentation
        case "RS512", "PS512":
            return try keys.rsa.signature(for: SHA512.hash(data: data), padding: padding).rawRepresentation
        case "ES256": return try keys.p256.signature(for: SHA256.hash(data: data)).rawRepresentation
        case "ES384": return try keys.p384.signature(for: SHA384.hash(data: data)).rawRepresentation
        case "ES512": return try keys.p521.signature(for: SHA512.hash(data: data)).rawRepresentation
        case "EdDSA": return try keys.ed25519.signature(for: data)
        // Confusion: the published key as the secret.
        case "HS256":
            let secret = SymmetricKey(data: Data(try keySet(other: isOther).utf8))
            return Data(HMAC<SHA256>.authenticationCode(for: data, using: secret))
        default: return Data()
        }
    }

    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}
