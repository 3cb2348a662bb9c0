import HTTP2
import Testing

/// What a server makes of requests beyond h2spec's list.
@Suite struct ServerTests {
    private func connected(settings: HTTP2Settings? = nil, limits: HTTP2Limits = HTTP2Limits()) -> CodecServer {
        let server = CodecServer(settings: settings, limits: limits)
        server.receive(Wire.preface + Wire.settings() + Wire.settings(ack: true))
        server.clear()
        return server
    }

    @Test func aHeadComesOutAsOneOfHTTP1WouldAndCookiesAreJoined() {
        let server = connected()
        server.receive(
            Wire.headers(
                1, Wire.request("GET", path: "/a?b", [("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2")])))
        #expect(server.events.last == "head 1 GET /a?b host=h2.test accept=*/* cookie=a=1; b=2 end")
    }

    static let authorities: [(String, [(String, String)], [(String, String)], String)] = [
        ("authority alone", [(":authority", "a.test")], [], "host=a.test"),
        ("host alone", [], [("host", "b.test")], "host=b.test"),
        ("both: the authority counts", [(":authority", "a.test")], [("host", "b.test")], "host=a.test"),
    ]

    @Test(arguments: authorities)
    func theAuthorityIsTheHost(
        what: String, pseudo: [(String, String)], fields: [(String, String)], host: String
    ) {
        let server = connected()
        let block = Wire.block([(":method", "GET"), (":scheme", "http"), (":path", "/")] + pseudo + fields)
        server.receive(Wire.headers(1, block))
        #expect(server.events.last == "head 1 GET / \(host) end")
    }

    static let malformed: [(String, [(String, String)], [(String, String)], String)] = [
        ("a blank in the path", [(":path", "/a b")], [], "http2.bad_path"),
        ("a path without slash", [(":path", "a")], [], "http2.bad_path"),
        ("an asterisk without OPTIONS", [(":path", "*")], [], "http2.bad_path"),
        ("a line feed in a value", [], [("x-a", "1\n2")], "http2.bad_field_value"),
        ("a blank at a value's end", [], [("x-a", "1 ")], "http2.bad_field_value"),
        ("a blank in a name", [], [("x a", "1")], "http2.bad_field_name"),
        ("two content-lengths", [], [("content-length", "0"), ("content-length", "0")], "http2.bad_content_length"),
        ("a negative content-length", [], [("content-length", "-1")], "http2.bad_content_length"),
        ("transfer-encoding", [], [("transfer-encoding", "chunked")], "http2.connection_specific_field"),
        ("upgrade", [], [("upgrade", "h2c")], "http2.connection_specific_field"),
        ("keep-alive", [], [("keep-alive", "1")], "http2.connection_specific_field"),
        ("proxy-connection", [], [("proxy-connection", "close")], "http2.connection_specific_field"),
        ("te with a coding", [], [("te", "gzip")], "http2.connection_specific_field"),
        ("two hosts", [], [("host", "a"), ("host", "a")], "http2.duplicate_host"),
        ("a comma in the authority", [(":authority", "a,b")], [], "http2.bad_authority"),
        ("a protocol nobody allowed", [(":protocol", "websocket")], [], "http2.unexpected_protocol"),
    ]

    @Test(arguments: malformed)
    func aMalformedRequestIsReset(
        what: String, pseudo: [(String, String)], fields: [(String, String)], detail: String
    ) {
        let server = connected()
        let basic = [(":method", "GET"), (":scheme", "http"), (":path", "/")].filter { known in
            !pseudo.contains { $0.0 == known.0 }
        }
        server.receive(Wire.headers(1, Wire.block(basic + pseudo + fields)))
        #expect(server.events.last == "malformed 1 1 \(detail)")
        #expect(server.frames == [Frame(type: 3, stream: 1, payload: [0, 0, 0, 1])])
        #expect(server.streamCount == 0)
        // The connection and its compression state live on.
        server.receive(Wire.headers(3, Wire.request()))
        #expect(server.events.last == "head 3 GET / host=h2.test end")
    }

