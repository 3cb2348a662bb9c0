/// What a JSON text may be at most; beyond it is refused.
package struct JSONLimits: Sendable {
    package var maxBytes = 64 * 1024
    package var maxDepth = 32
    package var maxNodes = 4096

    package init() {}
}

/// Why a text is not taken for JSON.
package enum JSONFault: Error, Sendable {
    case tooLarge, tooDeep, malformed
    /// Readers disagree which of two equal names counts (RFC 8259 section 4): neither does.
    case duplicateName
}

extension JSONDocument {
    /// Parses RFC 8259 text: total, bounded, without leniencies.
    package init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONFault) {
        guard bytes.count <= limits.maxBytes else { throw .tooLarge }
        var parser = JSONParser(bytes: bytes, limits: limits)
        try parser.parseDocument()
        self.init(nodes: parser.nodes, text: parser.text)
    }
}

private struct JSONParser {
    let bytes: [UInt8]
    let limits: JSONLimits
    var nodes: [JSONDocument.Node] = []
    var text: [UInt8] = []
    var position = 0

    init(bytes: [UInt8], limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    mutating func parseDocument() throws(JSONFault) {
        text.reserveCapacity(bytes.count)
        try parseValue(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw .malformed }
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func expect(_ byte: UInt8) throws(JSONFault) {
        guard next == byte else { throw .malformed }
        position += 1
    }

    private mutating func expect(_ word: String) throws(JSONFault) {
        for byte in word.utf8 { try expect(byte) }
    }

    private mutating func parseValue(depth: Int, keyStart: Int = 0, keyLength: Int = 0) throws(JSONFault) {
        guard depth <= limits.maxDepth else { throw .tooDeep }
        guard nodes.count < limits.maxNodes else { throw .tooLarge }
        skipSpace()
        let number = nodes.count
        nodes.append(
            JSONDocument.Node(kind: .null, keyStart: UInt32(keyStart), keyLength: UInt32(keyLength)))
        switch next {
        case UInt8(ascii: "{"):
            nodes[number].kind = .object
            try parseObject(number, depth: depth)
        case UInt8(ascii: "["):
            nodes[number].kind = .array
            try parseArray(depth: depth)
        case UInt8(ascii: "\""):
            nodes[number].kind = .string
            let (start, length) = try parseString()
            nodes[number].valueStart = UInt32(start)
            nodes[number].valueLength = UInt32(length)
        case UInt8(ascii: "t"):
            try expect("true")
            nodes[number].kind = .true
        case UInt8(ascii: "f"):
            try expect("false")
            nodes[number].kind = .false
        case UInt8(ascii: "n"): try expect("null")
        default: try parseNumber(number)
        }
        nodes[number].end = Int32(nodes.count)
    }

    private mutating func parseObject(_ object: Int, depth: Int) throws(JSONFault) {
        position += 1
        skipSpace()
        if next == UInt8(ascii: "}") {
            position += 1
            return
        }
        var names: Set<ArraySlice<UInt8>> = []
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw .malformed }
            let (start, length) = try parseString()
            guard names.insert(text[start..<start + length]).inserted else { throw .duplicateName }
            skipSpace()
            try expect(UInt8(ascii: ":"))
            try parseValue(depth: depth + 1, keyStart: start, keyLength: length)
            skipSpace()
            if next == UInt8(ascii: ",") {
                position += 1
                continue
            }
            return try expect(UInt8(ascii: "}"))
        }
    }

    private mutating func parseArray(depth: Int) throws(JSONFault) {
        position += 1
        skipSpace()
        if next == UInt8(ascii: "]") {
            position += 1
            return
        }
        while true {
            try parseValue(depth: depth + 1)
            skipSpace()
            if next == UInt8(ascii: ",") {
                position += 1
                continue
            }
            return try expect(UInt8(ascii: "]"))
        }
    }

    /// The string's characters as a range of `text`.
    private mutating func parseString() throws(JSONFault) -> (start: Int, length: Int) {
        position += 1
        let start = text.count
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard String(validating: text[start...], as: UTF8.self) != nil else { throw .malformed }
                return (start, text.count - start)
            case UInt8(ascii: "\\"): try parseEscape()
            case 0..<0x20: throw .malformed
            default: text.append(byte)
            }
        }
        throw .malformed
    }

    private mutating func parseEscape() throws(JSONFault) {
        guard let escape = next else { throw .malformed }
        position += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var scalar = try parseHex()
            if (0xD800..<0xDC00).contains(scalar) {
                try expect(UInt8(ascii: "\\"))
                try expect(UInt8(ascii: "u"))
                let low = try parseHex()
                guard (0xDC00..<0xE000).contains(low) else { throw .malformed }
                scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let character = Unicode.Scalar(scalar) else { throw .malformed }
            text += Array(String(character).utf8)
        default: throw .malformed
        }
    }

    private mutating func parseHex() throws(JSONFault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw .malformed
            }
            value = value << 4 + UInt32(digit)
            position += 1
        }
        return value
    }

    private mutating func parseNumber(_ node: Int) throws(JSONFault) {
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") { position += 1 } else { try parseDigits() }
        if next == UInt8(ascii: ".") {
            position += 1
            try parseDigits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            try parseDigits()
        }
        guard position - start <= 64,
            let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)), value.isFinite
        else { throw .malformed }
        nodes[node].kind = .number
        nodes[node].number = value
        nodes[node].valueStart = UInt32(text.count)
        nodes[node].valueLength = UInt32(position - start)
        text += bytes[start..<position]
    }

    private mutating func parseDigits() throws(JSONFault) {
        let start = position
        while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
        guard position > start else { throw .malformed }
    }
}
