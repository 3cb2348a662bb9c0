import Glibc
import HTTP2
import HeaderBlock
import Memory

/// A peer that speaks HTTP/2 on a real socket and moves one large body, zeros all of it.
final class SocketStreams {
    private let socket: Int32
    private var codec = HTTP2Connection()
    private var input = ByteBuffer(capacity: 1 << 18)
    private var output = ByteBuffer(capacity: 1 << 20)
    private var zeros = ByteBuffer(capacity: 1 << 18)
    /// The stream of the body: the one that was opened, or the peer's last.
    private(set) var stream: UInt32 = 0
    private(set) var hasHead = false
    /// Body bytes that came, and whether their end did.
    private(set) var received = 0
    private(set) var isEnded = false
    /// Body bytes that are to be sent still.
    var left = 0

    init(_ role: HTTP2Role, on socket: Int32) {
        self.socket = socket
        zeros.append([UInt8](repeating: 0, count: 1 << 18))
        codec.start(role, settings: .announced(by: role), limits: HTTP2Limits(), output: &output)
        flush()
    }

    /// Sends a request's head; its body follows when `length` is more than zero.
    func ask(_ method: String, length: Int) {
        guard let opened = codec.openStream(token: 0) else { return }
        var table = HeaderTable()
        var arena = ByteBuffer(capacity: 256)
        func put(_ text: String) -> ByteRange {
            let start = arena.end
            arena.append(Array(text.utf8))
            return ByteRange(start: start, length: text.utf8.count)
        }
        table.method = put(method)
        table.path = put("/")
        table.authority = put("x")
        codec.beginRequest(stream: opened, table, arena: arena, output: &output)
        if length > 0 { codec.addField(.contentLength, decimal: length, output: &output) }
        codec.endHead(endsStream: length == 0, output: &output)
        stream = opened
        left = length
        flush()
    }

    /// Answers the request that came with a head; its body follows.
    func answer(length: Int) {
        codec.beginResponse(stream: stream, status: 200, output: &output)
        codec.addField(.contentLength, decimal: length, output: &output)
        codec.endHead(endsStream: false, output: &output)
        left = length
        flush()
    }

    /// Writes what the windows and the socket take, and reads at most `most` bytes.
    func pump(reading most: Int) {
        write()
        if most > 0 {
            input.compact()
            _ = input.fill { room in
                let count = recv(socket, room.baseAddress, min(room.count, most), Int32(MSG_DONTWAIT))
                return max(0, count)
            }
            takeEvents()
        }
        write()
    }

    private func takeEvents() {
        while true {
            switch codec.next(&input, output: &output, now: 0) {
            case .needsMore: return
            case .head(let opened, _, _, _):
                var table = HeaderTable()
                var arena = ByteBuffer(capacity: 1 << 12)
                let result = codec.receiveHead(
                    token: 0, input: &input, arena: &arena, table: &table, output: &output)
                stream = opened
                hasHead = true
                if case .complete(let head) = result, head.endsStream { isEnded = true }
            case .data(let stream, _, let payload, let ends):
                received += payload.count
                if ends { isEnded = true }
                codec.consumed(payload.count, stream: stream, output: &output)
            case .failed, .streamFailed, .reset, .refused, .goAway, .writable, .settings, .pong: break
            }
        }
    }

    private func write() {
        while left > 0, output.count < 1 << 19 {
            let part = min(left, zeros.count)
            let sent = codec.sendData(
                stream: stream, from: zeros, offset: 0, count: part, endsStream: part == left, output: &output)
            left -= sent
            if sent < part { break }
        }
        flush()
    }

    private func flush() {
        while !output.isEmpty {
            let count = output.withReadable {
                send(socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            output.consume(count)
        }
    }
}
