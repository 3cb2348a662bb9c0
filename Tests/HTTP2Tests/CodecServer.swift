import HTTP2
import HeaderBlock
import Memory

/// A server around the codec without a socket: bytes in, bytes out. It answers each request with a short body.
final class CodecServer {
    var connection = HTTP2Connection()
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var arena = ByteBuffer(capacity: 1024)
    private var table = HeaderTable()
    /// What is still to be sent, by stream.
    private var pending: [UInt32: [UInt8]] = [:]
    /// Everything written so far.
    private(set) var written: [UInt8] = []
    private(set) var events: [String] = []
    private let body = Array("hello, world".utf8)
    var now: UInt64 = 1000
    var answers = true
    var consumes = true
    /// The peer reads nothing.
    var keepsOutput = false

    init(settings: HTTP2Settings? = nil, limits: HTTP2Limits = HTTP2Limits()) {
        var ours = HTTP2Settings.announced(by: .server)
        ours.maxConcurrentStreams = SpecCases.limit
        connection.start(.server, settings: settings ?? ours, limits: limits, output: &output)
        flush()
    }

    var hasFailed: Bool { connection.hasFailed }
    var streamCount: Int { connection.streamCount }
    var frames: [Frame] { Wire.frames(written) }

    /// Forgets what was written.
    func clear() { written = [] }

    func receive(_ bytes: [UInt8]) {
        input.append(bytes)
        while true {
            let event = connection.next(&input, output: &output, now: now)
            if case .needsMore = event { break }
            handle(event)
        }
        flush()
    }

    func goAway() {
        connection.announceEnd(output: &output)
        flush()
    }

    func endGracefully() {
        connection.endGracefully(output: &output)
        flush()
    }

    func reset(_ stream: UInt32) {
        connection.reset(stream: stream, .cancel, output: &output)
        flush()
    }

    func flush() {
        if keepsOutput { return }
        for index in 0..<output.count { written.append(output.bytes[index]) }
        output.clear()
    }

    private func handle(_ event: HTTP2Event) {
        switch event {
        case .needsMore: break
        case .head(let stream, _, _, let isTrailers): head(stream, isTrailers)
        case .data(let stream, _, let payload, let ends):
            events.append("data \(stream) \(input.storage.string(payload))\(ends ? " end" : "")")
            if consumes { connection.consumed(payload.count, stream: stream, output: &output) }
            if ends { respond(stream) }
        case .reset(let stream, _, let code):
            events.append("reset \(stream) \(code.rawValue)")
            pending[stream] = nil
        case .streamFailed(let stream, _, let failure):
            events.append("failed \(stream) \(failure.code.rawValue) \(failure.detail)")
            pending[stream] = nil
        case .writable(let stream, _):
            events.append("writable \(stream)")
            send(stream)
        case .settings: events.append("settings")
        case .goAway(let last, let code): events.append("goaway \(last) \(code.rawValue)")
        case .refused(let stream, _): events.append("refused \(stream)")
        case .pong(let data): events.append("pong \(data)")
        case .failed(let failure): events.append("end \(failure.code.rawValue) \(failure.detail)")
        }
    }

    private func head(_ stream: UInt32, _ isTrailers: Bool) {
        arena.clear()
        let result = connection.receiveHead(
            token: UInt64(stream) * 10, input: &input, arena: &arena, table: &table, output: &output)
        switch result {
        case .complete(let head):
            var text = "\(isTrailers ? "trailers" : "head") \(stream) \(arena.storage.string(table.method))"
            if !table.path.isEmpty { text += " \(arena.storage.string(table.path))" }
            for index in 0..<table.count where !table[index].isRemoved {
                text += " \(arena.storage.string(table[index].name))=\(arena.storage.string(table[index].value))"
            }
            if !head.protocolName.isEmpty { text += " protocol=\(arena.storage.string(head.protocolName))" }
            events.append(text + (head.endsStream ? " end" : ""))
            if head.endsStream { respond(stream) }
        case .malformed(let failure): events.append("malformed \(stream) \(failure.code.rawValue) \(failure.detail)")
        case .tooLarge(let ends):
            events.append("too large \(stream)")
            connection.beginResponse(stream: stream, status: 431, output: &output)
            connection.endHead(endsStream: true, output: &output)
            if !ends { connection.reset(stream: stream, .noError, output: &output) }
        case .failed(let failure): events.append("end \(failure.code.rawValue) \(failure.detail)")
        }
    }

    private func respond(_ stream: UInt32) {
        guard answers else { return }
        connection.beginResponse(stream: stream, status: 200, output: &output)
        connection.addField(.contentLength, decimal: body.count, output: &output)
        connection.endHead(endsStream: false, output: &output)
        pending[stream] = body
        send(stream)
    }

    private func send(_ stream: UInt32) {
        guard let rest = pending[stream] else { return }
        let sent = connection.sendData(stream: stream, rest.span, endsStream: true, output: &output)
        pending[stream] = sent == rest.count ? nil : Array(rest.dropFirst(sent))
    }
}
