import EventLoop
import HTTP2
import HeaderBlock
import Memory
import Proxy
import Testing

/// One message as an HTTP/2 peer of a simulation sees it.
struct StreamMessage {
    var status = 0
    var method = ""
    var path = ""
    var authority = ""
    var fields: [(name: String, value: String)] = []
    var body: [UInt8] = []
    var trailers: [(name: String, value: String)] = []
    var hasHead = false
    var interim: [Int] = []
    var isEnded = false
    var reset: UInt32?

    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
}

/// A client or an endpoint that speaks HTTP/2 over a socket of a simulation.
final class StreamPeer {
    let socket: Int32
    private let world: Simulation
    private var codec = HTTP2Connection()
    private var input = ByteBuffer(capacity: 1 << 16)
    private var output = ByteBuffer(capacity: 1 << 16)
    private let isServer: Bool
    private(set) var messages: [UInt32: StreamMessage] = [:]
    private var handled: Set<UInt32> = []
    private var pending: [UInt32: (bytes: [UInt8], ends: Bool)] = [:]
    private(set) var sawGoAway = false
    private(set) var failure: String?
    /// Bytes that were received are given back at once; otherwise the windows stay shut.
    var reads = true

    init(_ world: Simulation, socket: Int32, isServer: Bool, settings: HTTP2Settings? = nil) {
        self.world = world
        self.socket = socket
        self.isServer = isServer
        let role: HTTP2Role = isServer ? .server : .client
        codec.start(
            role, settings: settings ?? .announced(by: role), limits: HTTP2Limits(), output: &output)
        flush()
    }

    // MARK: Receiving

    /// Takes what has come, and sends what the protocol answers.
    func pump() {
        input.append(world.proxy.world { $0.takeSent(socket) })
        loop: while true {
            switch codec.next(&input, output: &output, now: world.proxy.now) {
            case .needsMore: break loop
            case .head(let stream, _, _, let isTrailers): head(stream, isTrailers)
            case .data(let stream, _, let payload, let ends):
                var bytes: [UInt8] = []
                for index in payload.lowerBound..<payload.upperBound { bytes.append(input.storage[index]) }
                messages[stream]?.body += bytes
                if ends { messages[stream]?.isEnded = true }
                if reads { codec.consumed(payload.count, stream: stream, output: &output) }
            case .reset(let stream, _, let code): messages[stream]?.reset = code.rawValue
            case .streamFailed(let stream, _, let failure):
                self.failure = "\(failure.detail)"
                messages[stream]?.reset = failure.code.rawValue
            case .writable(let stream, _): push(stream)
            case .settings, .pong: break
            case .goAway: sawGoAway = true
            case .refused(let stream, _): messages[stream]?.reset = HTTP2ErrorCode.refusedStream.rawValue
            case .failed(let failure):
                self.failure = "\(failure.detail)"
                break loop
            }
        }
        input.compact()
        flush()
    }

    private func head(_ stream: UInt32, _ isTrailers: Bool) {
        var table = HeaderTable()
        var arena = ByteBuffer(capacity: 1 << 14)
        let result = codec.receiveHead(
            token: UInt64(stream), input: &input, arena: &arena, table: &table, output: &output)
        guard case .complete(let head) = result else {
            failure = "head \(result)"
            return
        }
        var fields: [(name: String, value: String)] = []
        for index in 0..<table.count where !table[index].isRemoved {
            fields.append((arena.storage.string(table[index].name), arena.storage.string(table[index].value)))
        }
        if head.kind == .interim {
            messages[stream, default: StreamMessage()].interim.append(Int(table.status))
            return
        }
        if isTrailers {
            messages[stream]?.trailers = fields
        } else {
            var message = messages[stream] ?? StreamMessage()
            message.status = Int(table.status)
            message.method = arena.storage.string(table.method)
            message.path = arena.storage.string(table.path)
            message.authority = arena.storage.string(table.authority)
            message.fields = fields
            message.hasHead = true
            messages[stream] = message
        }
        if head.endsStream { messages[stream]?.isEnded = true }
    }

