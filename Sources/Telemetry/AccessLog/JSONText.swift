internal import Memory

/// JSON strings (RFC 8259 section 7).
enum JSONText {
    static func quoted(_ text: String) -> String { "\"" + escaped(text) + "\"" }

    static func escaped(_ text: String) -> String {
        var buffer = ByteBuffer(capacity: text.utf8.count + 16)
        buffer.append(jsonEscaped: Array(text.utf8).span)
        let bytes = buffer.bytes
        return String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }

    /// Length of the well-formed UTF-8 sequence at `index` (RFC 3629); 0 when there is none.
    static func sequence(_ bytes: borrowing Span<UInt8>, at index: Int) -> Int {
        let lead = bytes[index]
        let length: Int
        let low: UInt8
        let high: UInt8
        switch lead {
        case 0x00...0x7F: return 1
        case 0xC2...0xDF: (length, low, high) = (2, 0x80, 0xBF)
        case 0xE0: (length, low, high) = (3, 0xA0, 0xBF)
        case 0xED: (length, low, high) = (3, 0x80, 0x9F)
        case 0xE1...0xEF: (length, low, high) = (3, 0x80, 0xBF)
        case 0xF0: (length, low, high) = (4, 0x90, 0xBF)
        case 0xF1...0xF3: (length, low, high) = (4, 0x80, 0xBF)
        case 0xF4: (length, low, high) = (4, 0x80, 0x8F)
        default: return 0
        }
        guard index + length <= bytes.count, bytes[index + 1] >= low, bytes[index + 1] <= high else { return 0 }
        for offset in 2..<max(2, length) where bytes[index + offset] & 0xC0 != 0x80 { return 0 }
        return length
    }
}

extension ByteBuffer {
    /// Appends `bytes` as the inside of a JSON string. A byte that is not UTF-8 becomes the code point of its number, so
    /// that a line stays valid JSON whatever a peer sends.
    mutating func append(jsonEscaped bytes: borrowing Span<UInt8>) {
        var done = 0
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte >= 0x20, byte < 0x7F, byte != 0x22, byte != 0x5C {
                index &+= 1
                continue
            }
            let length = byte >= 0x80 ? JSONText.sequence(bytes, at: index) : 0
            if length > 0 {
                index &+= length
                continue
            }
            append(bytes.extracting(done..<index))
            escape(byte)
            index &+= 1
            done = index
        }
        append(bytes.extracting(done..<bytes.count))
    }

    private mutating func escape(_ byte: UInt8) {
        append(0x5C)
        switch byte {
        case 0x22, 0x5C: append(byte)
        case 0x08: append(0x62)
        case 0x09: append(0x74)
        case 0x0A: append(0x6E)
        case 0x0C: append(0x66)
        case 0x0D: append(0x72)
        default:
            append("u00")
            appendHexPair(byte)
        }
    }

    /// Appends `bytes` for a line of text: control characters, which could forge lines, as `\xNN`.
    mutating func append(logged bytes: borrowing Span<UInt8>) {
        var done = 0
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x20 || byte == 0x7F {
                append(bytes.extracting(done..<index))
                append("\\x")
                appendHexPair(byte)
                done = index &+ 1
            }
            index &+= 1
        }
        append(bytes.extracting(done..<bytes.count))
    }

    private mutating func appendHexPair(_ byte: UInt8) {
        let high = byte >> 4
        let low = byte & 15
        append(high < 10 ? high &+ 0x30 : high &+ 0x57)
        append(low < 10 ? low &+ 0x30 : low &+ 0x57)
    }
}
