import HTTP2
import HeaderBlock
import Memory
import Testing

/// A client around the codec without a socket.
private final class CodecClient {
    var connection = HTTP2Connection()
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var arena = ByteBuffer(capacity: 1024)
    private var request = HeaderTable()
    private var response = HeaderTable()
    private(set) var written: [UInt8] = []
    private(set) var events: [String] = []

    init(settings: HTTP2Settings = .announced(by: .client)) {
        connection.start(.client, settings: settings, limits: HTTP2Limits(), output: &output)
        flush()
    }

    var frames: [Frame] { Wire.frames(written) }
    var streamCount: Int { connection.streamCount }
    var hasFailed: Bool { connection.hasFailed }
    var canOpenStream: Bool { connection.canOpenStream }

    func clear() { written = [] }

    private func flush() {
        for index in 0..<output.count { written.append(output.bytes[index]) }
        output.clear()
    }

    /// Sends a request with an HTTP/1.1 head's fields; nil when no stream can be opened.
    func send(_ method: String = "GET", fields: [(String, String)] = [], ends: Bool = true) -> UInt32? {
        guard let stream = connection.openStream(token: UInt64(connection.streamCount) + 7) else { return nil }
        arena.clear()
        request.reset()
        request.method = add(method)
        request.knownMethod = Method.classify(arena.storage, request.method)
        request.path = add("/x")
        request.authority = add("a.test")
        for (name, value) in fields {
            let range = add(name)
            let field = HeaderField(name: range, value: add(value), id: KnownHeader.classify(arena.storage, range))
            _ = request.append(field)
        }
        connection.beginRequest(stream: stream, request, arena: arena, output: &output)
        connection.endHead(endsStream: ends, output: &output)
        flush()
        return stream
    }

    private func add(_ text: String) -> ByteRange {
        let start = arena.end
        arena.append(Array(text.utf8))
        return ByteRange(start: start, length: arena.end - start)
    }

    func body(_ stream: UInt32, _ bytes: [UInt8], ends: Bool) -> Int {
        let sent = connection.sendData(stream: stream, bytes.span, endsStream: ends, output: &output)
        flush()
        return sent
    }

    func reset(_ stream: UInt32) {
        connection.reset(stream: stream, .cancel, output: &output)
        flush()
    }

    func consumed(_ count: Int, _ stream: UInt32) {
        connection.consumed(count, stream: stream, output: &output)
        flush()
    }

    func receive(_ bytes: [UInt8]) {
        input.append(bytes)
        while true {
            switch connection.next(&input, output: &output, now: 1) {
            case .needsMore:
                flush()
                return
            case .head(let stream, let token, let isNew, let isTrailers):
                #expect(!isNew)
                let result = connection.receiveHead(
                    token: token, input: &input, arena: &arena, table: &response, output: &output)
                switch result {
                case .complete(let head):
                    let text = isTrailers ? "trailers" : head.kind == .interim ? "interim" : "response"
                    events.append("\(text) \(stream) \(response.status)\(head.endsStream ? " end" : "")")
                case .malformed(let failure): events.append("malformed \(stream) \(failure.detail)")
                case .tooLarge: events.append("too large \(stream)")
                case .failed(let failure): events.append("end \(failure.detail)")
                }
            case .data(let stream, _, let payload, let ends):
                events.append("data \(stream) \(payload.count)\(ends ? " end" : "")")
            case .reset(let stream, _, let code): events.append("reset \(stream) \(code.rawValue)")
            case .streamFailed(let stream, _, let failure): events.append("failed \(stream) \(failure.detail)")
            case .writable(let stream, _): events.append("writable \(stream)")
            case .settings: events.append("settings")
            case .goAway(let last, _): events.append("goaway \(last)")
            case .refused(let stream, _): events.append("refused \(stream)")
            case .pong: events.append("pong")
            case .failed(let failure): events.append("end \(failure.detail)")
            }
        }
    }
}

/// What a client makes of a server.
@Suite struct ClientTests {
    private func connected(_ settings: [(UInt16, UInt32)] = []) -> CodecClient {
        let client = CodecClient()
        client.receive(Wire.settings(settings) + Wire.settings(ack: true))
        client.clear()
        return client
    }

