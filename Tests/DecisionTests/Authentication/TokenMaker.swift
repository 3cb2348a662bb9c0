import Authentication
import Crypto
import CryptoExtras
import Foundation
import HeaderBlock

/// Makes keys, key sets and tokens for tests; what it signs is what an issuer would sign.
struct TokenMaker: Sendable {
    static let rsa = try? _RSA.Signing.PrivateKey(keySize: .bits2048)
    static let otherRSA = try? _RSA.Signing.PrivateKey(keySize: .bits2048)
    let p256 = P256.Signing.PrivateKey()
    let p384 = P384.Signing.PrivateKey()
    let p521 = P521.Signing.PrivateKey()
    let ed25519 = Curve25519.Signing.PrivateKey()
    let secret = SymmetricKey(size: .bits256)

    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: Base64URL.encode(Array(bytes)), as: UTF8.self)
    }

    /// The public keys, one of each type; `algorithms` names them in `alg`.
    func keySet(withAlgorithms algorithms: Bool = true) throws -> String {
        func key(_ fields: [String: String], _ algorithm: String) -> [String: String] {
            algorithms ? fields.merging(["alg": algorithm]) { $1 } : fields
        }
        func point(_ bytes: Data) -> (String, String) {
            let half = (bytes.count - 1) / 2
            return (Self.encode(bytes.dropFirst().prefix(half)), Self.encode(bytes.dropFirst(1 + half)))
        }
        let numbers = try TokenMaker.rsa?.publicKey.getKeyPrimitives()
        var keys: [[String: String]] = []
        for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] where algorithms || algorithm == "RS256"
        {
            keys.append(
                key(
                    [
                        "kty": "RSA", "kid": "rsa", "n": Self.encode(numbers?.modulus ?? Data()),
                        "e": Self.encode(numbers?.publicExponent ?? Data()),
                    ], algorithm))
        }
        let curves = [
            ("P-256", "ES256", p256.publicKey.x963Representation),
            ("P-384", "ES384", p384.publicKey.x963Representation),
            ("P-521", "ES512", p521.publicKey.x963Representation),
        ]
        for (curve, algorithm, bytes) in curves {
            let (x, y) = point(bytes)
            keys.append(key(["kty": "EC", "kid": curve, "crv": curve, "x": x, "y": y], algorithm))
        }
        let x = Self.encode(ed25519.publicKey.rawRepresentation)
        keys.append(key(["kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": x], "EdDSA"))
        return String(decoding: try JSONSerialization.data(withJSONObject: ["keys": keys]), as: UTF8.self)
    }

    /// `header` and `payload` as JSON texts; what is signed, and how, follows `algorithm`.
    func token(header: String, payload: String, algorithm: String) throws -> String {
        let message = Self.encode(header.utf8) + "." + Self.encode(payload.utf8)
        let signature = try sign(Data(message.utf8), algorithm)
        return message + "." + Self.encode(signature)
    }

    func token(_ algorithm: String, kid: String? = nil, _ payload: String) throws -> String {
        let header = kid.map { #"{"alg":"\#(algorithm)","kid":"\#($0)","typ":"JWT"}"# } ?? #"{"alg":"\#(algorithm)"}"#
        return try token(header: header, payload: payload, algorithm: algorithm)
    }

    private func sign(_ message: Data, _ algorithm: String) throws -> Data {
        let padding: _RSA.Signing.Padding = algorithm.hasPrefix("PS") ? .PSS : .insecurePKCS1v1_5
        switch algorithm {
        case "RS256", "PS256":
            return try TokenMaker.rsa?.signature(for: SHA256.hash(data: message), padding: padding).rawRepresentation
                ?? Data()
        case "RS384", "PS384":
            return try TokenMaker.rsa?.signature(for: SHA384.hash(data: message), padding: padding).rawRepresentation
                ?? Data()
        case "RS512", "PS512":
            return try TokenMaker.rsa?.signature(for: SHA512.hash(data: message), padding: padding).rawRepresentation
                ?? Data()
        case "ES256": return try p256.signature(for: SHA256.hash(data: message)).rawRepresentation
        case "ES384": return try p384.signature(for: SHA384.hash(data: message)).rawRepresentation
        case "ES512": return try p521.signature(for: SHA512.hash(data: message)).rawRepresentation
        case "EdDSA": return try ed25519.signature(for: message)
        case "HS256": return Data(HMAC<SHA256>.authenticationCode(for: message, using: secret))
        default: return Data()
        }
    }
}

/// A request head with these fields.
struct TokenRequest {
    var path = "/"
    var fields: [(String, String)] = []

    func ask(
        _ authenticator: Authenticator, requirement: Int = 0, now: UInt64 = 1_700_000_000, cache: inout TokenCache
    ) -> AuthenticationVerdict {
        var bytes: [UInt8] = []
        func add(_ text: String) -> ByteRange {
            let start = bytes.count
            bytes.append(contentsOf: text.utf8)
            return ByteRange(start: start, length: bytes.count - start)
        }
        var table = HeaderTable()
        table.method = add("GET")
        table.path = add(path)
        table.authority = add("httpbin.foo:8000")
        for (name, value) in fields {
            let (name, value) = (add(name), add(value))
            _ = table.append(HeaderField(name: name, value: value, id: KnownHeader.classify(bytes.span, name)))
        }
        return authenticator.decide(
            HeadView(table, bytes: bytes.span), requirement: requirement, now: now, cache: &cache)
    }
}
