/// A claim of a request's verified token, as a VirtualService names it in the place of a header:
/// `@request.auth.claims.a.b` or `@request.auth.claims[a][b]` (for names that hold dots themselves).
package enum RoutingClaim {
    private static let prefix = "@request.auth.claims"

    /// The names that lead to the claim; nil for the name of a header, and for what is neither.
    package static func path(_ name: String) -> [String]? {
        guard name.lowercased().hasPrefix(prefix) else { return nil }
        let rest = name.dropFirst(prefix.count)
        let names: [Substring]
        if rest.hasPrefix(".") {
            names = rest.dropFirst().split(separator: ".", omittingEmptySubsequences: false)
        } else if rest.hasPrefix("["), rest.hasSuffix("]"), rest.count > 2 {
            names = rest.dropFirst().dropLast().split(separator: "][", omittingEmptySubsequences: false)
        } else {
            return nil
        }
        return names.contains("") ? nil : names.map(String.init)
    }
}