    private let ok = Wire.block([(":status", "200")])

    @Test func thePrefaceComesFirstAndForbidsPush() {
        let client = CodecClient()
        #expect(Array(client.written.prefix(24)) == Wire.preface)
        let frames = Wire.frames(Array(client.written.dropFirst(24)))
        #expect(frames.first?.type == 4)
        #expect(frames.first.map { Array($0.payload.prefix(6)) } == [0, 2, 0, 0, 0, 0])
        #expect(frames.dropFirst().first?.type == 8)
    }

    @Test func whatBelongsToOneConnectionIsNotSent() {
        let client = connected()
        let stream = client.send(
            fields: [
                ("Host", "a.test"), ("Connection", "keep-alive"), ("Keep-Alive", "1"), ("Transfer-Encoding", "chunked"),
                ("Upgrade", "h2c"), ("TE", "gzip"), ("X-Tenant", "blue"), ("Proxy-Connection", "close"),
            ])
        #expect(stream == 1)
        let server = CodecServer()
        server.receive(Wire.preface + Wire.settings() + client.written)
        #expect(server.events.last == "head 1 GET /x host=a.test x-tenant=blue end")
    }

    @Test func aWholeExchangeLeavesNothing() {
        let client = connected()
        _ = client.send("POST", ends: false)
        #expect(client.body(1, Array("hello".utf8), ends: true) == 5)
        client.receive(
            Wire.headers(1, Wire.block([(":status", "103"), ("link", "</a>")]), end: false)
                + Wire.headers(1, ok, end: false) + Wire.data(1, [1, 2, 3])
                + Wire.headers(1, Wire.block([("grpc-status", "0")])))
        #expect(client.events == ["settings", "interim 1 103", "response 1 200", "data 1 3", "trailers 1 0 end"])
        #expect(client.streamCount == 0)
        client.consumed(3, 1)
        #expect(client.send() == 3)
    }

    @Test(arguments: [
        ("data before a head", Wire.data(1, [1]), "failed 1 http2.data_before_head"),
        ("a head without status", Wire.headers(1, Wire.block([("a", "b")])), "malformed 1 http2.missing_status"),
        ("status 101", Wire.headers(1, Wire.block([(":status", "101")]), end: false), "malformed 1 http2.bad_status"),
        ("a status of words", Wire.headers(1, Wire.block([(":status", "ok!")])), "malformed 1 http2.bad_status"),
        (
            "a request's pseudo field", Wire.headers(1, Wire.block([(":status", "200"), (":path", "/")])),
            "malformed 1 http2.unexpected_pseudo_field"
        ),
        (
            "an interim response that ends", Wire.headers(1, Wire.block([(":status", "100")])),
            "malformed 1 http2.interim_response_ends_stream"
        ),
        (
            "less body than promised",
            Wire.headers(1, Wire.block([(":status", "200"), ("content-length", "5")]), end: false)
                + Wire.data(1, [1], end: true), "failed 1 http2.content_length_mismatch"
        ),
        ("a pushed stream", Wire.headers(2, Wire.block([(":status", "200")])), "end http2.unexpected_stream_id"),
        ("a stream nobody opened", Wire.headers(9, Wire.block([(":status", "200")])), "end http2.unexpected_stream_id"),
        ("a push promise", Wire.frame(5, 4, 1, [0, 0, 0, 2]), "end http2.push_promise"),
        ("push offered", Wire.settings([(2, 1)]), "end http2.bad_enable_push"),
    ])
    func aServerThatBreaksTheRulesIsToldSo(what: String, bytes: [UInt8], event: String) {
        let client = connected()
        _ = client.send()
        client.receive(bytes)
        #expect(client.events.last == event)
    }

    @Test(arguments: [("HEAD", "200"), ("GET", "304"), ("GET", "204")])
    func aResponseWithoutBodyMayTellALength(method: String, status: String) {
        let client = connected()
        _ = client.send(method)
        client.receive(Wire.headers(1, Wire.block([(":status", status), ("content-length", "500")])))
        #expect(client.events.last == "response 1 \(status) end")
    }

