/// A workload's identity, `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT` (SPIFFE-ID section 2, Istio's path).
package struct SPIFFEID: Sendable, Hashable, CustomStringConvertible {
    package let trustDomain: String
    package let namespace: String
    package let serviceAccount: String

    /// - Throws: when a part is empty or holds a character that the part may not hold.
    package init(trustDomain: String, namespace: String, serviceAccount: String) throws(IdentityError) {
        let text = "spiffe://\(trustDomain)/ns/\(namespace)/sa/\(serviceAccount)"
        guard text.utf8.count <= 2048, Self.isTrustDomain(trustDomain), Self.isSegment(namespace),
            Self.isSegment(serviceAccount)
        else { throw .malformedIdentity(text) }
        self.trustDomain = trustDomain
        self.namespace = namespace
        self.serviceAccount = serviceAccount
    }

    /// Reads the URI form.
    package init(_ text: String) throws(IdentityError) {
        let scheme = "spiffe://"
        let parts = text.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard text.hasPrefix(scheme), parts.count == 5, parts[1] == "ns", parts[3] == "sa" else {
            throw .malformedIdentity(text)
        }
        try self.init(
            trustDomain: String(parts[0]), namespace: String(parts[2]), serviceAccount: String(parts[4])
        )
    }

    package var description: String {
        "spiffe://\(trustDomain)/ns/\(namespace)/sa/\(serviceAccount)"
    }

    private static func isTrustDomain(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 255
            && text.utf8.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: ".") || isDash($0) }
    }

    private static func isSegment(_ text: String) -> Bool {
        guard !text.isEmpty, text != ".", text != ".." else { return false }
        return text.utf8.allSatisfy { byte in
            isLowerOrDigit(byte) || isDash(byte) || byte == UInt8(ascii: ".")
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        }
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isDash(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
}
