import HPACK
import HeaderBlock
import Memory

/// A frame of HTTP/2 (RFC 9113 section 4.1).
struct Frame {
    var type: UInt8
    var flags: UInt8 = 0
    var stream: UInt32 = 0
    var payload: [UInt8] = []

    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9

    var bytes: [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + Self.number(stream) + payload
    }

    var endsStream: Bool { flags & 1 != 0 }

    static func number(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    /// The four bytes at `offset` of the payload, without the first bit.
    func number(at offset: Int) -> UInt32 {
        guard payload.count >= offset + 4 else { return 0 }
        return payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
    }
}

/// One HTTP/2 connection of a test: frames as they are, nothing hidden but acknowledgements and credit.
final class HTTP2Wire {
    typealias Field = (name: String, value: String)

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    let wire: Wire
    private var buffer: [UInt8] = []
    /// What is said is kept until there is a pause, so that it arrives together.
    var holdsBack = false
    private var heldBack: [UInt8] = []
    private var decoder = HPACKDecoder()

    init(_ wire: Wire) { self.wire = wire }

    /// Our settings, and credit for everything that a test receives.
    func greet(isClient: Bool, _ settings: [(UInt16, UInt32)] = [(4, 1 << 24), (3, 100)]) throws {
        let values = settings.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + Frame.number($0.1) }
        try wire.send(
            (isClient ? Self.preface : []) + Frame(type: Frame.settings, payload: values).bytes
                + Frame(type: Frame.windowUpdate, payload: Frame.number(1 << 24)).bytes)
    }

    func send(_ bytes: [UInt8]) throws {
        if holdsBack { heldBack += bytes } else { try wire.send(bytes) }
    }

    func letGo() throws {
        let bytes = heldBack
        heldBack = []
        if !bytes.isEmpty { try wire.send(bytes) }
    }

    func takePreface(within patience: Int) throws {
        while buffer.count < Self.preface.count { buffer += try wire.receive(within: patience) }
        guard Array(buffer.prefix(Self.preface.count)) == Self.preface else { throw WireEnd.closed }
        buffer.removeFirst(Self.preface.count)
    }

    /// The next frame that is not about the connection itself.
    func next(within patience: Int) throws -> Frame {
        while true {
            let frame = try read(within: patience)
            switch frame.type {
            case Frame.settings where frame.flags & 1 == 0:
                try wire.send(Frame(type: Frame.settings, flags: 1).bytes)
            case Frame.ping where frame.flags & 1 == 0:
                try wire.send(Frame(type: Frame.ping, flags: 1, payload: frame.payload).bytes)
            case Frame.settings, Frame.ping, Frame.windowUpdate: break
            default: return frame
            }
        }
    }

    private func read(within patience: Int) throws -> Frame {
        while true {
            if buffer.count >= 9 {
                let length = Int(buffer[0]) << 16 | Int(buffer[1]) << 8 | Int(buffer[2])
                if buffer.count >= 9 + length {
                    var frame = Frame(type: buffer[3], flags: buffer[4])
                    frame.stream = buffer[5..<9].reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
                    frame.payload = Array(buffer[9..<9 + length])
                    buffer.removeFirst(9 + length)
                    return frame
                }
            }
            buffer += try wire.receive(within: patience)
        }
    }

    /// The fields of a HEADERS frame and of the CONTINUATION frames behind it.
    func fields(of frame: Frame, within patience: Int) throws -> [Field] {
        var block = frame.payload
        if frame.flags & 8 != 0, let padding = block.first {
            block = Array(block.dropFirst().dropLast(Int(padding)))
        }
        if frame.flags & 32 != 0 { block.removeFirst(5) }
        var isWhole = frame.flags & 4 != 0
        while !isWhole {
            let more = try read(within: patience)
            guard more.type == Frame.continuation else { throw WireEnd.closed }
            block += more.payload
            isWhole = more.flags & 4 != 0
        }
        return try decode(block)
    }

    private func decode(_ block: [UInt8]) throws -> [Field] {
        var arena = ByteBuffer()
        var index = 0
        var fields: [Field] = []
        while let field = try decoder.next(block.span, at: &index, into: &arena) {
            let name =
                switch field.kind {
                case .regular, .unknownPseudo: arena.storage.string(field.name)
                case .method: ":method"
                case .scheme: ":scheme"
                case .authority: ":authority"
                case .path: ":path"
                case .status: ":status"
                case .protocolName: ":protocol"
                }
            fields.append((name, arena.storage.string(field.value)))
        }
        return fields
    }

    /// Field lines as literals that stay in no table; names may be in any case, to see what comes of it.
    static func block(_ fields: [Field]) -> [UInt8] {
        fields.flatMap { [0] + string($0.name) + string($0.value) }
    }

    private static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            length.append(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        return length + [UInt8(rest)] + bytes
    }

    /// HEADERS, in as many frames as a peer with default settings takes.
    static func headers(_ stream: UInt32, _ fields: [Field], end: Bool) -> [UInt8] {
        var block = block(fields)[...]
        var bytes: [UInt8] = []
        var type = Frame.headers
        repeat {
            let part = block.prefix(16_384)
            block = block.dropFirst(part.count)
            var flags: UInt8 = block.isEmpty ? 4 : 0
            if type == Frame.headers, end { flags |= 1 }
            bytes += Frame(type: type, flags: flags, stream: stream, payload: Array(part)).bytes
            type = Frame.continuation
        } while !block.isEmpty
        return bytes
    }

    static func data(_ stream: UInt32, _ payload: [UInt8], end: Bool) -> [UInt8] {
        var rest = payload[...]
        var bytes: [UInt8] = []
        repeat {
            let part = rest.prefix(16_384)
            rest = rest.dropFirst(part.count)
            bytes +=
                Frame(
                    type: Frame.data, flags: end && rest.isEmpty ? 1 : 0, stream: stream, payload: Array(part)
                ).bytes
        } while !rest.isEmpty
        return bytes
    }
}
