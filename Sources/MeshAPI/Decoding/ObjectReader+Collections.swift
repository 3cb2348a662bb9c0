extension ObjectReader {
    /// The field read as a `Value`; nil when absent or not a mapping.
    package func object<Value: ObjectDecodable>(_ key: String, _ type: Value.Type = Value.self) -> Value? {
        node(key).flatMap { decode(Value.self, from: $0, path: path(of: key)) }
    }

    package func objects<Value: ObjectDecodable>(_ key: String, _ type: Value.Type = Value.self) -> [Value] {
        elements(key).compactMap { path, node in decode(Value.self, from: node, path: path) }
    }

    /// A mapping of names to values, in the order written.
    package func objectMap<Value: ObjectDecodable>(
        _ key: String,
        _ type: Value.Type = Value.self
    ) -> [(key: String, value: Value)] {
        members(key).compactMap { name, path, node in
            decode(Value.self, from: node, path: path).map { (name, $0) }
        }
    }

    package func decode<Value: ObjectDecodable>(_ type: Value.Type, from node: ConfigNode, path: String) -> Value? {
        Self.decode(type, from: node, path: path, context: context, unknownFields: unknownFields)
    }

    /// The elements of a list field with their paths; null elements are errors.
    package func elements(_ key: String) -> [(path: String, node: ConfigNode)] {
        guard let node = node(key) else { return [] }
        guard case .sequence(let elements) = node.content else {
            error(key, "expected a list, found \(node.kindDescription)")
            return []
        }
        var result: [(String, ConfigNode)] = []
        for (index, element) in elements.enumerated() {
            let path = "\(path(of: key))[\(index)]"
            guard !element.isNull else {
                context.report(.error, at: context.location(element.position), path: path, "must not be null")
                continue
            }
            result.append((path, element))
        }
        return result
    }

    /// The members of a mapping field with their paths; null values are errors.
    package func members(_ key: String) -> [(name: String, path: String, node: ConfigNode)] {
        guard let node = node(key) else { return [] }
        guard case .mapping(let entries) = node.content else {
            error(key, "expected a mapping, found \(node.kindDescription)")
            return []
        }
        var result: [(String, String, ConfigNode)] = []
        for entry in entries {
            let path = "\(path(of: key))[\(entry.key)]"
            guard !entry.value.isNull else {
                context.report(.error, at: context.location(entry.keyPosition), path: path, "must not be null")
                continue
            }
            result.append((entry.key, path, entry.value))
        }
        return result
    }
}
