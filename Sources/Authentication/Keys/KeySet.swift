import Crypto
import CryptoExtras

/// A JSON Web Key Set (RFC 7517), parsed: the keys of an issuer.
package struct KeySet: Sendable {
    /// Why a text is no key set. Envoy's texts.
    package enum Fault: Error, Sendable, CustomStringConvertible {
        case notJSON, withoutKeys, keysNotArray
        /// None of the keys can be used: what is wrong with the first.
        case noValidKey(String)

        package var description: String {
            switch self {
            case .notJSON: "Jwks is an invalid JSON"
            case .withoutKeys: "Jwks does not have [keys] field"
            case .keysNotArray: "[keys] in Jwks is not an array"
            case .noValidKey(let reason): "Jwks doesn't have any valid public key: \(reason)"
            }
        }
    }

    /// The most bytes of a key set's text, and the most keys that are looked at.
    package static let maxBytes = 1 << 20
    static let maxKeys = 200

    let keys: [VerificationKey]
    /// What was skipped, and why: one line for each key that cannot be used. For logs.
    package let skipped: [String]

    package var count: Int { keys.count }

    /// The `kid` of each key, empty for none; for `identity` and admin output.
    package var identifiers: [String] { keys.map(\.id) }

    /// Parses a key set. Keys of unknown types, or that cannot be used, are skipped as RFC 7517 section 5 wants it.
    package init(parsing text: String) throws(Fault) {
        var limits = JSONLimits()
        limits.maxBytes = Self.maxBytes
        limits.maxNodes = 20_000
        guard let document = try? JSONDocument(parsing: Array(text.utf8), limits: limits),
            document.kind(document.root) == .object
        else { throw .notJSON }
        guard let list = document.value(at: [Array("keys".utf8)]) else { throw .withoutKeys }
        guard document.kind(list) == .array else { throw .keysNotArray }
        var keys: [VerificationKey] = []
        var skipped: [String] = []
        var child = document.firstChild(list)
        while let found = child, keys.count < Self.maxKeys {
            do throws(KeyFault) {
                keys.append(try VerificationKey(document, found))
            } catch {
                skipped.append(error.reason)
            }
            child = document.nextChild(of: list, after: found)
        }
        guard !keys.isEmpty else { throw .noValidKey(skipped.first ?? "[keys] is empty") }
        self.keys = keys
        self.skipped = skipped
    }

    /// nil when one of the keys made `signature`.
    func fault(
        signature: [UInt8], of message: [UInt8], algorithm: SignatureAlgorithm, keyID: String
    ) -> TokenFault? {
        var isNamed = false
        for key in keys {
            // A key or a token without a name goes with any.
            if !keyID.isEmpty, !key.id.isEmpty, key.id != keyID { continue }
            if let only = key.algorithm, only != algorithm { continue }
            isNamed = true
            if case .ed25519 = key.material, algorithm == .edDSA, signature.count != 64 { return .signatureWrongLength }
            if key.verifies(signature, of: message, by: algorithm) { return nil }
        }
        return isNamed ? .verificationFailed : .noMatchingKey
    }
}

/// Why one key is skipped.
struct KeyFault: Error {
    let reason: String
}