    @Test func noMoreStreamsAreOpenedThanTheServerAllows() {
        let client = connected([(3, 2)])
        #expect(client.send() == 1)
        #expect(client.send() == 3)
        #expect(client.send() == nil)
        client.receive(Wire.headers(1, ok))
        #expect(client.canOpenStream)
        #expect(client.send() == 5)
    }

    @Test func aGoAwayGivesBackWhatTheServerWillNotLookAt() {
        let client = connected()
        for _ in 0..<4 { _ = client.send() }
        client.receive(Wire.goAway(last: 3))
        #expect(client.events.dropFirst().sorted() == ["goaway 3", "refused 5", "refused 7"])
        #expect(!client.canOpenStream)
        client.receive(Wire.headers(1, ok) + Wire.headers(3, ok))
        #expect(client.streamCount == 0)
        #expect(!client.hasFailed)
    }

    @Test func aStreamThatNeverSentItsHeadIsForgottenWithoutAFrame() {
        let client = connected()
        let stream = client.connection.openStream(token: 1)
        #expect(stream == 1)
        client.reset(1)
        #expect(client.written.isEmpty)
        #expect(client.streamCount == 0)
    }

    @Test func windowsThatShrinkBelowZeroOpenAgain() {
        let client = connected([(4, 10)])
        _ = client.send("POST", ends: false)
        #expect(client.body(1, [UInt8](repeating: 1, count: 12), ends: true) == 10)
        client.receive(Wire.settings([(4, 4)]))
        client.receive(Wire.windowUpdate(1, 6))
        #expect(client.events.filter { $0.hasPrefix("writable") } == [])
        client.receive(Wire.windowUpdate(1, 1))
        #expect(client.events.last == "writable 1")
        #expect(client.body(1, [1, 1], ends: true) == 1)
        client.receive(Wire.settings([(4, 5)]))
        #expect(client.events.suffix(2) == ["settings", "writable 1"])
        #expect(client.body(1, [1], ends: true) == 1)
        #expect(client.frames.last == Frame(type: 0, flags: 1, stream: 1, payload: [1]))
    }

    @Test func aStreamThatEndedKeepsItsBytesOfTheWindowUntilTheyAreConsumed() {
        let client = connected()
        _ = client.send()
        client.receive(Wire.headers(1, ok, end: false))
        let piece = [UInt8](repeating: 1, count: 16_000)
        for index in 0..<4 { client.receive(Wire.data(1, piece, end: index == 3)) }
        client.clear()
        #expect(client.streamCount == 0)
        // Half of the connection's window of 1 MiB is given back at a time.
        var streams: [UInt32] = []
        for _ in 0..<8 {
            guard let stream = client.send() else { break }
            streams.append(stream)
            client.receive(Wire.headers(stream, ok, end: false))
            for index in 0..<4 { client.receive(Wire.data(stream, piece, end: index == 3)) }
        }
        #expect(!client.frames.contains { $0.type == 8 && $0.stream == 0 })
        client.consumed(64_000, 1)
        for stream in streams { client.consumed(64_000, stream) }
        #expect(client.frames.contains { $0.type == 8 && $0.stream == 0 && $0.number(0) >= 512 * 1024 })
    }

    @Test func aLargeHeadIsSplitIntoFrames() {
        let client = connected()
        let value = String(repeating: "x", count: 9000)
        _ = client.send(fields: (0..<5).map { ("x-\($0)", value + String($0)) })
        #expect(client.frames.map(\.type) == [1, 9, 9])
        #expect(client.frames.map(\.flags) == [1, 0, 4])
        #expect(client.frames.allSatisfy { $0.stream == 1 && $0.payload.count <= 16_384 })
        let server = CodecServer()
        server.receive(Wire.preface + Wire.settings() + client.written)
        let expected =
            "head 1 GET /x host=a.test " + (0..<5).map { "x-\($0)=\(value)\($0)" }.joined(separator: " ") + " end"
        #expect(server.events.last == expected)
    }
}
