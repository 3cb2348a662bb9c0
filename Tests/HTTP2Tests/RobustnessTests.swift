import HTTP2
import HeaderBlock
import Memory
import Testing

/// Peers that are late, that stretch the rules, or that break them at the worst moment.
@Suite struct RobustnessTests {
    private func connected(_ limits: HTTP2Limits = HTTP2Limits()) -> CodecServer {
        let server = CodecServer(limits: limits)
        server.receive(Wire.preface + Wire.settings() + Wire.settings(ack: true))
        server.clear()
        return server
    }

    static let lastStraws: [(String, @Sendable (UInt32) -> [UInt8], String)] = [
        ("RST_STREAM", { Wire.reset($0) }, "reset"),
        ("a window update of nothing", { Wire.windowUpdate($0, 0) }, "failed"),
        ("a head that is malformed", { Wire.headers($0, Wire.block([(":path", "/")])) }, "malformed"),
    ]

    /// Whoever holds something for the stream hears of its end, although the same frame ends the connection.
    @Test(arguments: lastStraws)
    func theStreamsEndIsToldBeforeTheConnections(
        what: String, straw: @Sendable (UInt32) -> [UInt8], event: String
    ) {
        let server = connected()
        server.answers = false
        var id: UInt32 = 1
        while !server.hasFailed, id < 4000 {
            server.receive(Wire.headers(id, Wire.request("POST"), end: false) + straw(id))
            id += 2
        }
        let last = server.events.suffix(2)
        #expect(last.first?.hasPrefix("\(event) \(id - 2) ") == true, "\(last)")
        #expect(last.last == "end 11 http2.reset_flood")
    }

    /// Literals that refer to a long name cost two bytes each; a head that is too large already must not grow by them.
    @Test func aHeadThatIsTooLargeDoesNotFillTheMemory() {
        var connection = HTTP2Connection()
        var input = ByteBuffer()
        var output = ByteBuffer()
        var arena = ByteBuffer(capacity: 1024)
        var table = HeaderTable()
        connection.start(.server, settings: .announced(by: .server), limits: HTTP2Limits(), output: &output)
        input.append(Wire.preface + Wire.settings() + Wire.settings(ack: true))
        // An entry of 3,900 bytes in the dynamic table, then references to its name.
        let name = [UInt8](repeating: 0x61, count: 3900)
        var block = Wire.request() + [0x40, 0x7f] + [0xbd, 0x1d] + name + [0]
        while block.count < 15_000 { block += [0x0f, 0x2f, 0x00] }
        input.append(Wire.headers(1, block))
        var isTooLarge = false
        loop: while true {
            switch connection.next(&input, output: &output, now: 1000) {
            case .needsMore, .failed: break loop
            case .head:
                let result = connection.receiveHead(
                    token: 1, input: &input, arena: &arena, table: &table, output: &output)
                if case .tooLarge = result { isTooLarge = true }
            default: break
            }
        }
        #expect(isTooLarge)
        #expect(arena.capacity < 256 * 1024, "\(arena.capacity) bytes")
    }

    /// Only the last value of a frame is carried out.
    @Test func manyWindowSizesInOneFrameCostNoMoreThanOne() {
        let server = connected()
        server.answers = false
        server.receive(Wire.headers(1, Wire.request()))
        // The first alone would make the stream's window overflow with what it has got before.
        server.receive(Wire.windowUpdate(1, 0x7fff_0000 - 65_535))
        server.receive(Wire.settings([(4, 0x7fff_ffff)] + (0..<1_000).map { (4, UInt32($0)) } + [(4, 65_535)]))
        #expect(!server.hasFailed)
        #expect(server.events.last == "settings")
        #expect(server.connection.peer.initialWindowSize == 65_535)
        #expect(server.connection.sendWindow(stream: 1) == 65_535)
    }

    @Test func aHeadForAStreamOfLongAgoIsDropped() {
        let server = connected()
        for index in 0..<400 { server.receive(Wire.headers(UInt32(index * 2 + 1), Wire.request())) }
        server.clear()
        server.receive(Wire.headers(5, Wire.request()))
        #expect(!server.hasFailed)
        server.receive(Wire.data(7, Array("late".utf8)))
        #expect(server.frames.isEmpty)
        server.receive(Wire.headers(801, Wire.request()))
        #expect(server.events.last == "head 801 GET / host=h2.test end")
    }

