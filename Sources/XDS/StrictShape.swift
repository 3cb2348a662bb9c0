import SwiftProtobuf
import Yams

/// Checks a YAML or JSON tree against the message schema before it is decoded, so that a refusal can name the path and the line.
struct StrictShape {
    let file: String
    private let schema = Schema.shared

    init(file: String) {
        self.file = file
    }

    func check(_ node: Node, message name: String, path: String) throws(BootstrapError) {
        if name == "google.protobuf.Any" { return try checkAny(node, path: path) }
        guard let message = schema.message(name) else { return }
        guard case .mapping(let mapping) = node else {
            throw fault(node, path: path, "expected an object (\(name))")
        }
        for (key, value) in mapping {
            guard let word = key.string else { throw fault(key, path: path, "a field name must be text") }
            if word == "@type" { continue }
            let place = path.isEmpty ? word : path + "." + word
            guard let field = message.byName[word] else {
                throw fault(key, path: place, "\(name) has no such field")
            }
            if field.kind == .notHonoured {
                throw fault(key, path: place, "this field of \(name) is not supported")
            }
            try check(value, field: field, path: place)
        }
    }

    private func check(_ node: Node, field: Schema.Field, path: String) throws(BootstrapError) {
        if node.null != nil, node.scalar?.style == .plain { return }
        if field.isRepeated {
            guard case .sequence(let sequence) = node else { throw fault(node, path: path, "expected a list") }
            for (index, element) in sequence.enumerated() {
                try checkOne(element, kind: field.kind, path: "\(path)[\(index)]")
            }
        } else if field.isMap {
            guard case .mapping(let mapping) = node else { throw fault(node, path: path, "expected an object") }
            for (key, value) in mapping {
                try checkOne(value, kind: field.kind, path: "\(path)[\"\(key.string ?? "")\"]")
            }
        } else {
            try checkOne(node, kind: field.kind, path: path)
        }
    }

    private func checkOne(_ node: Node, kind: Schema.Kind, path: String) throws(BootstrapError) {
        switch kind {
        case .message(let name):
            try check(node, message: name, path: path)
        case .string, .bytes:
            guard node.scalar != nil else { throw fault(node, path: path, "expected text") }
            if node.scalar?.style == .plain, node.bool != nil || node.int != nil || node.float != nil {
                throw fault(node, path: path, "expected text; put the value in quotes")
            }
        case .number:
            guard node.scalar != nil, node.float != nil || node.int != nil else {
                throw fault(node, path: path, "expected a number")
            }
        case .truth:
            guard node.scalar != nil, node.bool != nil else { throw fault(node, path: path, "expected true or false") }
        case .enumeration(let numbers):
            guard node.scalar != nil else { throw fault(node, path: path, "expected the name of an enum value") }
            if let number = node.int, Int32(exactly: number).map({ !numbers.contains($0) }) ?? true {
                throw fault(node, path: path, "\(number) is not a value of this enum")
            }
        case .notHonoured:
            break
        }
    }

    private func checkAny(_ node: Node, path: String) throws(BootstrapError) {
        guard case .mapping(let mapping) = node else { throw fault(node, path: path, "expected an object with @type") }
        guard let type = mapping["@type"]?.string else { throw fault(node, path: path, "@type is missing") }
        let name = String(type.split(separator: "/").last ?? "")
        guard MessageTypes.all.contains(where: { $0.protoMessageName == name }) else {
            throw fault(mapping["@type"] ?? node, path: path, "\(type) is not supported")
        }
        try check(node, message: name, path: path)
    }

    private func fault(_ node: Node, path: String, _ reason: String) -> BootstrapError {
        .field(
            file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1,
            path: path.isEmpty ? "bootstrap" : path, reason: reason
        )
    }
}
