/// A value of a configuration document, as written, with its place.
package struct ConfigNode: Sendable {
    package enum Content: Sendable {
        case scalar(Scalar)
        case sequence([ConfigNode])
        case mapping([Entry])
    }

    package struct Scalar: Sendable {
        package var text: String
        /// Plain means neither quoted nor block nor tagged as a string: only plain scalars can be null, booleans and numbers.
        package var isPlain: Bool
    }

    package struct Entry: Sendable {
        package var key: String
        package var keyPosition: Position
        package var value: ConfigNode
    }

    package struct Position: Hashable, Sendable {
        package var line: Int
        package var column: Int
    }

    package var content: Content
    package var position: Position

    /// YAML's empty value, `~` and `null`.
    package var isNull: Bool {
        guard case .scalar(let scalar) = content, scalar.isPlain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.text)
    }

    /// What this is, for a message: `the number 5`, `a list`, `a mapping` …
    package var kindDescription: String {
        switch content {
        case .sequence: return "a list"
        case .mapping: return "a mapping"
        case .scalar(let scalar):
            if isNull { return "nothing (null)" }
            if scalar.isPlain {
                if YAMLScalar.boolean(scalar.text) != nil { return "the boolean \(scalar.text)" }
                if YAMLScalar.isNumber(scalar.text) { return "the number \(scalar.text)" }
            }
            return "the text \"\(scalar.text.prefix(60))\""
        }
    }

    /// How many values this is, keys and collections among them. Long texts count by their length, and regular expressions
    /// by what they take compiled: every proxy that sees them compiles them.
    package var weight: Int {
        switch content {
        case .scalar(let scalar): return 1 + scalar.text.utf8.count / 64
        case .sequence(let elements): return elements.reduce(1) { $0 + $1.weight }
        case .mapping(let entries):
            // Gateway API: `{type: RegularExpression, value: …}`.
            var isRegex = false
            if case .scalar(let type)? = self["type"]?.content { isRegex = type.text == "RegularExpression" }
            return entries.reduce(1) { sum, entry in
                guard case .scalar(let scalar) = entry.value.content,
                    entry.key == "regex" || entry.key == "match" || isRegex && entry.key == "value"
                else { return sum + 1 + entry.value.weight }
                // A counted repetition multiplies what stands before it.
                let length = scalar.text.utf8.count
                return sum + 100 + (scalar.text.contains("{") ? 50 * length : length)
            }
        }
    }

    /// The value under `key` when this is a mapping that has it.
    package subscript(key: String) -> ConfigNode? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }
}

/// How plain YAML 1.1 scalars are read, as Kubernetes' own decoder reads them.
package enum YAMLScalar {
    package static func boolean(_ text: String) -> Bool? {
        switch text {
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": true
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": false
        default: nil
        }
    }

    package static func integer(_ text: String) -> Int64? {
        var body = text[...]
        var isNegative = false
        if let sign = body.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            body.removeFirst()
        }
        var radix = 10
        if body.hasPrefix("0x") {
            radix = 16
            body.removeFirst(2)
        } else if body.hasPrefix("0o") {
            radix = 8
            body.removeFirst(2)
        }
        guard let first = body.first, first.isHexDigit else { return nil }
        return Int64((isNegative ? "-" : "") + body, radix: radix)
    }

    package static func number(_ text: String) -> Double? {
        if let integer = integer(text) { return Double(integer) }
        guard let first = text.utf8.first(where: { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "+") }),
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) || first == UInt8(ascii: "."),
            let number = Double(text), number.isFinite
        else { return nil }
        return number
    }

    package static func isNumber(_ text: String) -> Bool { number(text) != nil }
}