extension VerificationKey {
    /// RFC 7518 section 6 and RFC 8037 section 2.
    init(_ document: JSONDocument, _ node: Int) throws(KeyFault) {
        guard document.kind(node) == .object else { throw KeyFault(reason: "a key is not an object") }
        let key = KeyFields(document: document, node: node)
        guard let type = try key.text("kty") else { throw KeyFault(reason: "[kty] is missing in [keys]") }
        id = (try? key.text("kid")) ?? ""
        let named = (try? key.text("alg")) ?? ""
        // The key may serve for encryption only, or for an algorithm that no token can use.
        if let use = try key.text("use"), use != "sig" { throw KeyFault(reason: "[use] is \(use), not sig") }
        algorithm = SignatureAlgorithm(rawValue: named)
        if !named.isEmpty, algorithm == nil { throw KeyFault(reason: "[alg] \(named) is not supported") }
        switch type {
        case "RSA": material = try .rsa(Self.rsa(key, named))
        case "EC": material = try Self.elliptic(key, named)
        case "OKP":
            guard named.isEmpty || algorithm == .edDSA else {
                throw KeyFault(reason: "[alg] is not [EdDSA] for an OKP key")
            }
            guard try key.text("crv") == "Ed25519" else {
                throw KeyFault(reason: "[crv] field is not supported for an OKP key")
            }
            let bytes = try key.bytes("x")
            guard bytes.count == 32, let parsed = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes) else {
                throw KeyFault(reason: "Jwks OKP [x] field is wrong length.")
            }
            material = .ed25519(parsed)
        case "oct":
            guard named.isEmpty || named.hasPrefix("HS") else {
                throw KeyFault(reason: "[alg] does not start with [HS] for an HMAC key")
            }
            let bytes = try key.bytes("k")
            guard !bytes.isEmpty else { throw KeyFault(reason: "Jwks Oct key is an invalid Base64") }
            material = .secret(SymmetricKey(data: bytes))
        default: throw KeyFault(reason: "[kty] is not supported in [keys]")
        }
    }

    private static func rsa(_ key: KeyFields, _ algorithm: String) throws(KeyFault) -> _RSA.Signing.PublicKey {
        guard algorithm.isEmpty || algorithm.hasPrefix("RS") || algorithm.hasPrefix("PS") else {
            throw KeyFault(reason: "[alg] is not started with [RS] or [PS] for an RSA key")
        }
        let modulus = try key.bytes("n")
        let exponent = try key.bytes("e")
        let significant = modulus.drop { $0 == 0 }.count
        // RFC 7518 section 3.3 wants 2048 bits; beyond 8192 a verification is a way to keep a proxy busy.
        guard (256...1024).contains(significant) else {
            throw KeyFault(reason: "an RSA key of \(significant * 8) bits: 2048 to 8192 are supported")
        }
        guard Array(exponent.drop { $0 == 0 }) == [1, 0, 1] || Array(exponent.drop { $0 == 0 }) == [3],
            let parsed = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
        else { throw KeyFault(reason: "Jwks RSA [n] or [e] field is missing or has a parse error") }
        return parsed
    }

    private static func elliptic(_ key: KeyFields, _ algorithm: String) throws(KeyFault) -> Material {
        let named = try key.text("crv") ?? ""
        let curve = named.isEmpty ? ["ES384": "P-384", "ES512": "P-521"][algorithm] ?? "P-256" : named
        let expected = ["P-256": "ES256", "P-384": "ES384", "P-521": "ES512"][curve]
        guard let expected else { throw KeyFault(reason: "[crv] or [alg] field is not supported for an EC key") }
        guard algorithm.isEmpty || algorithm == expected else {
            throw KeyFault(reason: "[crv] field specified is not compatible with [alg] for an EC key")
        }
        let size = curve == "P-256" ? 32 : curve == "P-384" ? 48 : 66
        var point: [UInt8] = [4]
        for name in ["x", "y"] {
            let bytes = Array(try key.bytes(name).drop { $0 == 0 })
            guard bytes.count <= size else {
                throw KeyFault(reason: "Jwks EC [x] and [y] fields have a parse error.")
            }
            point += [UInt8](repeating: 0, count: size - bytes.count) + bytes
        }
        let material: Material? =
            switch curve {
            case "P-256": (try? P256.Signing.PublicKey(x963Representation: point)).map { .p256($0) }
            case "P-384": (try? P384.Signing.PublicKey(x963Representation: point)).map { .p384($0) }
            default: (try? P521.Signing.PublicKey(x963Representation: point)).map { .p521($0) }
            }
        guard let material else { throw KeyFault(reason: "Jwks EC [x] and [y] fields have a parse error.") }
        return material
    }
}

/// The members of one key.
private struct KeyFields {
    let document: JSONDocument
    let node: Int

    func text(_ name: String) throws(KeyFault) -> String? {
        let name = Array(name.utf8)
        guard let member = document.member(node, name.span) else { return nil }
        guard document.kind(member) == .string else {
            throw KeyFault(reason: "[\(String(decoding: name, as: UTF8.self))] is bad in [keys]")
        }
        return document.string(member)
    }

    func bytes(_ name: String) throws(KeyFault) -> [UInt8] {
        guard let text = try text(name) else { throw KeyFault(reason: "[\(name)] field is missing for a key") }
        guard let bytes = Base64URL.decode(Array(text.utf8)[...]) else {
            throw KeyFault(reason: "[\(name)] field is an invalid Base64")
        }
        return bytes
    }
}