    static let connects: [(String, [(String, String)], String)] = [
        ("plain", [(":method", "CONNECT"), (":authority", "a.test:443")], "head 1 CONNECT host=a.test:443"),
        (
            "with a path", [(":method", "CONNECT"), (":authority", "a"), (":path", "/")],
            "malformed 1 1 http2.bad_connect"
        ),
        ("without authority", [(":method", "CONNECT")], "malformed 1 1 http2.bad_connect"),
        (
            "extended",
            [
                (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/chat"),
                (":authority", "a"),
            ], "head 1 CONNECT /chat host=a protocol=websocket"
        ),
        (
            "extended without path",
            [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "a")],
            "malformed 1 1 http2.missing_path"
        ),
        (
            "a protocol with GET",
            [
                (":method", "GET"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/"),
                (":authority", "a"),
            ],
            "malformed 1 1 http2.unexpected_protocol"
        ),
    ]

    @Test(arguments: connects)
    func connectIsUnderstood(what: String, fields: [(String, String)], event: String) {
        var settings = HTTP2Settings.announced(by: .server)
        settings.enableConnectProtocol = true
        let server = connected(settings: settings)
        server.receive(Wire.headers(1, Wire.block(fields), end: false))
        #expect(server.events.last == event)
    }

    @Test func aConnectStreamCarriesNoTrailers() {
        let server = connected()
        server.receive(Wire.headers(1, Wire.block([(":method", "CONNECT"), (":authority", "a:1")]), end: false))
        server.receive(Wire.headers(1, Wire.block([("x-a", "1")])))
        #expect(server.events.last == "failed 1 1 http2.second_head")
    }

    @Test func trailersComeWithoutWhatFramesMessages() {
        let server = connected()
        server.receive(
            Wire.headers(1, Wire.request("POST"), end: false) + Wire.data(1, Array("hi".utf8))
                + Wire.headers(1, Wire.block([("grpc-status", "0"), ("content-length", "9"), ("host", "x")])))
        #expect(server.events.suffix(2) == ["data 1 hi", "trailers 1  grpc-status=0 end"])
    }

    @Test func trailersOfAStreamThatWasResetBetweenTheirFramesAreDropped() {
        let server = connected()
        server.receive(Wire.headers(1, Wire.request("POST"), end: false))
        let trailers = Wire.block([("grpc-status", "0")])
        server.receive(Wire.headers(1, Array(trailers.prefix(4)), endHeaders: false))
        server.reset(1)
        server.receive(Wire.continuation(1, Array(trailers.dropFirst(4))))
        #expect(!server.hasFailed)
        server.receive(Wire.headers(3, Wire.request()))
        #expect(server.events.last == "head 3 GET / host=h2.test end")
    }

    @Test func contentLengthMustBeMetByTrailersToo() {
        let server = connected()
        server.receive(
            Wire.headers(1, Wire.request("POST", [("content-length", "3")]), end: false)
                + Wire.data(1, Array("hi".utf8)) + Wire.headers(1, Wire.block([("a", "b")])))
        #expect(server.events.last == "malformed 1 1 http2.content_length_mismatch")
    }

    @Test func aRequestThatPromisesABodyAndEndsIsMalformed() {
        let server = connected()
        server.receive(Wire.headers(1, Wire.request("POST", [("content-length", "3")])))
        #expect(server.events.last == "malformed 1 1 http2.content_length_mismatch")
    }

    @Test func aHeadThatIsTooLargeIsAnsweredAndTheConnectionLives() {
        var limits = HTTP2Limits()
        limits.headerListBytes = 5000
        let server = connected(limits: limits)
        server.receive(Wire.headers(1, Wire.request() + Wire.dummy(2)))
        #expect(server.events.last == "too large 1")
        #expect(server.frames.map(\.type) == [1])
        server.receive(Wire.headers(3, Wire.request()))
        #expect(server.events.last == "head 3 GET / host=h2.test end")
    }

    @Test func moreFieldsThanATableHoldsAreTooLarge() {
        let server = connected()
        server.receive(Wire.headers(1, Wire.request("GET", (0..<101).map { ("x-\($0)", "1") })))
        #expect(server.events.last == "too large 1")
    }

    @Test func aBlockOfManyReferencesToOneLargeEntryIsNotUnpacked() {
        let server = connected()
        // One entry of 3,900 bytes, then 16,000 references to it: 62 MB if it were written out.
        let big = [UInt8](repeating: 0x78, count: 3900)
        server.receive(Wire.headers(1, [0x40, 1, 0x61, 0x7f, 0xbd, 0x1d] + big + Wire.request()))
        #expect(server.events.last?.hasPrefix("malformed 1") == true)
        server.receive(Wire.headers(3, Wire.request() + [UInt8](repeating: 0xbe, count: 16_000)))
        #expect(server.events.last == "too large 3")
    }

    // MARK: Flow control

    @Test func aWindowThatIsUsedUpAndNotGivenBackFailsTheStream() {
        var settings = HTTP2Settings()
        settings.initialWindowSize = 10
        let server = connected(settings: settings)
        server.consumes = false
        server.receive(
            Wire.headers(1, Wire.request("POST"), end: false) + Wire.data(1, [UInt8](repeating: 97, count: 10)))
        #expect(server.events.last == "data 1 aaaaaaaaaa")
        server.receive(Wire.data(1, [97]))
        #expect(server.events.last == "failed 1 3 http2.stream_window")
    }

    /// What the peer had sent before it knew of our smaller window leaves a window below zero (RFC 9113, section 6.9.2).
    @Test(
        arguments: [
            ("its end", [], true, "data 1  end"), ("an empty frame", [], false, "data 1 aaaaaaaaaaaaaaa"),
            ("a byte", [97], true, "failed 1 3 http2.stream_window"),
        ] as [(String, [UInt8], Bool, String)])
    func aWindowBelowZeroTakesOnlyEmptyFrames(what: String, bytes: [UInt8], end: Bool, event: String) {
        var settings = HTTP2Settings()
        settings.initialWindowSize = 10
        let server = CodecServer(settings: settings)
        server.consumes = false
        server.receive(Wire.preface + Wire.settings() + Wire.headers(1, Wire.request("POST"), end: false))
        server.receive(Wire.data(1, [UInt8](repeating: 97, count: 15)) + Wire.settings(ack: true))
        server.receive(Wire.data(1, bytes, end: end))
        #expect(server.events.last == event, "\(what)")
        #expect(!server.hasFailed)
    }

    @Test func theConnectionWindowCountsAllStreams() {
        var limits = HTTP2Limits()
        limits.connectionWindowBytes = 65_535
        let server = connected(limits: limits)
        server.consumes = false
        let piece = [UInt8](repeating: 97, count: 16_000)
        for stream in [1, 3, 5, 7] as [UInt32] {
            server.receive(Wire.headers(stream, Wire.request("POST"), end: false) + Wire.data(stream, piece))
        }
        #expect(!server.hasFailed)
        server.receive(Wire.headers(9, Wire.request("POST"), end: false) + Wire.data(9, piece))
        #expect(server.events.last == "end 3 http2.connection_window")
    }

    @Test func whatIsConsumedIsGivenBackInHalfWindows() {
        var settings = HTTP2Settings()
        settings.initialWindowSize = 1000
        let server = connected(settings: settings)
        server.receive(
            Wire.headers(1, Wire.request("POST"), end: false) + Wire.data(1, [UInt8](repeating: 97, count: 499)))
        #expect(server.frames == [])
        server.receive(Wire.data(1, [97]))
        #expect(server.frames == [Frame(type: 8, stream: 1, payload: Wire.number(500))])
    }

    @Test func paddingIsGivenBackAtOnce() {
        var settings = HTTP2Settings()
        settings.initialWindowSize = 300
        let server = connected(settings: settings)
        server.consumes = false
        server.receive(Wire.headers(1, Wire.request("POST"), end: false) + Wire.padded(1, [97], padding: 200))
        #expect(server.events.last == "data 1 a")
        #expect(server.frames == [Frame(type: 8, stream: 1, payload: Wire.number(201))])
    }

    @Test func bytesOfStreamsThatWereResetAreGivenBackToTheConnection() {
        var limits = HTTP2Limits()
        limits.connectionWindowBytes = 65_535
        let server = connected(limits: limits)
        server.consumes = false
        let piece = [UInt8](repeating: 97, count: 16_000)
        for stream in 0..<40 {
            let id = UInt32(stream * 2 + 1)
            server.receive(Wire.headers(id, Wire.request("POST"), end: false) + Wire.data(id, piece) + Wire.reset(id))
        }
        #expect(!server.hasFailed)
        let given = server.frames.filter { $0.type == 8 && $0.stream == 0 }.reduce(0) { $0 + $1.number(0) }
        #expect(given >= 40 * 16_000 - 65_535)
    }

    @Test func aResponseWaitsForTheWindowAndGoesOn() {
        let server = CodecServer()
        server.receive(Wire.preface + Wire.settings([(4, 5)]) + Wire.headers(1, Wire.request()))
        server.receive(Wire.windowUpdate(1, 4))
        server.receive(Wire.windowUpdate(1, 100))
        let data = server.frames.filter { $0.type == 0 }
        #expect(data.map(\.payload.count) == [5, 4, 3])
        #expect(data.map(\.flags) == [0, 0, 1])
        #expect(server.streamCount == 0)
    }

    @Test func streamsThatWaitForTheConnectionWindowTakeTurns() {
        let server = CodecServer()
        server.receive(Wire.preface + Wire.settings())
        // Use the connection's window up: 65,535 bytes are 5,461 bodies of 12 and 3 bytes.
        var id: UInt32 = 1
        for _ in 0..<5461 {
            server.receive(Wire.headers(id, Wire.request()))
            id += 2
        }
        server.clear()
        let waiting = (0..<4).map { id + UInt32($0) * 2 }
        for stream in waiting { server.receive(Wire.headers(stream, Wire.request())) }
        server.receive(Wire.windowUpdate(0, 6))
        server.receive(Wire.windowUpdate(0, 3))
        server.receive(Wire.windowUpdate(0, 100))
        for stream in waiting {
            let data = server.frames.filter { $0.type == 0 && $0.stream == stream }
            #expect(data.reduce(0) { $0 + $1.payload.count } == 12)
            #expect(data.last?.flags == 1)
        }
    }

    // MARK: The end

    @Test func aGracefulEndRefusesNewStreamsAndFinishesOldOnes() {
        let server = connected()
        server.receive(Wire.headers(1, Wire.request("POST"), end: false))
        server.goAway()
        #expect(server.frames.last?.type == 7)
        #expect(server.frames.last?.number(0) == 0x7fff_ffff)
        server.receive(Wire.headers(3, Wire.request("POST"), end: false))
        #expect(server.streamCount == 2)
        server.endGracefully()
        #expect(server.frames.last?.number(0) == 3)
        #expect(server.frames.last?.number(4) == 0)
        server.clear()
        server.receive(Wire.headers(5, Wire.request()))
        #expect(server.frames == [Frame(type: 3, stream: 5, payload: Wire.number(7))])
        server.receive(Wire.data(1, [97], end: true) + Wire.data(3, [97], end: true))
        #expect(server.streamCount == 0)
        #expect(!server.hasFailed)
    }

    @Test func lateFramesOfAStreamThatWeResetAreIgnored() {
        let server = connected()
        server.answers = false
        server.receive(Wire.headers(1, Wire.request("POST"), end: false))
        server.reset(1)
        server.clear()
        server.receive(
            Wire.data(1, [97]) + Wire.windowUpdate(1, 5) + Wire.headers(1, Wire.block([("a", "b")])) + Wire.reset(1))
        #expect(server.frames == [])
        #expect(!server.hasFailed)
    }
}