    /// Streams with a whole request that was not asked for before.
    func requests() -> [UInt32] {
        pump()
        let fresh = messages.filter { $0.value.isEnded && !handled.contains($0.key) }.map(\.key).sorted()
        handled.formUnion(fresh)
        return fresh
    }

    // MARK: Sending

    /// Sends a request; nil when the proxy's limits forbid another stream.
    func request(
        _ method: String = "GET", _ path: String = "/a", fields: [(String, String)] = [], body: [UInt8]? = nil,
        trailers: [(String, String)] = [], ends: Bool = true
    ) -> UInt32? {
        guard let stream = codec.openStream(token: 0) else { return nil }
        codec.setToken(UInt64(stream), stream: stream)
        messages[stream] = StreamMessage()
        var table = HeaderTable()
        var arena = ByteBuffer(capacity: 4096)
        func put(_ text: String) -> ByteRange {
            let start = arena.end
            arena.append(Array(text.utf8))
            return ByteRange(start: start, length: text.utf8.count)
        }
        table.method = put(method)
        table.path = put(path)
        table.authority = put("x")
        codec.beginRequest(stream: stream, table, arena: arena, output: &output)
        add(fields)
        codec.endHead(endsStream: body == nil && trailers.isEmpty && ends, output: &output)
        if let body { send(body, on: stream, ends: trailers.isEmpty && ends) }
        if !trailers.isEmpty { end(stream, trailers: trailers) }
        flush()
        return stream
    }

    func respond(
        _ stream: UInt32, status: UInt16 = 200, fields: [(String, String)] = [], body: [UInt8]? = nil,
        trailers: [(String, String)] = [], ends: Bool = true
    ) {
        codec.beginResponse(stream: stream, status: status, output: &output)
        add(fields)
        codec.endHead(endsStream: body == nil && trailers.isEmpty && ends && status >= 200, output: &output)
        if let body { send(body, on: stream, ends: trailers.isEmpty && ends) }
        if !trailers.isEmpty { end(stream, trailers: trailers) }
        flush()
    }

    private func add(_ fields: [(String, String)]) {
        for (name, value) in fields {
            codec.addField(Array(name.utf8).span, Array(value.utf8).span, output: &output)
        }
    }

    /// Sends body bytes as the proxy's windows allow; the rest follows when they open.
    func send(_ bytes: [UInt8], on stream: UInt32, ends: Bool = false) {
        let before = pending[stream]?.bytes ?? []
        pending[stream] = (before + bytes, ends)
        push(stream)
        flush()
    }

    private func push(_ stream: UInt32) {
        guard let (bytes, ends) = pending[stream] else { return }
        let taken = codec.sendData(stream: stream, bytes.span, endsStream: ends, output: &output)
        pending[stream] = taken == bytes.count ? nil : (Array(bytes[taken...]), ends)
    }

    /// Trailers; only when all body bytes have gone out.
    func end(_ stream: UInt32, trailers: [(String, String)]) {
        codec.beginTrailers(stream: stream, output: &output)
        add(trailers)
        codec.endHead(endsStream: true, output: &output)
        flush()
    }

    func reset(_ stream: UInt32, _ code: HTTP2ErrorCode = .cancel) {
        codec.reset(stream: stream, code, output: &output)
        flush()
    }

    func goAway() {
        codec.endGracefully(output: &output)
        flush()
    }

    /// Bytes that the proxy takes on a stream now.
    func window(_ stream: UInt32) -> Int { codec.sendWindow(stream: stream) }

    /// Gives back what was withheld on a stream.
    func giveBack(_ count: Int, on stream: UInt32) {
        codec.consumed(count, stream: stream, output: &output)
        flush()
    }

    private func flush() {
        var bytes: [UInt8] = []
        for index in output.bytes.indices { bytes.append(output.bytes[index]) }
        output.clear()
        if !bytes.isEmpty { world.proxy.world { $0.deliver(bytes, to: socket) } }
    }
}