    @Test func aStreamThatWasSkippedIsStillAnError() {
        let server = connected()
        server.receive(Wire.headers(9, Wire.request()))
        server.receive(Wire.headers(3, Wire.request()))
        #expect(server.events.last == "end 1 http2.unexpected_stream_id")
    }

    /// Trailers that are half here when the stream is given up.
    @Test func aBlockWhoseStreamIsResetMeanwhileIsDropped() {
        let server = connected()
        server.answers = false
        server.receive(Wire.headers(1, Wire.request("POST"), end: false))
        let trailers = Wire.headers(1, Wire.block([("x-trailer", "end")]))
        server.receive(Array(trailers.dropLast(4)))
        server.reset(1)
        let count = server.events.count
        server.receive(Array(trailers.suffix(4)))
        #expect(server.events.count == count)
        server.receive(Wire.headers(3, Wire.request()))
        #expect(server.events.last == "head 3 GET / host=h2.test end")
    }

    // MARK: Responses

    /// A client that has sent one request.
    private final class Asking {
        var connection = HTTP2Connection()
        var input = ByteBuffer()
        var output = ByteBuffer()
        var arena = ByteBuffer(capacity: 1024)
        var table = HeaderTable()
        var events: [String] = []

        init(_ method: String) {
            connection.start(.client, settings: .announced(by: .client), limits: HTTP2Limits(), output: &output)
            receive(Wire.settings() + Wire.settings(ack: true))
            ask(method)
        }

        func ask(_ method: String) {
            guard let stream = connection.openStream(token: 1) else { return }
            arena.append(Array(method.utf8))
            table.method = ByteRange(start: 0, length: method.utf8.count)
            table.knownMethod = Method.classify(arena.storage, table.method)
            connection.beginRequest(stream: stream, table, arena: arena, output: &output)
            connection.endHead(endsStream: true, output: &output)
        }

        func receive(_ bytes: [UInt8]) {
            input.append(bytes)
            while true {
                switch connection.next(&input, output: &output, now: 1000) {
                case .needsMore: return
                case .head:
                    arena.clear()
                    let result = connection.receiveHead(
                        token: 1, input: &input, arena: &arena, table: &table, output: &output)
                    if case .complete = result { events.append("head") } else { events.append("bad head") }
                case .data(let stream, _, let payload, _):
                    events.append("data \(payload.count)")
                    connection.consumed(payload.count, stream: stream, output: &output)
                case .streamFailed(_, _, let failure): events.append("\(failure.detail)")
                case .failed(let failure): events.append("end \(failure.detail)")
                default: break
                }
            }
        }
    }

    static let bodiless: [(String, String)] = [("GET", "204"), ("GET", "304"), ("HEAD", "200")]

    /// Bytes behind such a head would be read as the next response by a client of HTTP/1.1.
    @Test(arguments: bodiless)
    func aBodyWhereThereIsNoneFailsTheStream(method: String, status: String) {
        let client = Asking(method)
        client.receive(Wire.headers(1, Wire.block([(":status", status)]), end: false))
        client.receive(Wire.data(1, Array("HTTP/1.1 200 OK\r\n\r\n".utf8), end: true))
        #expect(client.events == ["head", "http2.content_length_mismatch"])
    }

    @Test(arguments: bodiless)
    func anEmptyBodyIsNone(method: String, status: String) {
        let client = Asking(method)
        client.receive(Wire.headers(1, Wire.block([(":status", status), ("content-length", "7")]), end: false))
        client.receive(Wire.data(1, [], end: true))
        #expect(client.events == ["head", "data 0"])
    }

    @Test func aLateAnswerToARequestGivenUpLongAgoIsDropped() {
        let client = Asking("GET")
        for index in 0..<400 {
            let stream = UInt32(index * 2 + 1)
            client.connection.reset(stream: stream, .cancel, output: &client.output)
            client.arena.clear()
            client.table.reset()
            client.ask("GET")
        }
        client.receive(
            Wire.headers(1, Wire.block([(":status", "200")]), end: false) + Wire.data(1, [1, 2, 3], end: true))
        #expect(client.events.isEmpty)
        client.receive(Wire.headers(801, Wire.block([(":status", "204")])))
        #expect(client.events == ["head"])
    }
}
