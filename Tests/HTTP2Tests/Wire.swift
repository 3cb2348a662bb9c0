import Memory

/// A frame as a test reads or writes it.
struct Frame: Equatable, Sendable, CustomStringConvertible {
    var type: UInt8
    var flags: UInt8 = 0
    var stream: UInt32 = 0
    var payload: [UInt8] = []

    var bytes: [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + Wire.number(stream) + payload
    }

    /// The four bytes at `offset` of the payload.
    func number(_ offset: Int) -> UInt32 {
        guard payload.count >= offset + 4 else { return .max }
        return payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    var description: String {
        let names = [
            "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
            "CONTINUATION",
        ]
        let name = Int(type) < names.count ? names[Int(type)] : "frame \(type)"
        let code = type == 3 ? " code \(number(0))" : type == 7 ? " code \(number(4))" : ""
        return "\(name) flags \(flags) stream \(stream) length \(payload.count)\(code)"
    }
}

/// Builders of frames, legal and not.
enum Wire {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    static func number(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        Frame(type: type, flags: flags, stream: stream, payload: payload).bytes
    }

    static func settings(_ values: [(UInt16, UInt32)] = [], ack: Bool = false) -> [UInt8] {
        let payload = values.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + number($0.1) }
        return frame(4, ack ? 1 : 0, 0, payload)
    }

    static func data(_ stream: UInt32, _ bytes: [UInt8], end: Bool = false) -> [UInt8] {
        frame(0, end ? 1 : 0, stream, bytes)
    }

    static func padded(_ stream: UInt32, _ bytes: [UInt8], padding: Int, end: Bool = false) -> [UInt8] {
        frame(0, 8 | (end ? 1 : 0), stream, [UInt8(padding)] + bytes + [UInt8](repeating: 0, count: padding))
    }

    static func headers(_ stream: UInt32, _ block: [UInt8], end: Bool = true, endHeaders: Bool = true) -> [UInt8] {
        frame(1, (end ? 1 : 0) | (endHeaders ? 4 : 0), stream, block)
    }

    static func continuation(_ stream: UInt32, _ block: [UInt8], endHeaders: Bool = true) -> [UInt8] {
        frame(9, endHeaders ? 4 : 0, stream, block)
    }

    static func priority(_ stream: UInt32, on dependency: UInt32 = 0, exclusive: Bool = false, weight: UInt8 = 255)
        -> [UInt8]
    {
        frame(2, 0, stream, number(dependency | (exclusive ? 1 << 31 : 0)) + [weight])
    }

    static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> [UInt8] { frame(3, 0, stream, number(code)) }

    static func ping(_ data: [UInt8], ack: Bool = false) -> [UInt8] { frame(6, ack ? 1 : 0, 0, data) }

    static func goAway(last: UInt32 = 0, _ code: UInt32 = 0) -> [UInt8] {
        frame(7, 0, 0, number(last) + number(code) + Array("bye".utf8))
    }

    static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> [UInt8] {
        frame(8, 0, stream, number(increment))
    }

    /// A block of literals without indexing: nothing of it stays in a table.
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + string($0.0) + string($0.1) }
    }

    private static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        var length: [UInt8] = []
        if bytes.count < 127 {
            length = [UInt8(bytes.count)]
        } else {
            length = [127]
            var rest = bytes.count - 127
            while rest >= 128 {
                length.append(UInt8(rest & 127 | 128))
                rest >>= 7
            }
            length.append(UInt8(rest))
        }
        return length + bytes
    }

    static func request(_ method: String = "GET", path: String = "/", _ more: [(String, String)] = []) -> [UInt8] {
        block([(":method", method), (":scheme", "http"), (":path", path), (":authority", "h2.test")] + more)
    }

    /// Fields that fill about one frame.
    static func dummy(_ count: Int) -> [UInt8] {
        block((0..<count).map { ("x-dummy\($0)", String(repeating: "x", count: 4096)) })
    }

    /// The frames in `bytes`; what is no whole frame is left out.
    static func frames(_ bytes: [UInt8]) -> [Frame] {
        var frames: [Frame] = []
        var index = 0
        while index + 9 <= bytes.count {
            let length = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
            guard index + 9 + length <= bytes.count else { break }
            let stream = bytes[index + 5..<index + 9].reduce(0) { $0 << 8 | UInt32($1) }
            frames.append(
                Frame(
                    type: bytes[index + 3], flags: bytes[index + 4], stream: stream & 0x7fff_ffff,
                    payload: Array(bytes[index + 9..<index + 9 + length])))
            index += 9 + length
        }
        return frames
    }
}
