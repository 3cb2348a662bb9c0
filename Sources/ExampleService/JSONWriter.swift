import NIOCore

/// Writes JSON text into a buffer, in the order of the calls; commas and escapes are its work, balance is the caller's.
struct JSONWriter {
    private(set) var buffer: ByteBuffer
    private var needsComma = false

    init(buffer: ByteBuffer) { self.buffer = buffer }

    mutating func beginObject(_ key: StaticString? = nil) { open(key, "{") }
    mutating func beginArray(_ key: StaticString? = nil) { open(key, "[") }
    mutating func endObject() { close("}") }
    mutating func endArray() { close("]") }

    mutating func field(_ key: StaticString, _ value: String) {
        start(key)
        write(quoted: value)
    }

    mutating func field(_ key: StaticString, _ value: Int) {
        start(key)
        buffer.writeString(String(value))
    }

    mutating func field(named key: String, _ value: String) {
        comma()
        write(quoted: key)
        buffer.writeInteger(UInt8(ascii: ":"))
        write(quoted: value)
    }

    /// `value` must be JSON text.
    mutating func field(_ key: StaticString, json value: ByteBuffer) {
        start(key)
        buffer.writeImmutableBuffer(value)
    }

    private mutating func open(_ key: StaticString?, _ bracket: StaticString) {
        if let key { start(key) } else { comma() }
        buffer.writeStaticString(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: StaticString) {
        buffer.writeStaticString(bracket)
        needsComma = true
    }

    private mutating func start(_ key: StaticString) {
        comma()
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeStaticString(key)
        buffer.writeStaticString("\":")
    }

    private mutating func comma() {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func write(quoted text: String) {
        buffer.writeInteger(UInt8(ascii: "\""))
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            buffer.writeString(text)
        } else {
            for byte in text.utf8 { write(escaping: byte) }
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private mutating func write(escaping byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
        case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
        case UInt8(ascii: "\n"): buffer.writeStaticString("\\n")
        case UInt8(ascii: "\r"): buffer.writeStaticString("\\r")
        case UInt8(ascii: "\t"): buffer.writeStaticString("\\t")
        case 0..<0x20:
            buffer.writeStaticString("\\u00")
            let digits = String(byte, radix: 16)
            buffer.writeString(digits.count == 1 ? "0" + digits : digits)
        default: buffer.writeInteger(byte)
        }
    }
}
