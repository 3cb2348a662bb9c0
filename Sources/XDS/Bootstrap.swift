import FoundationEssentials
import SwiftProtobuf
import Yams

/// Reads Envoy bootstrap files, JSON or YAML, strictly: what Martlet does not honour is an error at its line.
package enum Bootstrap {
    /// Loads the bootstrap in `path`.
    package static func load(path: String) throws(BootstrapError) -> Envoy_Config_Bootstrap_V3_Bootstrap {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw .unreadable(file: path, reason: "cannot be read as UTF-8 text: \(error)")
        }
        return try parse(text, file: path)
    }

    /// Parses a bootstrap; `file` is what errors call it.
    package static func parse(
        _ text: String, file: String
    ) throws(BootstrapError) -> Envoy_Config_Bootstrap_V3_Bootstrap {
        let root = try compose(text, file: file)
        try StrictShape(file: file).check(root, message: "envoy.config.bootstrap.v3.Bootstrap", path: "")
        MessageTypes.register()
        do {
            return try Envoy_Config_Bootstrap_V3_Bootstrap(jsonString: json(root))
        } catch {
            throw .value(file: file, reason: describe(error))
        }
    }

    private static func compose(_ text: String, file: String) throws(BootstrapError) -> Node {
        do {
            guard let root = try Yams.compose(yaml: text) else {
                throw BootstrapError.syntax(file: file, line: 1, column: 1, reason: "the file is empty")
            }
            return root
        } catch let error as BootstrapError {
            throw error
        } catch let error as YamlError {
            switch error {
            case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
                .composer(_, let problem, let mark, _):
                throw .syntax(file: file, line: mark.line, column: mark.column, reason: problem)
            default:
                throw .syntax(file: file, line: 1, column: 1, reason: "\(error)")
            }
        } catch {
            throw .syntax(file: file, line: 1, column: 1, reason: "\(error)")
        }
    }

    private static func describe(_ error: any Error) -> String {
        guard let decoding = error as? JSONDecodingError else { return "\(error)" }
        return switch decoding {
        case .malformedDuration: "a duration must be seconds with the suffix s, as in 0.25s"
        case .unrecognizedEnumValue: "an enum value is not known"
        case .numberRange: "a number is out of range"
        case .conflictingOneOf: "two fields are set of which only one may be"
        case .malformedString: "a string was expected"
        case .malformedNumber: "a number was expected"
        case .malformedBool: "true or false was expected"
        default: "\(decoding)"
        }
    }

    /// JSON text of a YAML node. Plain scalars keep YAML's type; quoted ones are strings.
    static func json(_ node: Node) -> String {
        switch node {
        case .mapping(let mapping):
            "{" + mapping.map { quote($0.key.string ?? "") + ":" + json($0.value) }.joined(separator: ",") + "}"
        case .sequence(let sequence):
            "[" + sequence.map { json($0) }.joined(separator: ",") + "]"
        case .scalar(let scalar):
            if scalar.style == .plain {
                if node.null != nil {
                    "null"
                } else if let truth = node.bool {
                    truth ? "true" : "false"
                } else if let integer = node.int {
                    "\(integer)"
                } else if let number = node.float, number.isFinite {
                    "\(number)"
                } else {
                    quote(scalar.string)
                }
            } else {
                quote(scalar.string)
            }
        case .alias:
            "null"
        }
    }

    private static func quote(_ string: String) -> String {
        var result = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
