/// Reads the fields of one mapping, remembers which were asked for, and reports the others as unknown.
///
/// A field that is absent and one that is null read the same, as in Kubernetes.
package final class ObjectReader {
    package let context: DecodingContext
    package let path: String
    package let location: SourceLocation
    package let unknownFields: UnknownFields
    private let entries: [ConfigNode.Entry]
    private var known: [String] = []
    private var children: [ObjectReader] = []
    private var isFinished = false

    package init(
        entries: [ConfigNode.Entry],
        position: ConfigNode.Position,
        path: String,
        context: DecodingContext,
        unknownFields: UnknownFields
    ) {
        self.entries = entries
        self.path = path
        self.context = context
        self.location = context.location(position)
        self.unknownFields = unknownFields
    }

    /// Reads `node`, which must be a mapping, as a `Value`, and reports fields that `Value` did not ask for.
    package static func decode<Value: ObjectDecodable>(
        _ type: Value.Type,
        from node: ConfigNode,
        path: String,
        context: DecodingContext,
        unknownFields: UnknownFields
    ) -> Value? {
        guard case .mapping(let entries) = node.content else {
            let name = path.isEmpty ? "the document" : path
            context.report(
                .error,
                at: context.location(node.position),
                path: path,
                "expected a mapping, found \(node.kindDescription)"
                    + (path.isEmpty ? " (\(name))" : "")
            )
            return nil
        }
        let reader = ObjectReader(
            entries: entries,
            position: node.position,
            path: path,
            context: context,
            unknownFields: unknownFields
        )
        let value = Value(reader)
        reader.finish()
        return value
    }

    // MARK: Presence and places

    /// Whether the field is given with a value other than null.
    package func has(_ key: String) -> Bool { node(key) != nil }

    /// Place of the field's value, or of the whole mapping when it is absent.
    package func location(of key: String) -> SourceLocation {
        guard let entry = entries.first(where: { $0.key == key }) else { return location }
        return context.location(entry.keyPosition)
    }

    /// The mapping's keys in the order written.
    package var keys: [String] { entries.map(\.key) }

    package func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The value under `key`, now counted as known; nil when absent or null.
    package func node(_ key: String) -> ConfigNode? {
        if !known.contains(key) { known.append(key) }
        guard let node = entries.first(where: { $0.key == key })?.value, !node.isNull else { return nil }
        return node
    }

    // MARK: Findings

    package func error(_ key: String? = nil, _ message: String) { report(.error, key, message) }

    package func warning(_ key: String? = nil, _ message: String) { report(.warning, key, message) }

    private func report(_ severity: Diagnostic.Severity, _ key: String?, _ message: String) {
        context.report(
            severity,
            at: key.map(location(of:)) ?? location,
            path: key.map(path(of:)) ?? path,
            message
        )
    }

    /// Fields that are fine and have no effect here.
    package func accept(_ keys: String...) { known += keys }

    /// A field that means something that Martlet does not do yet: a warning that names it, when it is given.
    package func notSupported(_ key: String, _ consequence: String = "") {
        guard node(key) != nil else { return }
        warning(key, "not supported yet, ignored" + (consequence.isEmpty ? "" : ": " + consequence))
    }

    /// At most one of `keys` may be given.
    package func atMostOne(of keys: String...) {
        let given = keys.filter(has)
        guard given.count > 1 else { return }
        error(given[1], "only one of \(given.joined(separator: ", ")) may be set")
    }

    /// Exactly one of `keys` must be given.
    package func exactlyOne(of keys: String...) {
        let given = keys.filter(has)
        if given.isEmpty { error(nil, "one of \(keys.joined(separator: ", ")) must be set") }
        if given.count > 1 { error(given[1], "only one of \(given.joined(separator: ", ")) may be set") }
    }

    /// A reader of the mapping under `key`, finished together with this one. Reads as empty when the field is absent.
    package func child(_ key: String, required: Bool = false, unknownFields: UnknownFields? = nil) -> ObjectReader {
        let node = node(key)
        var entries: [ConfigNode.Entry] = []
        if let node {
            if case .mapping(let found) = node.content {
                entries = found
            } else {
                error(key, "expected a mapping, found \(node.kindDescription)")
            }
        } else if required {
            error(nil, "\(key) is required")
        }
        let position = node?.position ?? ConfigNode.Position(line: location.line, column: location.column)
        let child = ObjectReader(
            entries: entries,
            position: position,
            path: path(of: key),
            context: context,
            unknownFields: unknownFields ?? self.unknownFields
        )
        children.append(child)
        return child
    }

    /// The same mapping, read as Kubernetes' own kinds are: a field that nobody knows is a notice.
    package func tolerant() -> ObjectReader {
        let reader = ObjectReader(
            entries: entries,
            position: .init(line: location.line, column: location.column),
            path: path,
            context: context,
            unknownFields: .notice
        )
        reader.accept("apiVersion", "kind", "metadata", "status")
        children.append(reader)
        known += keys
        return reader
    }

    /// Reports the fields that were not asked for. Called once, after everything has been read.
    package func finish() {
        guard !isFinished else { return }
        isFinished = true
        for child in children { child.finish() }
        guard unknownFields != .accepted else { return }
        for entry in entries where !known.contains(entry.key) {
            let hint = Suggestion.clause(for: entry.key, among: known)
            context.report(
                unknownFields == .fault ? .error : .warning,
                at: context.location(entry.keyPosition),
                path: path(of: entry.key),
                unknownFields == .fault ? "unknown field\(hint)" : "unknown field, ignored\(hint)"
            )
        }
    }
}
