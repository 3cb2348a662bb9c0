/// Cuts a format into literal text and `%COMMAND(ARGUMENTS):LENGTH%`s.
enum FormatParser {
    struct Command: Equatable {
        var name: String
        /// The text between the parentheses; nil without parentheses.
        var arguments: String?
        var limit: Int?
    }

    enum Part: Equatable {
        case literal(String)
        case command(Command)
    }

    static func parts(of text: String) throws(AccessLogFormatError) -> [Part] {
        let bytes = Array(text.utf8)
        var parts: [Part] = []
        var literal: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "%") else {
                literal.append(bytes[index])
                index += 1
                continue
            }
            if index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "%") {
                literal.append(bytes[index])
                index += 2
                continue
            }
            if !literal.isEmpty { parts.append(.literal(String(decoding: literal, as: UTF8.self))) }
            literal.removeAll()
            parts.append(.command(try command(bytes, &index)))
        }
        if !literal.isEmpty { parts.append(.literal(String(decoding: literal, as: UTF8.self))) }
        return parts
    }

    /// Reads the command whose `%` is at `index`, and leaves `index` behind its last `%`.
    private static func command(_ bytes: [UInt8], _ index: inout Int) throws(AccessLogFormatError) -> Command {
        let start = index
        var position = index + 1
        while position < bytes.count, isNameByte(bytes[position]) { position += 1 }
        var command = Command(name: String(decoding: bytes[(start + 1)..<position], as: UTF8.self))
        guard !command.name.isEmpty else { throw malformed(bytes, start, "a command name is expected behind %") }
        if position < bytes.count, bytes[position] == UInt8(ascii: "(") {
            guard let close = closing(bytes, from: position + 1) else {
                throw malformed(bytes, start, "its ( is not closed by )% or ):LENGTH%")
            }
            command.arguments = String(decoding: bytes[(position + 1)..<close], as: UTF8.self)
            position = close + 1
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ":") {
            let digits = bytes[(position + 1)...].prefix { $0 &- 0x30 <= 9 }
            guard let limit = Int(String(decoding: digits, as: UTF8.self)) else {
                throw malformed(bytes, start, "a length is expected behind :")
            }
            command.limit = limit
            position += 1 + digits.count
        }
        guard position < bytes.count, bytes[position] == UInt8(ascii: "%") else {
            throw malformed(bytes, start, "it is not closed by %; write %% for a percent sign")
        }
        index = position + 1
        return command
    }

    /// The `)` that ends arguments: the first that `%` or `:DIGITS%` follows. Time formats hold `%` themselves.
    private static func closing(_ bytes: [UInt8], from start: Int) -> Int? {
        for index in bytes.indices.dropFirst(start) where bytes[index] == UInt8(ascii: ")") {
            var next = index + 1
            if next < bytes.count, bytes[next] == UInt8(ascii: ":") {
                next += 1
                while next < bytes.count, bytes[next] &- 0x30 <= 9 { next += 1 }
            }
            if next < bytes.count, bytes[next] == UInt8(ascii: "%") { return index }
        }
        return nil
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte &- 0x41 < 26 || byte &- 0x30 <= 9 || byte == UInt8(ascii: "_")
    }

    private static func malformed(_ bytes: [UInt8], _ start: Int, _ reason: String) -> AccessLogFormatError {
        let excerpt = String(decoding: bytes[start...].prefix(40), as: UTF8.self)
        return AccessLogFormatError(message: "command operator at \"\(excerpt)\" (byte \(start)): \(reason)")
    }
}
