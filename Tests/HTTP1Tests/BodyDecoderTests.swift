import HTTP1
import HeaderBlock
import Testing

@Suite struct BodyDecoderTests {
    /// Feeds `text` in pieces of `step` bytes and collects the payload.
    private func decode(_ text: String, _ framing: BodyFraming, step: Int) -> (String, Bool, MessageError?) {
        let all = Array(text.utf8)
        var decoder = BodyDecoder(framing)
        var waiting: [UInt8] = []
        var payload: [UInt8] = []
        var index = 0
        while index < all.count, !decoder.isComplete {
            let end = min(all.count, index + step)
            waiting += all[index..<end]
            index = end
            while !waiting.isEmpty, !decoder.isComplete {
                let result = decoder.next(waiting.span, from: 0, limits: Limits())
                if let error = result.error { return (String(decoding: payload, as: UTF8.self), false, error) }
                if result.needsMore { break }
                payload += waiting[result.payload.lowerBound..<result.payload.upperBound]
                waiting.removeFirst(result.consumed)
            }
        }
        return (String(decoding: payload, as: UTF8.self), decoder.isComplete, nil)
    }

    @Test(arguments: [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5;name=value\r\nhello\r\n6 ;x\r\n world\r\n000\r\n\r\n", "hello world"),
        ("A\r\n0123456789\r\n0\r\nX-Sum: 1\r\nGrpc-Status: 0\r\n\r\n", "0123456789"),
        ("0\r\n\r\n", ""),
    ])
    func chunksYieldTheSamePayloadHoweverTheyArrive(text: String, payload: String) {
        for step in 1...text.utf8.count {
            let (result, complete, error) = decode(text, .chunked, step: step)
            #expect(result == payload, "in pieces of \(step)")
            #expect(complete)
            #expect(error == nil)
        }
    }

    @Test(arguments: [
        ("x\r\n", MessageError.badChunkSize), ("\r\n", .badChunkSize), ("-1\r\n", .badChunkSize),
        ("0x5\r\n", .badChunkSize),
        ("ffffffffffffffff\r\n", .badChunkSize), ("5\nhello\r\n0\r\n\r\n", .badChunkSize),
        ("5\r\nhelloX", .badChunkEnd),
        ("5\r\nhello\n", .badChunkEnd), ("5;a\u{0}\r\n", .badChunkExtension), ("5;\n", .badChunkExtension),
        ("0\r\nContent-Length: 5\r\n\r\n", .forbiddenTrailer), ("0\r\nHost: a\r\n\r\n", .forbiddenTrailer),
        ("0\r\nbad line\r\n\r\n", .badTrailer), ("0\r\nX: y\n\r\n", .badTrailer),
        ("0\r\n folded: y\r\n\r\n", .badTrailer),
    ])
    func brokenChunksAreRefusedHoweverTheyArrive(text: String, error: MessageError) {
        for step in 1...text.utf8.count {
            #expect(decode(text, .chunked, step: step).2 == error, "in pieces of \(step)")
        }
    }

    @Test func longChunkLinesAndTrailersAreRefused() {
        let line = "5;" + String(repeating: "x", count: 300) + "\r\n"
        #expect(decode(line, .chunked, step: 1000).2 == .badChunkExtension)
        let trailers = "0\r\n" + String(repeating: "X: \(String(repeating: "y", count: 90))\r\n", count: 100) + "\r\n"
        #expect(decode(trailers, .chunked, step: 100).2 == .trailersTooLarge)
    }

    @Test func aLengthEndsExactly() {
        #expect(decode("hello world", .length(5), step: 3).0 == "hello")
        #expect(decode("hel", .length(5), step: 3).1 == false)
    }

    @Test func onlyABodyWithoutFramingEndsWithTheConnection() {
        var open = BodyDecoder(.untilClose)
        var fixed = BodyDecoder(.length(3))
        let openEnds = open.close()
        let fixedEnds = fixed.close()
        #expect(openEnds)
        #expect(!fixedEnds)
    }

    @Test func scanningTakesFramingAndPayloadTogether() {
        let text = Array("5\r\nhello\r\n0\r\n\r\nGET /next".utf8)
        var decoder = BodyDecoder(.chunked)
        let step = decoder.scan(text.span, from: 0, limits: Limits())
        #expect(step.consumed == text.count - 9)
        #expect(decoder.isComplete)
        #expect(decoder.payloadBytes == 5)
    }
}
