/// What the generated code cannot tell at run time: the fields of each message by number and by name.
///
/// Used where a refusal has to say *where*: unknown fields in a bootstrap file and on the wire.
package struct Schema: Sendable {
    package enum Kind: Sendable, Equatable {
        case string, bytes, number, truth
        /// The numbers that have a meaning.
        case enumeration(Set<Int32>)
        case message(String)
        /// Envoy defines the field; Martlet does not honour it.
        case notHonoured
    }

    package struct Field: Sendable {
        package var number: Int
        package var name: String
        package var kind: Kind
        package var isRepeated = false
        package var isMap = false
    }

    package struct Message: Sendable {
        package var byNumber: [Int: Field] = [:]
        /// Keyed by the proto name and by the JSON name.
        package var byName: [String: Field] = [:]
    }

    private let messages: [String: Message]

    package static let shared = Schema(text: schemaText)

    init(text: String) {
        var messages: [String: Message] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let name = words.first else { continue }
            var message = Message()
            for word in words.dropFirst() {
                guard var field = Field(word) else { continue }
                if IgnoredFields.byMessage[String(name)]?.contains(field.name) == true { field.kind = .notHonoured }
                message.byNumber[field.number] = field
                message.byName[field.name] = field
                message.byName[Schema.jsonName(field.name)] = field
            }
            messages[String(name)] = message
        }
        self.messages = messages
    }

    /// The message called `name` (`envoy.config.core.v3.Node`), or nil when it is not one of Envoy's that Martlet uses.
    package func message(_ name: String) -> Message? {
        messages[name]
    }

    /// protoc's rule: an underscore goes and the letter after it is upper case.
    static func jsonName(_ name: String) -> String {
        var result = ""
        var upper = false
        for character in name {
            if character == "_" {
                upper = true
            } else {
                result += upper ? character.uppercased() : String(character)
                upper = false
            }
        }
        return result
    }
}

extension Schema.Field {
    /// Reads `number:name:shape`, a word of the generated table.
    fileprivate init?(_ word: Substring) {
        let parts = word.split(separator: ":", maxSplits: 2)
        guard parts.count == 3, let number = Int(parts[0]) else { return nil }
        var shape = parts[2]
        var field = Schema.Field(number: number, name: String(parts[1]), kind: .notHonoured)
        if shape.first == "*" {
            field.isRepeated = true
            shape = shape.dropFirst()
        } else if shape.first == "%" {
            field.isMap = true
            shape = shape.dropFirst()
        }
        switch shape.first {
        case "s": field.kind = .string
        case "b": field.kind = .bytes
        case "n": field.kind = .number
        case "t": field.kind = .truth
        case "e": field.kind = .enumeration(Set(shape.dropFirst().split(separator: ",").compactMap { Int32($0) }))
        case "m": field.kind = .message(String(shape.dropFirst()))
        default: field.kind = .notHonoured
        }
        self = field
    }
}
