import Crypto
import HeaderBlock

/// One provider, compiled: everything that verification needs.
struct Provider: Sendable {
    let spec: ProviderSpec
    /// nil when no key of the set can be used: every token is refused then.
    let keys: KeySet?
    let keyFault: KeySet.Fault?
    let audiences: Set<String>
    let fingerprint: Fingerprint
    /// Headers that only this filter may set.
    let ownHeaders: [HeaderName]

    init(_ spec: ProviderSpec) {
        self.spec = spec
        audiences = Set(spec.audiences.map(Self.plainAudience))
        fingerprint = Self.fingerprint(spec)
        ownHeaders =
            (spec.forwardPayloadHeader.isEmpty ? [] : [HeaderName(spec.forwardPayloadHeader)])
            + spec.claimHeaders.map { HeaderName($0.header) }
        if spec.remoteKeys != nil {
            keys = nil
            keyFault = nil
            return
        }
        do throws(KeySet.Fault) {
            keys = try KeySet(parsing: spec.keySet)
            keyFault = nil
        } catch {
            keys = nil
            keyFault = error
        }
    }

    /// Believes a token, or says why not. Time is checked first, as in Envoy: an old token of an unknown key is old.
    /// - Parameter fetched: the keys of a provider whose keys are fetched.
    func verify(_ token: SignedToken, now: UInt64, _ fetched: KeySet? = nil) throws(TokenFault) -> VerifiedToken {
        if !spec.issuer.isEmpty, token.issuer != spec.issuer { throw .unknownIssuer }
        if now &+ spec.clockSkewSeconds < token.notBefore { throw .notYetValid }
        if token.expiry != 0, now > token.expiry &+ spec.clockSkewSeconds { throw .expired }
        // Envoy's reason for both, although the signature is not looked at yet.
        if spec.requiresExpiration, token.expiry == 0 { throw .verificationFailed }
        if spec.maxLifetimeSeconds > 0 {
            // From now on: Envoy does not look at `iat`.
            guard token.expiry != 0, token.expiry <= now &+ spec.maxLifetimeSeconds else { throw .verificationFailed }
        }
        if !audiences.isEmpty, !token.audiences.contains(where: { audiences.contains(Self.plainAudience($0)) }) {
            throw .audienceNotAllowed
        }
        guard let keys = fetched ?? keys else { throw .noValidKey }
        if let fault = keys.fault(
            signature: token.signature, of: token.message, algorithm: token.algorithm, keyID: token.keyID)
        {
            throw fault
        }
        return VerifiedToken(
            payload: ClaimText.splitting(spec.spaceDelimitedClaims, in: token.payload),
            encodedPayload: spec.padsForwardedPayload ? Self.padded(token.encodedPayload) : token.encodedPayload,
            claimHeaders: spec.claimHeaders.compactMap { header in
                ClaimText.value(of: header.claim, in: token.payload).map {
                    (name: Array(header.header.lowercased().utf8), value: $0)
                }
            },
            notBefore: token.notBefore, expiry: token.expiry)
    }

    /// Envoy compares audiences without scheme and without the last slash.
    static func plainAudience(_ text: String) -> String {
        var text = Substring(text)
        for scheme in ["https://", "http://"] where text.hasPrefix(scheme) {
            text = text.dropFirst(scheme.utf8.count)
            break
        }
        if text.hasSuffix("/") { text = text.dropLast() }
        return String(text)
    }

    private static func padded(_ text: [UInt8]) -> [UInt8] {
        text + [UInt8](repeating: UInt8(ascii: "="), count: (4 - text.count % 4) % 4)
    }

    private static func fingerprint(_ spec: ProviderSpec) -> Fingerprint {
        var digest = SHA256()
        func add(_ text: String) {
            let bytes = Array(text.utf8)
            digest.update(data: (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> ($0 * 8)) })
            digest.update(data: bytes)
        }
        func add(_ texts: [String]) {
            add("\(texts.count)")
            for text in texts { add(text) }
        }
        add([spec.name, spec.issuer, spec.keySet, spec.remoteKeys ?? "", spec.forwardPayloadHeader])
        add(spec.audiences)
        add(spec.claimHeaders.flatMap { [$0.header, $0.claim] })
        add(spec.spaceDelimitedClaims)
        add(
            "\(spec.padsForwardedPayload) \(spec.clockSkewSeconds) \(spec.requiresExpiration) \(spec.maxLifetimeSeconds)"
        )
        let bytes = Array(digest.finalize())
        let word = { (start: Int) in bytes[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        return Fingerprint(high: word(0), low: word(8))
    }
}
