import Crypto
package import FoundationEssentials

/// A local mesh's proof of who a workload is: a JSON payload and its HMAC-SHA256 under the mesh's token key.
///
/// Text form: `base64url(payload) "." base64url(HMAC-SHA256(key, payload))`, without padding.
package struct WorkloadToken: Sendable, Hashable {
    package enum Audience: String, Sendable {
        /// Certificate signing; such a token is good for one request.
        case ca
        /// Aggregated discovery; good until it expires.
        case xds
    }

    package var audience: Audience
    package var namespace: String
    package var serviceAccount: String
    package var pod: String
    /// Hex; unique to the token.
    package var nonce: String
    package var expires: Date
    /// Whether the pod is a gateway: only such a proxy is sent what gateways have, certificates of theirs among it.
    package var isGateway: Bool

    /// A token with a fresh nonce.
    package init(
        audience: Audience, namespace: String, serviceAccount: String, pod: String, expires: Date,
        isGateway: Bool = false
    ) {
        self.isGateway = isGateway
        self.audience = audience
        self.namespace = namespace
        self.serviceAccount = serviceAccount
        self.pod = pod
        self.nonce = (0..<16).map { _ in hex(UInt8.random(in: 0...255)) }.joined()
        self.expires = expires
    }

    /// The token that follows this one. It is the same whenever the same key asks, so that an answer which is given twice
    /// brings no second token.
    package func successor(for keyDigest: String, expires: Date, key: TokenKey) -> WorkloadToken {
        var next = WorkloadToken(
            audience: audience, namespace: namespace, serviceAccount: serviceAccount, pod: pod, expires: expires,
            isGateway: isGateway)
        let code = HMAC<SHA256>.authenticationCode(for: Data("successor \(nonce) \(keyDigest)".utf8), using: key.key)
        next.nonce = code.prefix(16).map { hex($0) }.joined()
        return next
    }

    private struct Payload: Codable {
        var aud: String
        var ns: String
        var sa: String
        var pod: String
        var nonce: String
        var exp: Int64
        /// `gateway`; absent for others.
        var role: String?
    }

    /// The token's text, signed with `key`.
    package func mint(key: TokenKey) -> String {
        let payload = Payload(
            aud: audience.rawValue, ns: namespace, sa: serviceAccount, pod: pod, nonce: nonce,
            exp: Int64(expires.timeIntervalSince1970), role: isGateway ? "gateway" : nil
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and one integer always encode; an empty payload would verify nowhere.
        let text = (try? encoder.encode(payload)) ?? Data()
        let code = HMAC<SHA256>.authenticationCode(for: text, using: key.key)
        return base64URL(text) + "." + base64URL(Data(code))
    }

    /// Reads and verifies a token.
    /// - Throws: `IdentityError` naming what is wrong; the signature is checked before anything else is believed.
    package static func verify(
        _ text: String, audience: Audience, key: TokenKey, now: Date
    ) throws(IdentityError) -> WorkloadToken {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 4096, parts.count == 2, let payload = data(base64URL: parts[0]),
            let code = data(base64URL: parts[1])
        else { throw .malformedToken }
        guard HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: payload, using: key.key) else {
            throw .wrongSignature
        }
        guard let fields = try? JSONDecoder().decode(Payload.self, from: payload),
            let actual = Audience(rawValue: fields.aud)
        else { throw .malformedToken }
        guard actual == audience else {
            throw .wrongAudience(expected: audience.rawValue, actual: fields.aud)
        }
        var token = WorkloadToken(
            audience: actual, namespace: fields.ns, serviceAccount: fields.sa, pod: fields.pod,
            expires: Date(timeIntervalSince1970: Double(fields.exp)), isGateway: fields.role == "gateway"
        )
        token.nonce = fields.nonce
        guard now < token.expires else { throw .expired }
        return token
    }
}

/// The secret that signs a local mesh's workload tokens: 32 random bytes, stored as hex.
package struct TokenKey: Sendable {
    let key: SymmetricKey

    /// A new random key.
    package init() {
        key = SymmetricKey(size: .bits256)
    }

    /// - Throws: when `hex` is not 64 hexadecimal digits.
    package init(hex text: String) throws(IdentityError) {
        let digits = Array(text.utf8.filter { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
        var bytes: [UInt8] = []
        var index = 0
        while index + 1 < digits.count {
            let pair = String(decoding: digits[index...(index + 1)], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { break }
            bytes.append(byte)
            index += 2
        }
        guard digits.count == 64, bytes.count == 32 else {
            throw .file(path: "token key", reason: "expected 64 hexadecimal digits")
        }
        key = SymmetricKey(data: bytes)
    }

    /// Reads the key from a file.
    package init(path: String) throws(IdentityError) {
        try self.init(hex: try PrivateFile.read(path))
    }

    package var hex: String {
        key.withUnsafeBytes { bytes in bytes.map { Identity.hex($0) }.joined() }
    }
}

/// Remembers which one-time tokens were used, until they would have expired anyway.
///
/// An answer may be lost on its way: for some minutes a spent token is good again for the very key that it was spent for,
/// which only whoever made the first request holds.
package struct NonceLedger: Sendable {
    private struct Use {
        var expires: Date
        /// What the certificate was for: `CertificateAuthority.Issued.keyDigest`.
        var key: String
        var spent: Date
    }

    /// How long an answer may be asked for again, in seconds.
    static let patience: TimeInterval = 300

    private var used: [String: Use] = [:]

    package init() {}

    /// Reads what `text` wrote; lines that make no sense are left out.
    package init(text: String, now: Date) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 4, let seconds = Double(words[1]), let spent = Double(words[3]) else { continue }
            let use = Use(
                expires: Date(timeIntervalSince1970: seconds), key: String(words[2]),
                spent: Date(timeIntervalSince1970: spent))
            if use.expires > now { used[String(words[0])] = use }
        }
    }

    /// A line per spent nonce: the nonce, when its token expires, for which key and when it was spent; times in seconds
    /// since 1970.
    package var text: String {
        used.sorted { $0.key < $1.key }.map { nonce, use in
            "\(nonce) \(Int64(use.expires.timeIntervalSince1970)) \(use.key) \(Int64(use.spent.timeIntervalSince1970))\n"
        }.joined()
    }

    /// Marks the token as used for a key.
    /// - Parameter key: a text without spaces that stands for the public key.
    /// - Throws: `replayed` when it was used before, unless that was for the same key and moments ago.
    package mutating func spend(_ token: WorkloadToken, key: String, now: Date) throws(IdentityError) {
        if let use = used[token.nonce] {
            guard use.key == key, now < use.spent.addingTimeInterval(Self.patience) else { throw .replayed }
            return
        }
        used = used.filter { $0.value.expires > now }
        used[token.nonce] = Use(expires: token.expires, key: key, spent: now)
    }
}

private func hex(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
}

private func base64URL(_ data: Data) -> String {
    String(
        data.base64EncodedString().compactMap { character -> Character? in
            switch character {
            case "+": "-"
            case "/": "_"
            case "=": nil
            default: character
            }
        }
    )
}

private func data(base64URL text: Substring) -> Data? {
    var standard = String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
    while standard.utf8.count % 4 != 0 { standard += "=" }
    return Data(base64Encoded: standard)
}
