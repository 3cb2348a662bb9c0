/// A JSON Web Token in compact form (RFC 7519, RFC 7515 section 7.1), taken apart and not yet believed.
struct SignedToken: Sendable {
    /// A longer token is refused before it is looked at. (HTTP heads end far earlier by default.)
    static let maxBytes = 64 * 1024

    let algorithm: SignatureAlgorithm
    /// Empty is none.
    let keyID: String
    let payload: JSONDocument
    /// The payload as it was sent.
    let encodedPayload: [UInt8]
    /// What is signed: header, dot, payload.
    let message: [UInt8]
    let signature: [UInt8]
    /// Empty is none.
    let issuer: String
    let audiences: [String]
    /// Seconds since 1970; 0 is none, as Envoy takes it.
    let notBefore: UInt64
    let expiry: UInt64

    init(parsing text: [UInt8]) throws(TokenFault) {
        guard text.count <= Self.maxBytes else { throw .badFormat }
        let sections = text.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        guard sections.count == 3, !sections.contains(where: \.isEmpty) else { throw .badFormat }
        guard let header = Base64URL.decode(sections[0]) else { throw .headerNotBase64 }
        guard let header = try? JSONDocument(parsing: header), header.kind(header.root) == .object else {
            throw .headerNotJSON
        }
        guard let name = try Self.text(header, "alg", .algorithmMissing) else { throw .algorithmMissing }
        guard let algorithm = SignatureAlgorithm(rawValue: name) else { throw .algorithmUnsupported }
        self.algorithm = algorithm
        // An extension that must be understood (RFC 7515 section 4.1.11): none is.
        guard header.value(at: [Array("crit".utf8)]) == nil else { throw .algorithmUnsupported }
        keyID = try Self.text(header, "kid", .keyIDNotString) ?? ""

        guard let bytes = Base64URL.decode(sections[1]) else { throw .payloadNotBase64 }
        guard let payload = try? JSONDocument(parsing: bytes), payload.kind(payload.root) == .object else {
            throw .payloadNotJSON
        }
        self.payload = payload
        encodedPayload = Array(sections[1])
        issuer = try Self.text(payload, "iss", .issuerNotString) ?? ""
        _ = try Self.text(payload, "sub", .subjectNotString)
        // It counts for nothing, but has to be a time.
        _ = try Self.seconds(payload, "iat", .issuedAtNotInteger, .issuedAtOutOfRange)
        notBefore = try Self.seconds(payload, "nbf", .notBeforeNotInteger, .notBeforeOutOfRange)
        expiry = try Self.seconds(payload, "exp", .expiryNotInteger, .expiryOutOfRange)
        _ = try Self.text(payload, "jti", .identifierNotString)
        audiences = try Self.texts(payload, "aud", .audienceNotString)
        guard let signature = Base64URL.decode(sections[2]) else { throw .signatureNotBase64 }
        self.signature = signature
        message = Array(text[..<(sections[2].startIndex - 1)])
    }

    private static func text(_ document: JSONDocument, _ name: String, _ fault: TokenFault) throws(TokenFault)
        -> String?
    {
        guard let node = document.value(at: [Array(name.utf8)]) else { return nil }
        guard document.kind(node) == .string else { throw fault }
        return document.string(node)
    }

    private static func texts(_ document: JSONDocument, _ name: String, _ fault: TokenFault) throws(TokenFault)
        -> [String]
    {
        guard let node = document.value(at: [Array(name.utf8)]) else { return [] }
        if document.kind(node) == .string { return [document.string(node)] }
        guard document.kind(node) == .array else { throw fault }
        var result: [String] = []
        var child = document.firstChild(node)
        while let found = child {
            guard document.kind(found) == .string else { throw fault }
            result.append(document.string(found))
            child = document.nextChild(of: node, after: found)
        }
        return result
    }

    private static func seconds(
        _ document: JSONDocument, _ name: String, _ type: TokenFault, _ range: TokenFault
    ) throws(TokenFault) -> UInt64 {
        guard let node = document.value(at: [Array(name.utf8)]) else { return 0 }
        guard document.kind(node) == .number else { throw type }
        let value = document.number(node)
        guard value >= 0, value < 9_007_199_254_740_992 * 1024 else { throw range }
        return UInt64(value)
    }
}
