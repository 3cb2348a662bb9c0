import MeshAPI

/// Callers by an identity as Linkerd writes it, in terms of SPIFFE ids.
///
/// `ACCOUNT.NAMESPACE.serviceaccount.identity.CONTROL-PLANE-NAMESPACE.TRUST-DOMAIN` is Linkerd's name of what SPIFFE writes as
/// `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`; `*.` stands for whatever is before the rest.
enum LinkerdIdentity: Equatable {
    /// `*`: whoever has an identity.
    case anyone
    /// A SPIFFE id as it is.
    case id(String)
    /// A regular expression of SPIFFE ids.
    case pattern(String)
    /// What no identity of this mesh is called.
    case nobody

    /// - Parameter trustDomains: the mesh's own, then its aliases.
    init(_ text: String, trustDomains: [String]) {
        if text == "*" {
            self = .anyone
            return
        }
        if text.hasPrefix("spiffe://") {
            self = .id(text)
            return
        }
        let isSuffix = text.hasPrefix("*.")
        let parts = (isSuffix ? text.dropFirst(2) : text[...])
            .split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let known = trustDomains.filter { Self.ends(parts, in: $0, isSuffix: isSuffix) }
        guard !known.isEmpty, !parts.contains("") else {
            self = .nobody
            return
        }
        // The mesh's name stands for its other names too.
        let domain = Self.either(known.first == trustDomains.first ? trustDomains : known)
        guard let mark = Self.mark(parts), mark > 0 else {
            self = .pattern("spiffe://\(domain)/ns/[^/]+/sa/[^/]+")
            return
        }
        let namespace = PolicyMatchers.quoted(parts[mark - 1])
        let account = PolicyMatchers.quoted(parts[..<(mark - 1)].joined(separator: "."))
        switch (isSuffix, account.isEmpty) {
        case (true, true): self = .pattern("spiffe://\(domain)/ns/\(namespace)/sa/[^/]+")
        case (true, false): self = .pattern("spiffe://\(domain)/ns/\(namespace)/sa/[^/]+\\.\(account)")
        case (false, false): self = .pattern("spiffe://\(domain)/ns/\(namespace)/sa/\(account)")
        case (false, true): self = .nobody
        }
    }

    static func account(_ name: String, namespace: String, trustDomains: [String]) -> LinkerdIdentity {
        .pattern(
            "spiffe://\(either(trustDomains))/ns/\(PolicyMatchers.quoted(namespace))/sa/\(PolicyMatchers.quoted(name))")
    }

    static func namespace(_ name: String, trustDomains: [String]) -> LinkerdIdentity {
        .pattern("spiffe://\(either(trustDomains))/ns/\(PolicyMatchers.quoted(name))/sa/[^/]+")
    }

    private static func either(_ domains: [String]) -> String {
        domains.count == 1
            ? PolicyMatchers.quoted(domains[0]) : "(?:\(domains.map(PolicyMatchers.quoted).joined(separator: "|")))"
    }

    /// The place of `serviceaccount.identity`, in front of which are account and namespace.
    private static func mark(_ parts: [String]) -> Int? {
        parts.indices.last { parts[$0] == "serviceaccount" && $0 + 1 < parts.count && parts[$0 + 1] == "identity" }
    }

    /// Whether names of a trust domain may end so: `serviceaccount.identity.ANY.DOMAIN` in full, or for `*.` an end of it.
    private static func ends(_ parts: [String], in domain: String, isSuffix: Bool) -> Bool {
        let domain = domain.split(separator: ".").map(String.init)
        if let mark = mark(parts) {
            let tail = Array(parts[(mark + 2)...])
            return tail.count == domain.count + 1 && Array(tail.dropFirst()) == domain && (mark > 0 || isSuffix)
        }
        guard isSuffix else { return false }
        if parts.count <= domain.count { return Array(domain.suffix(parts.count)) == parts }
        // `*.linkerd.cluster.local`, `*.identity.linkerd.cluster.local`
        let front = parts.dropLast(domain.count)
        return Array(parts.suffix(domain.count)) == domain
            && (front.count == 1 || front.count == 2 && front.first == "identity")
    }
}
