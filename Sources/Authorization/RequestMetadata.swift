package import Authentication

/// What filters found out about one request, for filters behind them and for policies: Envoy's dynamic metadata. At most
/// `capacity` values; more are not taken.
package struct RequestMetadata: Sendable {
    package static let capacity = 16

    struct Entry: Sendable {
        var filter: [UInt8]
        /// The member of the filter's metadata that `document` is; empty: `document` is all of it.
        var key: [UInt8]
        var document: JSONDocument
    }

    private(set) var entries: [Entry] = []

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }

    /// A filter's value as text, for logs: characters of strings, digits of numbers; empty when there is none, or it is a
    /// list or an object.
    package func text(filter: [UInt8], path: [[UInt8]]) -> [UInt8] {
        for entry in entries where entry.filter == filter {
            var rest = path[...]
            if !entry.key.isEmpty {
                guard rest.first == entry.key else { continue }
                rest = rest.dropFirst()
            }
            guard let node = entry.document.value(at: Array(rest)) else { continue }
            switch entry.document.kind(node) {
            case .true: return Array("true".utf8)
            case .false: return Array("false".utf8)
            default: return entry.document.bytes(node)
            }
        }
        return []
    }

    /// Sets a filter's value, in the place of one with its key.
    package mutating func set(filter: [UInt8], key: [UInt8], _ document: JSONDocument) {
        if let known = entries.firstIndex(where: { $0.filter == filter && $0.key == key }) {
            entries[known].document = document
        } else if entries.count < Self.capacity {
            entries.append(Entry(filter: filter, key: key, document: document))
        }
    }
}

/// envoy.type.matcher.v3.MetadataMatcher as a plain value.
package struct MetadataMatchSpec: Sendable, Hashable {
    package var filter: String
    package var path: [String]
    package var value: ValueMatchSpec
    package var isInverted: Bool

    package init(filter: String, path: [String], value: ValueMatchSpec, isInverted: Bool = false) {
        self.filter = filter
        self.path = path
        self.value = value
        self.isInverted = isInverted
    }
}
