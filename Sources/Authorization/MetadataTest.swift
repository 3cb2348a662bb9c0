internal import Authentication
package import Routing

/// envoy.type.matcher.v3.ValueMatcher as a plain value.
package indirect enum ValueMatchSpec: Sendable, Hashable {
    case null
    case number(Double)
    /// In `[start, end)`.
    case range(Double, Double)
    case string(StringPattern)
    case bool(Bool)
    case present(Bool)
    /// A list, of which one element matches.
    case list(ValueMatchSpec)
    case any([ValueMatchSpec])
}

/// A compiled test of one value of the metadata.
struct MetadataTest: Sendable {
    indirect enum Value: Sendable {
        case null
        case number(Double)
        case range(Double, Double)
        case string(PooledPattern)
        case bool(Bool)
        case present(Bool)
        case list(Value)
        case any([Value])
    }

    let filter: [UInt8]
    let path: [[UInt8]]
    let value: Value
    let isInverted: Bool

    init(_ spec: MetadataMatchSpec, pool: inout PatternPoolBuilder) throws(RegexProgram.Invalid) {
        filter = Array(spec.filter.utf8)
        path = spec.path.map { Array($0.utf8) }
        value = try Self.compile(spec.value, &pool)
        isInverted = spec.isInverted
    }

    private static func compile(
        _ spec: ValueMatchSpec, _ pool: inout PatternPoolBuilder
    ) throws(RegexProgram.Invalid) -> Value {
        switch spec {
        case .null: return .null
        case .number(let number): return .number(number)
        case .range(let start, let end): return .range(start, end)
        case .string(let pattern): return .string(try pool.add(pattern))
        case .bool(let flag): return .bool(flag)
        case .present(let flag): return .present(flag)
        case .list(let element): return .list(try compile(element, &pool))
        case .any(let parts):
            var compiled: [Value] = []
            for part in parts { compiled.append(try compile(part, &pool)) }
            return .any(compiled)
        }
    }

    func holds(_ metadata: RequestMetadata, pool: borrowing PatternPool) -> Bool {
        for entry in metadata.entries where entry.filter == filter {
            if let node = node(in: entry) { return Self.matches(value, entry.document, node, pool) != isInverted }
        }
        // A value that is not there is no value of any kind.
        return Self.matchesNothing(value) != isInverted
    }

    private func node(in entry: RequestMetadata.Entry) -> Int? {
        if entry.key.isEmpty { return entry.document.value(at: path) }
        guard let first = path.first, first == entry.key else { return nil }
        var node = entry.document.root
        for index in 1..<max(1, path.count) {
            let name = path[index]
            guard let next = entry.document.member(node, name.span) else { return nil }
            node = next
        }
        return node
    }

    private static func matchesNothing(_ value: Value) -> Bool {
        switch value {
        case .present(let wanted): !wanted
        case .any(let parts): parts.contains(where: matchesNothing)
        case .null, .number, .range, .string, .bool, .list: false
        }
    }

    private static func matches(
        _ value: Value, _ document: JSONDocument, _ node: Int, _ pool: borrowing PatternPool
    ) -> Bool {
        let kind = document.kind(node)
        switch value {
        case .null: return kind == .null
        case .number(let wanted): return kind == .number && document.number(node) == wanted
        case .range(let start, let end):
            return kind == .number && document.number(node) >= start && document.number(node) < end
        case .string(let pattern): return kind == .string && pool.matches(pattern, document.characters(node))
        case .bool(let wanted): return kind == (wanted ? .true : .false)
        case .present(let wanted): return wanted
        case .list(let element):
            guard kind == .array else { return false }
            var child = document.firstChild(node)
            while let found = child {
                if matches(element, document, found, pool) { return true }
                child = document.nextChild(of: node, after: found)
            }
            return false
        case .any(let parts):
            for part in parts where matches(part, document, node, pool) { return true }
            return false
        }
    }
}
