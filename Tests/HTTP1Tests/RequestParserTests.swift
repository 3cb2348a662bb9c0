import HTTP1
import HeaderBlock
import Testing

@Suite struct RequestParserTests {
    private func parse(_ text: String, limits: Limits = Limits()) -> HeadResult {
        var table = HeaderTable()
        return RequestParser.parse(Array(text.utf8).span, from: 0, limits: limits, into: &table)
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", BodyFraming.none, true),
        ("POST /x HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\n\r\n", .length(5), true),
        ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", .chunked, true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n", .none, false),
        ("GET / HTTP/1.0\r\n\r\n", .none, false),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", .none, true),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .none, true),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", .none, true),
        ("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", .none, true),
    ])
    func wholeHeadsAreUnderstood(text: String, framing: BodyFraming, keepsAlive: Bool) throws {
        guard case .complete(let head) = parse(text) else {
            Issue.record("not complete: \(parse(text))")
            return
        }
        #expect(head.length == text.utf8.count)
        #expect(head.framing == framing)
        #expect(head.keepsAlive == keepsAlive)
    }

    @Test(arguments: [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            MessageError.transferEncodingWithContentLength
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", .duplicateContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", .badContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", .badContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", .badContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferEncoding),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            .badTransferEncoding
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncodingInHTTP10),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", .folding),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .spaceBeforeColon),
        ("GET / HTTP/1.1\nHost: a\n\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\n\r\n", .missingHost),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .duplicateHost),
        ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", .badHost),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", .badFieldValue),
        ("GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n", .spaceBeforeColon),
        ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", .badFieldName),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion),
        ("PRI * HTTP/2.0\r\n\r\n", .http2Preface),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .badVersion),
        ("GET relative HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
        ("GET /\r\n\r\n", .badTarget),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", .badMethod),
    ])
    func ambiguousHeadsAreRefused(text: String, error: MessageError) {
        #expect(parse(text) == .invalid(error))
    }

    @Test func everyProperPrefixIsIncomplete() {
        let text = "POST /a/b?c=d HTTP/1.1\r\nHost: example.com:80\r\nContent-Length: 12\r\nX-Y: z \r\n\r\n"
        for length in 1..<text.utf8.count {
            let part = String(decoding: Array(text.utf8).prefix(length), as: UTF8.self)
            #expect(parse(part) == .incomplete, "prefix of \(length)")
        }
    }

    @Test func limitsHold() {
        var limits = Limits()
        limits.headBytes = 100
        let long = "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "y", count: 100))\r\n\r\n"
        #expect(parse(long, limits: limits) == .invalid(.headTooLarge))
        let many = "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 101) + "\r\n"
        #expect(parse(many) == .invalid(.tooManyFields))
    }

    @Test func anyBytesGiveAnAnswer() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        func next(_ bound: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % bound)
        }
        let base = Array("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: x, close\r\n\r\n".utf8)
        var table = HeaderTable()
        for _ in 0..<20_000 {
            var bytes = base
            for _ in 0..<(1 + next(4)) {
                let index = next(UInt64(bytes.count))
                switch next(3) {
                case 0: bytes[index] = UInt8(next(256))
                case 1: bytes.remove(at: index)
                default: bytes.insert(UInt8(next(256)), at: index)
                }
            }
            if case .complete(let head) = RequestParser.parse(bytes.span, from: 0, limits: Limits(), into: &table) {
                #expect(head.length <= bytes.count, "seed \(seed)")
            }
        }
    }
}
