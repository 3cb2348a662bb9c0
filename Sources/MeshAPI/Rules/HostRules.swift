/// What host names may look like: RFC 1123 names, and names with a wildcard in front.
package enum HostRules {
    /// What is wrong with a host name without wildcard, or nil.
    package static func faultOfName(_ name: String) -> String? {
        fault(in: name, isLabel: NameRules.isLabel)
    }

    /// What is wrong with a host name that may begin with `*`, `*.` or a partial wildcard such as `*-eu.`; nil when nothing.
    package static func faultOfWildcard(_ name: String) -> String? {
        if name == "*" { return nil }
        var isFirst = true
        return fault(in: name) { label in
            defer { isFirst = false }
            guard isFirst, label.first == "*" else { return NameRules.isLabel(label) }
            return label == "*" || NameRules.isLabel("a" + label.dropFirst())
        }
    }

    /// As `faultOfWildcard`, for names in TLS handshakes at gateways: those of passed-through mesh traffic, such as
    /// `outbound_.80_._.reviews.default.svc.cluster.local`, have underscores.
    package static func faultOfServerName(_ name: String) -> String? {
        guard name.hasPrefix("outbound_.") else { return faultOfWildcard(name) }
        return fault(in: name) { label in
            label == "_" || NameRules.isLabel(label) || (label.hasSuffix("_") && NameRules.isLabel(label.dropLast()))
        }
    }

    private static func fault(in name: String, isLabel: (Substring) -> Bool) -> String? {
        if name.isEmpty { return "a host name must not be empty" }
        if name.utf8.count > 255 { return "\"\(name.prefix(40))…\" is longer than 255 characters" }
        var labels = name.split(separator: ".", omittingEmptySubsequences: false)
        // A trailing dot marks the root and is allowed.
        if labels.count > 1, labels.last == "" { labels.removeLast() }
        for label in labels where !isLabel(label) {
            return "\"\(name)\" is not a valid domain name: \"\(label)\" is not a DNS label"
        }
        if labels.count > 1, let top = labels.last, top.utf8.allSatisfy(NameRules.isDigit) {
            return "\"\(name)\" is not a valid domain name: the top level domain cannot be all digits"
        }
        return nil
    }

    /// Whether two hosts, of which either may be a wildcard, have a name in common by Istio's rule: equal, or the wildcard's
    /// suffix ends the other.
    package static func overlap(_ a: String, _ b: String) -> Bool {
        switch (a.hasPrefix("*"), b.hasPrefix("*")) {
        case (false, false): a == b
        case (true, false): b.hasSuffix(a.dropFirst()) && b.count > a.count - 1
        case (false, true): a.hasSuffix(b.dropFirst()) && a.count > b.count - 1
        case (true, true): a.dropFirst().hasSuffix(b.dropFirst()) || b.dropFirst().hasSuffix(a.dropFirst())
        }
    }

    /// Whether every name of `inner` is one of `outer`.
    package static func isSubset(_ inner: String, of outer: String) -> Bool {
        guard outer.hasPrefix("*") else { return inner == outer }
        let suffix = outer.dropFirst()
        return inner.hasPrefix("*") ? inner.dropFirst().hasSuffix(suffix) : inner.hasSuffix(suffix)
    }

    static func checkDestination(_ host: Located<String>, _ reader: ObjectReader) {
        guard !host.value.isEmpty else { return }
        if host.value == "*" {
            reader.error("host", "\"*\" cannot be a destination: name one host")
        } else if !AddressRules.isAddress(host.value), let fault = faultOfWildcard(host.value) {
            reader.error("host", fault)
        }
    }

    /// `exportTo`: `.`, `*` or namespaces; `~` (nobody) only where `mayHide`.
    static func checkExportTo(_ names: [Located<String>], mayHide: Bool = false, _ reader: ObjectReader) {
        var seen: Set<String> = []
        for name in names.map(\.value) {
            if !seen.insert(name).inserted { reader.error("exportTo", "\"\(name)\" is given twice") }
            switch name {
            case "*", ".": break
            case "~" where mayHide: break
            default:
                if !NameRules.isLabel(name) {
                    reader.error(
                        "exportTo", "\"\(name)\" is not a namespace: use a name, \".\" (this one) or \"*\" (all)")
                }
            }
        }
        if names.count > 1, seen.contains("*") {
            reader.error("exportTo", "\"*\" cannot be combined with other entries")
        }
        if names.count > 1, seen.contains("~") {
            reader.error("exportTo", "\"~\" cannot be combined with other entries")
        }
    }
}
