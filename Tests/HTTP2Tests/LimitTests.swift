import HTTP2
import Testing

/// Peers that cost more than they bring.
@Suite struct LimitTests {
    private func connected(_ limits: HTTP2Limits = HTTP2Limits()) -> CodecServer {
        let server = CodecServer(limits: limits)
        server.receive(Wire.preface + Wire.settings() + Wire.settings(ack: true))
        server.clear()
        return server
    }

    private static let flood = "end 11 http2.frame_flood"

    static let floods: [(String, [UInt8], String)] = [
        ("PRIORITY", Wire.priority(1), flood),
        ("empty DATA", Wire.data(1, []), flood),
        ("frames of an unknown type", Wire.frame(0xbe, 0, 1, []), flood),
        ("WINDOW_UPDATE", Wire.windowUpdate(1, 1), flood),
        ("PING acknowledgements", Wire.ping([0, 0, 0, 0, 0, 0, 0, 0], ack: true), flood),
        ("SETTINGS acknowledgements", Wire.settings(ack: true), flood),
    ]

    @Test(arguments: floods)
    func aFloodOfFramesThatCarryNothingEndsTheConnection(what: String, frame: [UInt8], event: String) {
        let server = connected()
        server.answers = false
        server.receive(Wire.headers(1, Wire.request("POST"), end: false))
        for _ in 0..<5000 where !server.hasFailed { server.receive(frame) }
        #expect(server.events.last == event)
        #expect(server.frames.last?.type == 7)
        #expect(server.frames.last?.number(4) == 11)
    }

    @Test(arguments: [
        ("PING", Wire.ping([0, 0, 0, 0, 0, 0, 0, 0])), ("SETTINGS", Wire.settings()),
    ])
    func answersThatNobodyReadsAreBounded(what: String, frame: [UInt8]) {
        let server = connected()
        server.keepsOutput = true
        for _ in 0..<3000 where !server.hasFailed { server.receive(frame) }
        #expect(server.events.last == "end 11 http2.too_many_unread_answers")
    }

    @Test func frequentPingsAreFineForAPeerThatWaits() {
        let server = connected()
        for _ in 0..<20_000 {
            server.receive(Wire.ping([0, 0, 0, 0, 0, 0, 0, 0]))
            server.now += 2
        }
        #expect(!server.hasFailed)
    }

    @Test func requestsThatAreResetAtOnceEndTheConnection() {
        let server = connected()
        server.answers = false
        var id: UInt32 = 1
        while !server.hasFailed, id < 4000 {
            server.receive(Wire.headers(id, Wire.request()) + Wire.reset(id))
            id += 2
        }
        #expect(server.events.last == "end 11 http2.reset_flood")
        #expect(id / 2 == 501)
    }

    @Test func resetsThatThePeerMakesUsSendCountToo() {
        let server = connected()
        server.answers = false
        var id: UInt32 = 1
        while !server.hasFailed, id < 4000 {
            server.receive(Wire.headers(id, Wire.request()) + Wire.windowUpdate(id, 0))
            id += 2
        }
        #expect(server.events.last == "end 11 http2.reset_flood")
    }

    @Test func cancelledRequestsAreFineAtAModestRate() {
        let server = connected()
        server.answers = false
        for index in 0..<3000 {
            let id = UInt32(index * 2 + 1)
            server.receive(Wire.headers(id, Wire.request()) + Wire.reset(id))
            server.now += 20
        }
        #expect(!server.hasFailed)
    }

    @Test func aHeaderBlockWithoutEndIsBounded() {
        let server = connected()
        server.receive(Wire.headers(1, Wire.request(), endHeaders: false))
        for _ in 0..<50 where !server.hasFailed {
            server.receive(Wire.continuation(1, [], endHeaders: false))
        }
        #expect(server.events.last == "end 11 http2.continuation_flood")
        let other = connected()
        other.receive(Wire.headers(1, Wire.request(), endHeaders: false))
        for _ in 0..<10 where !other.hasFailed {
            other.receive(Wire.continuation(1, Wire.dummy(3), endHeaders: false))
            other.receive(Wire.continuation(1, Wire.dummy(1), endHeaders: false))
        }
        #expect(
            other.events.last == "end 11 http2.header_block_too_large"
                || other.events.last == "end 11 http2.continuation_flood")
    }

    @Test func streamsBeyondTheLimitAreRefusedAndNoted() {
        let server = connected()
        server.answers = false
        for index in 0..<150 { server.receive(Wire.headers(UInt32(index * 2 + 1), Wire.request())) }
        #expect(server.streamCount == SpecCases.limit)
        #expect(server.frames.filter { $0.type == 3 && $0.number(0) == 7 }.count == 50)
        #expect(!server.hasFailed)
    }
}
