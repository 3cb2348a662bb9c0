/// PEM text to DER objects (RFC 7468, read generously). Total: text that is not PEM yields no block.
enum PEM {
    struct Block {
        /// "CERTIFICATE", "PRIVATE KEY", …
        var label: String
        var der: [UInt8]
    }

    /// Blocks whose base64 is damaged are left out; the callers report what is missing (`beginnings`).
    static func blocks(_ text: [UInt8]) -> [Block] {
        var blocks: [Block] = []
        var label: String?
        var body: [UInt8] = []
        for line in lines(text) {
            if let begun = marker(line, "-----BEGIN ") {
                label = begun
                body = []
            } else if let ended = marker(line, "-----END ") {
                if ended == label, let der = base64(body) { blocks.append(Block(label: ended, der: der)) }
                label = nil
            } else if label != nil, !line.contains(UInt8(ascii: ":")) {
                body.append(contentsOf: line)
            }
        }
        return blocks
    }

    /// How many blocks with this label begin, whole or not.
    static func beginnings(of label: String, in text: [UInt8]) -> Int {
        lines(text).count { marker($0, "-----BEGIN ") == label }
    }

    private static func lines(_ text: [UInt8]) -> [ArraySlice<UInt8>] {
        text.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
    }

    private static func marker(_ line: ArraySlice<UInt8>, _ start: String) -> String? {
        var line = line
        while let last = line.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") { line.removeLast() }
        guard line.starts(with: start.utf8), line.count > start.utf8.count + 5,
            line.suffix(5).elementsEqual("-----".utf8)
        else { return nil }
        return String(decoding: line.dropFirst(start.utf8.count).dropLast(5), as: UTF8.self)
    }

    private static func base64(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for character in text {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="):
                padding += 1
                continue
            case UInt8(ascii: " "), UInt8(ascii: "\t"): continue
            default: return nil
            }
            guard padding == 0 else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return padding <= 2 ? bytes : nil
    }
}
