/// Reads `apiVersion` and `kind` and explains what is wrong with them.
enum KindRules {
    /// Nil when the document is not a resource that Martlet knows; the reader has the finding.
    static func kind(of reader: ObjectReader) -> ResourceKind? {
        let version = reader.string("apiVersion")
        let name = reader.string("kind")
        guard let version, let name else {
            if reader.has("apiVersion") || reader.has("kind") {
                if !reader.has("apiVersion") { reader.error(nil, "apiVersion is required") }
                if !reader.has("kind") { reader.error(nil, "kind is required") }
            } else {
                reader.warning(nil, "not a resource (no apiVersion and no kind), ignored")
            }
            return nil
        }
        let slash = version.firstIndex(of: "/")
        let group = slash.map { String(version[..<$0]) } ?? ""
        let number = slash.map { String(version[version.index(after: $0)...]) } ?? version
        guard let kind = ResourceKind.find(group: group, name: name) else {
            unknown(group: group, kind: name, reader)
            return nil
        }
        guard kind.versions.contains(number) else {
            reader.error(
                "apiVersion",
                "unknown version \"\(number)\" of \(name): expected one of \(kind.versions.joined(separator: ", "))"
            )
            return nil
        }
        return kind
    }

    private static func unknown(group: String, kind: String, _ reader: ObjectReader) {
        let siblings = ResourceKind.all.filter { $0.group == group }.map(\.name)
        if siblings.isEmpty {
            let groups = Set(ResourceKind.all.map(\.group)).filter { !$0.isEmpty }.sorted()
            if let near = Suggestion.nearest(to: group, among: groups) {
                reader.error("apiVersion", "unknown API group \"\(group)\"; did you mean \"\(near)\"?")
            } else if let right = ResourceKind.all.first(where: { $0.name == kind }), group.isEmpty {
                let version = [right.group, right.versions[0]].filter { !$0.isEmpty }.joined(separator: "/")
                reader.error("apiVersion", "\(kind) belongs to apiVersion \(version)")
            } else {
                reader.warning("kind", "\(kind) of \(group) is not a kind that Martlet knows, ignored")
            }
        } else if let near = Suggestion.nearest(to: kind, among: siblings) {
            reader.error("kind", "unknown kind \"\(kind)\"; did you mean \"\(near)\"?")
        } else if let right = ResourceKind.all.first(where: { $0.name == kind }) {
            let version = [right.group, right.versions[0]].filter { !$0.isEmpty }.joined(separator: "/")
            reader.error("apiVersion", "\(kind) belongs to apiVersion \(version)")
        } else if group.hasSuffix("istio.io") {
            reader.error("kind", "unknown kind \"\(kind)\" in \(group)")
        } else {
            reader.warning("kind", "\(kind) is not a kind that Martlet knows, ignored")
        }
    }
}
