/// One name rule for the peer's leaf certificate (`match_typed_subject_alt_names` of Envoy's
/// `CertificateValidationContext`). Comparison is of bytes; DNS names compare without case, and a certificate's
/// `*.example.com` covers one label (RFC 6125 section 6.4.3).
package struct SubjectAlternativeNameMatcher: Sendable {
    package enum Kind: Sendable { case any, uri, dns }

    package enum Pattern: Sendable {
        case exact(String)
        case prefix(String)
        case suffix(String)
        case contains(String)
        /// A rule that the caller evaluates (a regular expression, say); `description` appears in error texts.
        case predicate(description: String, @Sendable ([UInt8]) -> Bool)
    }

    package var kind: Kind
    package var pattern: Pattern

    package init(_ kind: Kind, _ pattern: Pattern) {
        self.kind = kind
        self.pattern = pattern
    }

    /// Any SPIFFE id of the trust domain.
    package static func spiffe(trustDomain: String) -> SubjectAlternativeNameMatcher {
        SubjectAlternativeNameMatcher(.uri, .prefix("spiffe://\(trustDomain)/"))
    }

    package func matches(_ certificate: TLSCertificate) -> Bool {
        if kind != .dns, certificate.uriNames.contains(where: { matches($0, caseless: false) }) { return true }
        if kind != .uri, certificate.dnsNames.contains(where: { matches($0, caseless: true) }) { return true }
        return false
    }

    private func matches(_ name: [UInt8], caseless: Bool) -> Bool {
        let name = caseless ? name.map(Self.lowercased) : name
        func bytes(_ text: String) -> [UInt8] { caseless ? text.utf8.map(Self.lowercased) : Array(text.utf8) }
        switch pattern {
        case .exact(let text):
            let wanted = bytes(text)
            return name == wanted || (caseless && Self.wildcard(name, covers: wanted))
        case .prefix(let text): return name.starts(with: bytes(text))
        case .suffix(let text): return name.reversed().starts(with: bytes(text).reversed())
        case .contains(let text): return Self.contains(name, bytes(text))
        case .predicate(_, let holds): return holds(name)
        }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    private static func wildcard(_ name: [UInt8], covers wanted: [UInt8]) -> Bool {
        guard name.starts(with: "*.".utf8), let dot = wanted.firstIndex(of: UInt8(ascii: ".")), dot > 0 else {
            return false
        }
        return name[1...] == wanted[dot...]
    }

    private static func contains(_ name: [UInt8], _ part: [UInt8]) -> Bool {
        guard part.count <= name.count else { return false }
        return (0...(name.count - part.count)).contains { name[$0...].starts(with: part) }
    }
}

extension SubjectAlternativeNameMatcher: CustomStringConvertible {
    package var description: String {
        switch pattern {
        case .exact(let text): text
        case .prefix(let text): "\(text)*"
        case .suffix(let text): "*\(text)"
        case .contains(let text): "*\(text)*"
        case .predicate(let description, _): description
        }
    }
}
