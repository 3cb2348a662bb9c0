/// The one call of `grpc.health.v1.Health` over HTTP/2 that checks need, as frames (RFC 9113, RFC 7541).
enum GRPCHealthCall {
    static func request(service: String, authority: String, isTLS: Bool) -> [UInt8] {
        var bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        bytes += frame(type: 4, flags: 0, stream: 0, [])
        var block: [UInt8] = [0x83, isTLS ? 0x87 : 0x86]
        // Literal fields without indexing; names by their number in the static table where they have one.
        block += [0x04] + text("/grpc.health.v1.Health/Check")
        block += [0x01] + text(authority)
        block += [0x0f, 0x10] + text("application/grpc")
        block += [0x00] + text("te") + text("trailers")
        block += [0x0f, 0x2b] + text("Envoy/HC")
        bytes += frame(type: 1, flags: 4, stream: 1, block)
        var message: [UInt8] = []
        if !service.isEmpty { message = [0x0a] + varint(service.utf8.count) + Array(service.utf8) }
        let size = UInt32(message.count)
        let prefix: [UInt8] = [0] + (0..<4).map { UInt8(truncatingIfNeeded: size >> UInt32(24 - 8 * $0)) }
        return bytes + frame(type: 0, flags: 1, stream: 1, prefix + message)
    }

    private static func frame(type: UInt8, flags: UInt8, stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let size = UInt32(payload.count)
        return [
            UInt8(truncatingIfNeeded: size >> 16), UInt8(truncatingIfNeeded: size >> 8),
            UInt8(truncatingIfNeeded: size),
        ]
            + [type, flags] + (0..<4).map { UInt8(truncatingIfNeeded: stream >> UInt32(24 - 8 * $0)) } + payload
    }

    /// A string literal, plain.
    private static func text(_ value: String) -> [UInt8] {
        let bytes = Array(value.utf8)
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        return [127] + varint(bytes.count - 127) + bytes
    }

    private static func varint(_ value: Int) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    enum Answer { case serving, other, broken, more }

    /// Reads frames until the answer is clear.
    struct Reader {
        private var buffer: [UInt8] = []
        private var message: [UInt8] = []

        mutating func receive(_ bytes: [UInt8]) -> Answer {
            buffer += bytes
            while buffer.count >= 9 {
                let size = Int(buffer[0]) << 16 | Int(buffer[1]) << 8 | Int(buffer[2])
                guard size <= 16_384 else { return .broken }
                guard buffer.count >= 9 + size else { return .more }
                let answer = receive(type: buffer[3], flags: buffer[4], Array(buffer[9..<(9 + size)]))
                buffer.removeFirst(9 + size)
                if answer != .more { return answer }
            }
            return .more
        }

        private mutating func receive(type: UInt8, flags: UInt8, _ payload: [UInt8]) -> Answer {
            switch type {
            case 0:
                message += payload
                if let status = status { return status == 1 ? .serving : .other }
                return flags & 1 != 0 ? .other : .more
            // The end of the stream without a message: an error, such as an unknown service.
            case 1: return flags & 1 != 0 ? .other : .more
            case 3, 7: return .broken
            default: return .more
            }
        }

        /// Field 1 of the message; 0 when it is left out.
        private var status: Int? {
            guard message.count >= 5 else { return nil }
            let size = message[1..<5].reduce(0) { $0 << 8 | Int($1) }
            guard message.count >= 5 + size else { return nil }
            let body = message[5..<(5 + size)]
            return body.count >= 2 && body[5] == 0x08 ? Int(body[6]) : 0
        }
    }
}
