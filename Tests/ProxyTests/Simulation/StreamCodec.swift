import EventLoop
import HTTP2
import HeaderBlock
import Memory
import Proxy

/// The HTTP/2 side of a peer in the simulation: its codec, and bytes on their way in pieces.
struct StreamCodec: ~Copyable {
    struct Head {
        var status = 0
        var method = ""
        var path = ""
        var id: Int?
        var sum: UInt64?
        var kind = HTTP2Head.Kind.request
        var endsStream = false
    }

    enum Event {
        case head(UInt32, Head)
        case data(UInt32, [UInt8], endsStream: Bool)
        case reset(UInt32, HTTP2ErrorCode)
        case writable(UInt32)
        case goAway
        case failed(String)
    }

    let socket: Int32
    private var codec = HTTP2Connection()
    private var input = ByteBuffer(capacity: 1 << 15)
    private var output = ByteBuffer(capacity: 1 << 15)
    private var outgoing: [UInt8] = []
    /// Bytes of `outgoing` that were delivered.
    private var delivered = 0
    /// Body bytes that were received and not given back, by stream.
    private var withheld: [(stream: UInt32, count: Int)] = []

    init(_ role: HTTP2Role, socket: Int32, settings: HTTP2Settings) {
        self.socket = socket
        codec.start(role, settings: settings, limits: HTTP2Limits(), output: &output)
    }

    var canOpenStream: Bool { codec.canOpenStream }
    var openStreams: Int { codec.streamCount }
    var hasOutgoing: Bool { delivered < outgoing.count || !output.isEmpty }

    // MARK: Receiving

    /// What has come since the last time, in at most `limit` bytes.
    mutating func receive(_ proxy: SimulatedProxy, limit: Int) -> [Event] {
        input.append(proxy.world { $0.takeSent(socket, atMost: limit) })
        var events: [Event] = []
        while true {
            switch codec.next(&input, output: &output, now: proxy.now) {
            case .needsMore:
                input.compact()
                return events
            case .head(let stream, _, _, _):
                if let head = takeHead(stream) { events.append(.head(stream, head)) }
            case .data(let stream, _, let payload, let ends):
                var bytes: [UInt8] = []
                for index in payload.lowerBound..<payload.upperBound { bytes.append(input.storage[index]) }
                withheld.append((stream, payload.count))
                events.append(.data(stream, bytes, endsStream: ends))
            case .reset(let stream, _, let code): events.append(.reset(stream, code))
            case .refused(let stream, _): events.append(.reset(stream, .refusedStream))
            case .writable(let stream, _): events.append(.writable(stream))
            case .goAway: events.append(.goAway)
            case .streamFailed(_, _, let failure), .failed(let failure):
                events.append(.failed("\(failure.detail)"))
                return events
            case .settings, .pong: break
            }
        }
    }

    private mutating func takeHead(_ stream: UInt32) -> Head? {
        var table = HeaderTable()
        var arena = ByteBuffer(capacity: 4096)
        let result = codec.receiveHead(
            token: UInt64(stream), input: &input, arena: &arena, table: &table, output: &output)
        guard case .complete(let whole) = result else { return nil }
        var head = Head()
        head.status = Int(table.status)
        head.method = arena.storage.string(table.method)
        head.path = arena.storage.string(table.path)
        head.kind = whole.kind
        head.endsStream = whole.endsStream
        for index in 0..<table.count where !table[index].isRemoved {
            switch arena.storage.string(table[index].name) {
            case "x-sim": head.id = Int(arena.storage.string(table[index].value))
            case "x-sum": head.sum = UInt64(arena.storage.string(table[index].value))
            default: break
            }
        }
        return head
    }

    /// Gives back to the proxy what was received.
    mutating func giveBack() {
        for (stream, count) in withheld { codec.consumed(count, stream: stream, output: &output) }
        withheld.removeAll(keepingCapacity: true)
    }

    // MARK: Sending

    mutating func request(_ method: String, _ path: String, _ fields: [(String, String)], ends: Bool) -> UInt32? {
        guard let stream = codec.openStream(token: 0) else { return nil }
        codec.setToken(UInt64(stream), stream: stream)
        var table = HeaderTable()
        var arena = ByteBuffer(capacity: 1024)
        func put(_ text: String) -> ByteRange {
            let start = arena.end
            arena.append(Array(text.utf8))
            return ByteRange(start: start, length: text.utf8.count)
        }
        table.method = put(method)
        table.path = put(path)
        table.authority = put("sim")
        codec.beginRequest(stream: stream, table, arena: arena, output: &output)
        end(fields, ends)
        return stream
    }

    mutating func respond(_ stream: UInt32, _ status: UInt16, _ fields: [(String, String)], ends: Bool) {
        guard codec.beginResponse(stream: stream, status: status, output: &output) else { return }
        end(fields, ends)
    }

    mutating func trailers(_ stream: UInt32) {
        guard codec.beginTrailers(stream: stream, output: &output) else { return }
        end([("x-end", "here")], true)
    }

    private mutating func end(_ fields: [(String, String)], _ ends: Bool) {
        for (name, value) in fields { codec.addField(Array(name.utf8).span, Array(value.utf8).span, output: &output) }
        codec.endHead(endsStream: ends, output: &output)
    }

    /// Sends what the proxy's windows allow of a body; returns how many bytes that is.
    mutating func send(_ bytes: ArraySlice<UInt8>, on stream: UInt32, ends: Bool) -> Int {
        let body = Array(bytes)
        return codec.sendData(stream: stream, body.span, endsStream: ends, output: &output)
    }

    mutating func reset(_ stream: UInt32, _ code: HTTP2ErrorCode) { codec.reset(stream: stream, code, output: &output) }
    mutating func goAway() { codec.endGracefully(output: &output) }
    mutating func ping(_ data: UInt64) { codec.ping(data: data, output: &output) }

    /// Lets some of what is to be sent arrive.
    mutating func deliver(_ proxy: SimulatedProxy, _ random: inout Random) {
        if !output.isEmpty {
            var bytes: [UInt8] = []
            for index in output.bytes.indices { bytes.append(output.bytes[index]) }
            output.clear()
            outgoing += bytes
        }
        guard delivered < outgoing.count else { return }
        let most = 1 + random.below(random.below(4) == 0 ? 20 : 9_000)
        let end = min(outgoing.count, delivered + most)
        let part = Array(outgoing[delivered..<end])
        delivered = end
        if delivered == outgoing.count {
            outgoing.removeAll(keepingCapacity: true)
            delivered = 0
        }
        proxy.world { $0.deliver(part, to: socket) }
    }
}
