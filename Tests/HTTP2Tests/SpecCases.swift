/// The cases of h2spec 2.6 (github.com/summerwind/h2spec), in its order and with its names.
enum SpecCases {
    static let all: [SpecCase] = [
        generic, hpackGeneric, sizeUpdates, http2, http2Frames, malformedRequests, http2Messages, hpack,
    ].flatMap { $0 }

    private static let zeros = [UInt8](repeating: 0, count: 8)
    private static let text = Array("h2spec\0\0".utf8)
    private static let test = Array("test".utf8)
    private static let common = Wire.request()
    private static let post = Wire.request("POST")

    static let generic: [SpecCase] = [
        SpecCase(
            "generic/1: Sends a client connection preface", handshake: false,
            [.send(Wire.preface + Wire.settings([(4, 65_535)]))], .settings),
        SpecCase(
            "generic/2: Sends a PRIORITY frame on idle stream", Wire.priority(1), Wire.ping(zeros), react: .pong(zeros)),
        SpecCase(
            "generic/2: Sends a WINDOW_UPDATE frame on half-closed (remote) stream", Wire.settings([(4, 0)]),
            Wire.headers(1, common), Wire.windowUpdate(1, 1), react: .data(1, length: 1)),
        SpecCase(
            "generic/2: Sends a PRIORITY frame on half-closed (remote) stream", Wire.settings([(4, 0)]),
            Wire.headers(1, common), Wire.priority(1), Wire.windowUpdate(1, 1), react: .data(1, length: 1)),
        SpecCase(
            "generic/2: Sends a RST_STREAM frame on half-closed (remote) stream", Wire.headers(1, common),
            Wire.reset(1),
            Wire.ping(zeros), react: .pong(zeros)),
        SpecCase(
            "generic/2: Sends a PRIORITY frame on closed stream",
            [.send(Wire.headers(1, common)), .awaitEnd(1), .send(Wire.priority(1) + Wire.ping(zeros))], .pong(zeros)),
        SpecCase(
            "generic/3.1: Sends a DATA frame", Wire.headers(1, post, end: false), Wire.data(1, test, end: true),
            react: .response(1)),
        SpecCase(
            "generic/3.1: Sends multiple DATA frames", Wire.headers(1, post, end: false), Wire.data(1, test),
            Wire.data(1, test, end: true), react: .response(1)),
        SpecCase(
            "generic/3.1: Sends a DATA frame with padding", Wire.headers(1, post, end: false),
            Wire.padded(1, test, padding: 5, end: true), react: .response(1)),
        SpecCase("generic/3.2: Sends a HEADERS frame", Wire.headers(1, common), react: .response(1)),
        SpecCase(
            "generic/3.2: Sends a HEADERS frame with padding", Wire.frame(1, 0xd, 1, [8] + common + zeros),
            react: .response(1)),
        SpecCase(
            "generic/3.2: Sends a HEADERS frame with priority", Wire.frame(1, 0x25, 1, [0, 0, 0, 0, 255] + common),
            react: .response(1)),
        SpecCase(
            "generic/3.3: Sends a PRIORITY frame with priority 1", Wire.priority(1, weight: 0), Wire.headers(1, common),
            react: .response(1)),
        SpecCase(
            "generic/3.3: Sends a PRIORITY frame with priority 256", Wire.priority(1), Wire.headers(1, common),
            react: .response(1)),
        SpecCase(
            "generic/3.3: Sends a PRIORITY frame with stream dependency", Wire.priority(3, on: 1, weight: 0),
            Wire.headers(1, common), react: .response(1)),
        SpecCase(
            "generic/3.3: Sends a PRIORITY frame with exclusive", Wire.priority(1, exclusive: true, weight: 0),
            Wire.headers(1, common), react: .response(1)),
        SpecCase(
            "generic/3.3: Sends a PRIORITY frame for an idle stream, then send a HEADER frame for a lower stream ID",
            Wire.priority(3), Wire.headers(1, common), react: .response(1)),
        SpecCase(
            "generic/3.4: Sends a RST_STREAM frame", Wire.headers(1, common, end: false), Wire.reset(1),
            Wire.ping(zeros), react: .pong(zeros)),
        SpecCase(
            "generic/3.5: Sends a SETTINGS frame",
            Wire.settings([(1, 4096), (2, 1), (3, 100), (4, 65_535), (5, 16_384), (6, 100)]),
            react: .settingsAcknowledged),
        SpecCase("generic/3.7: Sends a PING frame", Wire.ping(text), react: .pong(text)),
        SpecCase("generic/3.8: Sends a GOAWAY frame", Wire.goAway(), Wire.ping(text), react: .pong(text)),
        SpecCase(
            "generic/3.9: Sends a WINDOW_UPDATE frame with stream ID 0", Wire.windowUpdate(0, 1), Wire.ping(zeros),
            react: .pong(zeros)),
        SpecCase(
            "generic/3.9: Sends a WINDOW_UPDATE frame with stream ID 1", Wire.headers(1, common),
            Wire.windowUpdate(1, 1),
            react: .response(1)),
        SpecCase(
            "generic/3.10: Sends a CONTINUATION frame", Wire.headers(1, Array(common.prefix(5)), endHeaders: false),
            Wire.continuation(1, Array(common.dropFirst(5))), react: .response(1)),
        SpecCase(
            "generic/3.10: Sends multiple CONTINUATION frames",
            Wire.headers(1, Array(common.prefix(5)), endHeaders: false),
            Wire.continuation(1, Array(common[5..<10]), endHeaders: false),
            Wire.continuation(1, Array(common.dropFirst(10))), react: .response(1)),
        SpecCase("generic/4: Sends a GET request", Wire.headers(1, common), react: .response(1)),
        SpecCase("generic/4: Sends a HEAD request", Wire.headers(1, Wire.request("HEAD")), react: .response(1)),
        SpecCase(
            "generic/4: Sends a POST request", Wire.headers(1, post, end: false), Wire.data(1, test, end: true),
            react: .response(1)),
        SpecCase(
            "generic/4: Sends a POST request with trailers",
            Wire.headers(1, Wire.request("POST", [("trailer", "x-test")]), end: false), Wire.data(1, test),
            Wire.headers(1, Wire.block([("x-test", "ok")])), react: .response(1)),
    ]

    /// Representations that must be understood: a request with one more field.
    private static let representations: [(String, String)] =
        [
            ("Sends a indexed header field representation", "ba"),
            (
                "Sends a literal header field with incremental indexing - indexed name",
                "4087b505b161cc5a93849c48aca4"
            ),
            (
                "Sends a literal header field with incremental indexing - indexed name (with Huffman coding)",
                "400a757365722d6167656e74066832737065 63"
            ),
            (
                "Sends a literal header field with incremental indexing - new name", "4006782d74657374066832737065 63"
            ),
            (
                "Sends a literal header field with incremental indexing - new name (with Huffman coding)",
                "4085f2b24a84ff849c48aca4"
            ),
            (
                "Sends a literal header field without indexing - indexed name",
                "000a757365722d6167656e74066832737065 63"
            ),
            (
                "Sends a literal header field without indexing - indexed name (with Huffman coding)",
                "0087b505b161cc5a93849c48aca4"
            ),
            ("Sends a literal header field without indexing - new name", "0006782d74657374066832737065 63"),
            (
                "Sends a literal header field without indexing - new name (huffman encoded)", "0085f2b24a84ff849c48aca4"
            ),
            (
                "Sends a literal header field never indexed - indexed name", "100a757365722d6167656e74066832737065 63"
            ),
            (
                "Sends a literal header field never indexed - indexed name (huffman encoded)",
                "1087b505b161cc5a93849c48aca4"
            ),
            ("Sends a literal header field never indexed - new name", "1006782d74657374066832737065 63"),
            (
                "Sends a literal header field never indexed - new name (huffman encoded)", "1085f2b24a84ff849c48aca4"
            ),
        ]

    static let hpackGeneric: [SpecCase] = representations.map {
        SpecCase("generic/5: \($0.0)", Wire.headers(1, common + hex($0.1)), react: .response(1))
    }

    static let sizeUpdates: [SpecCase] = [
        SpecCase(
            "generic/5: Sends a dynamic table size update", Wire.headers(1, hex("3f61") + common),
            react: .response(1)),
        SpecCase(
            "generic/5: Sends multiple dynamic table size update", Wire.headers(1, hex("3f613fe11f") + common),
            react: .response(1)),
    ]

    static let http2: [SpecCase] = [
        SpecCase(
            "http2/3.5: Sends client connection preface", handshake: false,
            [.send(Wire.preface + Wire.settings([(4, 65_535)]))], .settings),
        SpecCase(
            "http2/3.5: Sends invalid connection preface", handshake: false,
            [.send(Array("INVALID CONNECTION PREFACE\r\n\r\n".utf8))], .protocolError),
        SpecCase(
            "http2/4.1: Sends a frame with unknown type", Wire.frame(0x16, 0, 0, zeros), Wire.ping(zeros),
            react: .pong(zeros)),
        SpecCase("http2/4.1: Sends a frame with undefined flag", Wire.frame(6, 0x16, 0, zeros), react: .pong(zeros)),
        SpecCase(
            "http2/4.1: Sends a frame with reserved field bit", Wire.frame(6, 0x16, 1 << 31, zeros), react: .pong(zeros)
        ),
        SpecCase(
            "http2/4.2: Sends a DATA frame with 2^14 octets in length", Wire.headers(1, post, end: false),
            Wire.data(1, [UInt8](repeating: 120, count: 16_384), end: true), react: .response(1)),
        SpecCase(
            "http2/4.2: Sends a large size DATA frame that exceeds the SETTINGS_MAX_FRAME_SIZE",
            Wire.headers(1, post, end: false), Wire.data(1, [UInt8](repeating: 120, count: 16_385), end: true),
            react: .frameSizeError),
        SpecCase(
            "http2/4.2: Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE",
            Wire.headers(1, common + Wire.dummy(5)), react: .frameSizeError),
        SpecCase(
            "http2/4.3: Sends invalid header block fragment", hex("000001010500000001 40"), react: .compressionError),
        SpecCase(
            "http2/4.3: Sends a PRIORITY frame while sending the header blocks",
            Wire.headers(1, common, end: false, endHeaders: false), Wire.priority(1),
            Wire.continuation(1, Wire.dummy(1)),
            react: .protocolError),
        SpecCase(
            "http2/4.3: Sends a HEADERS frame to another stream while sending the header blocks",
            Wire.headers(1, common, end: false, endHeaders: false), Wire.headers(3, common),
            Wire.continuation(1, Wire.dummy(1)), react: .protocolError),
        SpecCase("http2/5.1: idle: Sends a DATA frame", Wire.data(1, test, end: true), react: .protocolError),
        SpecCase("http2/5.1: idle: Sends a RST_STREAM frame", Wire.reset(1), react: .protocolError),
        SpecCase("http2/5.1: idle: Sends a WINDOW_UPDATE frame", Wire.windowUpdate(1, 100), react: .protocolError),
        SpecCase("http2/5.1: idle: Sends a CONTINUATION frame", Wire.continuation(1, common), react: .protocolError),
        SpecCase(
            "http2/5.1: half closed (remote): Sends a DATA frame", Wire.headers(1, common),
            Wire.data(1, test, end: true), react: .reset(1, 5)),
        SpecCase(
            "http2/5.1: half closed (remote): Sends a HEADERS frame", Wire.headers(1, common), Wire.headers(1, common),
            react: .reset(1, 5), or: .goAway(5)),
        SpecCase(
            "http2/5.1: half closed (remote): Sends a CONTINUATION frame", Wire.headers(1, common),
            Wire.continuation(1, common), react: .protocolError),
        SpecCase(
            "http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame", Wire.headers(1, common, end: false),
            Wire.reset(1), Wire.data(1, test, end: true), react: .reset(1, 5)),
        SpecCase(
            "http2/5.1: closed: Sends a HEADERS frame after sending RST_STREAM frame",
            Wire.headers(1, common, end: false), Wire.reset(1), Wire.headers(1, common), react: .reset(1, 5)),
        SpecCase(
            "http2/5.1: closed: Sends a CONTINUATION frame after sending RST_STREAM frame",
            Wire.headers(1, common, end: false), Wire.reset(1), Wire.continuation(1, Wire.dummy(1)),
            react: .protocolError),
        SpecCase(
            "http2/5.1: closed: Sends a DATA frame",
            [.send(Wire.headers(1, common)), .awaitEnd(1), .send(Wire.data(1, test, end: true))], .reset(1, 5)),
        SpecCase(
            "http2/5.1: closed: Sends a HEADERS frame",
            [.send(Wire.headers(1, common)), .awaitEnd(1), .send(Wire.headers(1, common))], .goAway(5)),
        SpecCase(
            "http2/5.1: closed: Sends a CONTINUATION frame",
            [.send(Wire.headers(1, common)), .awaitEnd(1), .send(Wire.continuation(1, Wire.dummy(1)))], .protocolError),
        SpecCase(
            "http2/5.1.1: Sends even-numbered stream identifier", Wire.headers(2, common), react: .protocolError),
        SpecCase(
            "http2/5.1.1: Sends stream identifier that is numerically smaller than previous", Wire.headers(5, common),
            Wire.headers(3, common), react: .protocolError),
        SpecCase(
            "http2/5.1.2: Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
            [
                .send(Wire.settings([(4, 0)])), .awaitSettingsAcknowledged,
                .send((0...limit).flatMap { Wire.headers(UInt32($0 * 2 + 1), common) }),
            ], .reset(UInt32(limit * 2 + 1), 7)),
        SpecCase(
            "http2/5.3.1: Sends HEADERS frame that depends on itself",
            Wire.frame(1, 0x25, 1, [0, 0, 0, 1, 255] + common), react: .reset(1, 1)),
        SpecCase(
            "http2/5.3.1: Sends PRIORITY frame that depend on itself", Wire.priority(1, on: 1), react: .protocolError),
        SpecCase(
            "http2/5.4.1: Sends an invalid PING frame for connection close", Wire.frame(6, 0, 3, zeros),
            react: .protocolError),
        SpecCase(
            "http2/5.4.1: Sends an invalid PING frame to receive GOAWAY frame", Wire.frame(6, 0, 3, zeros),
            react: .protocolError),
        SpecCase(
            "http2/5.5: Sends an unknown extension frame", Wire.frame(0x16, 0, 0, zeros), Wire.ping(zeros),
            react: .pong(zeros)),
        SpecCase(
            "http2/5.5: Sends an unknown extension frame in the middle of a header block",
            Wire.headers(1, common, endHeaders: false), Wire.frame(0x16, 0, 0, zeros), react: .protocolError),
    ]

    /// The limit of concurrent streams that a server under test announces.
    static let limit = 100

    static let http2Frames: [SpecCase] = [
        SpecCase(
            "http2/6.1: Sends a DATA frame with 0x0 stream identifier", Wire.data(0, test, end: true),
            react: .protocolError),
        SpecCase(
            #"http2/6.1: Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state"#,
            Wire.headers(1, post), Wire.data(1, test, end: true), react: .reset(1, 5)),
        SpecCase(
            "http2/6.1: Sends a DATA frame with invalid pad length",
            Wire.headers(1, Wire.request("POST", [("content-length", "4")]), end: false),
            Wire.frame(0, 9, 1, [6] + Array("Test".utf8)), react: .protocolError),
        SpecCase(
            "http2/6.2: Sends a HEADERS frame without the END_HEADERS flag, and a PRIORITY frame",
            Wire.headers(1, common, end: false, endHeaders: false), Wire.priority(1),
            Wire.continuation(1, Wire.dummy(1)),
            react: .protocolError),
        SpecCase(
            "http2/6.2: Sends a HEADERS frame to another stream while sending a HEADERS frame",
            Wire.headers(1, common, end: false, endHeaders: false), Wire.headers(3, common),
            Wire.continuation(1, Wire.dummy(1)), react: .protocolError),
        SpecCase(
            "http2/6.2: Sends a HEADERS frame with 0x0 stream identifier", Wire.headers(0, common),
            react: .protocolError),
        SpecCase(
            "http2/6.2: Sends a HEADERS frame with invalid pad length",
            Wire.frame(1, 0xd, 1, [UInt8(common.count + 2)] + common), react: .protocolError),
        SpecCase(
            "http2/6.3: Sends a PRIORITY frame with 0x0 stream identifier", Wire.priority(0), react: .protocolError),
        SpecCase(
            "http2/6.3: Sends a PRIORITY frame with a length other than 5 octets", Wire.headers(1, common),
            Wire.frame(2, 0, 1, [0x80, 0, 0, 1]), react: .reset(1, 6)),
        SpecCase(
            "http2/6.4: Sends a RST_STREAM frame with 0x0 stream identifier", Wire.reset(0), react: .protocolError),
        SpecCase("http2/6.4: Sends a RST_STREAM frame on a idle stream", Wire.reset(1), react: .protocolError),
        SpecCase(
            "http2/6.4: Sends a RST_STREAM frame with a length other than 4 octets",
            Wire.headers(1, common, end: false),
            Wire.frame(3, 0, 1, [0, 0, 0]), react: .frameSizeError),
        SpecCase(
            "http2/6.5: Sends a SETTINGS frame with ACK flag and payload", Wire.frame(4, 1, 0, [0]),
            react: .frameSizeError),
        SpecCase(
            "http2/6.5: Sends a SETTINGS frame with a stream identifier other than 0x0",
            Wire.frame(4, 0, 1, [0, 3, 0, 0, 0, 100]), react: .protocolError),
        SpecCase(
            "http2/6.5: Sends a SETTINGS frame with a length other than a multiple of 6 octets",
            Wire.frame(4, 0, 0, [0, 3, 0]), react: .frameSizeError),
        SpecCase(
            "http2/6.5.2: SETTINGS_ENABLE_PUSH (0x2): Sends the value other than 0 or 1", Wire.settings([(2, 2)]),
            react: .protocolError),
        SpecCase(
            "http2/6.5.2: SETTINGS_INITIAL_WINDOW_SIZE (0x4): Sends the value above the maximum flow control window size",
            Wire.settings([(4, 1 << 31)]), react: .flowControlError),
        SpecCase(
            "http2/6.5.2: SETTINGS_MAX_FRAME_SIZE (0x5): Sends the value below the initial value",
            Wire.settings([(5, 16_383)]), react: .protocolError),
        SpecCase(
            "http2/6.5.2: SETTINGS_MAX_FRAME_SIZE (0x5): Sends the value above the maximum allowed frame size",
            Wire.settings([(5, 16_777_216)]), react: .protocolError),
        SpecCase(
            "http2/6.5.2: Sends a SETTINGS frame with unknown identifier", Wire.settings([(0xff, 1)]), Wire.ping(zeros),
            react: .pong(zeros)),
        SpecCase(
            "http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE",
            [
                .send(Wire.settings([(4, 100), (4, 1)])), .awaitSettingsAcknowledged, .send(Wire.headers(1, common)),
            ], .data(1, length: 1)),
        SpecCase(
            "http2/6.5.3: Sends a SETTINGS frame without ACK flag", Wire.settings([(2, 0)]),
            react: .settingsAcknowledged),
        SpecCase("http2/6.7: Sends a PING frame", Wire.ping(text), react: .pong(text)),
        SpecCase(
            "http2/6.7: Sends a PING frame with ACK", Wire.ping(Array("invalid\0".utf8), ack: true), Wire.ping(text),
            react: .pong(text)),
        SpecCase(
            "http2/6.7: Sends a PING frame with a stream identifier field value other than 0x0",
            Wire.frame(6, 0, 1, zeros), react: .protocolError),
        SpecCase(
            "http2/6.7: Sends a PING frame with a length field value other than 8",
            Wire.frame(6, 0, 0, Array(zeros.prefix(6))), react: .frameSizeError),
        SpecCase(
            "http2/6.8: Sends a GOAWAY frame with a stream identifier other than 0x0", Wire.frame(7, 0, 1, zeros),
            react: .protocolError),
        SpecCase(
            "http2/6.9: Sends a WINDOW_UPDATE frame with a flow control window increment of 0", Wire.windowUpdate(0, 0),
            react: .protocolError),
        SpecCase(
            "http2/6.9: Sends a WINDOW_UPDATE frame with a flow control window increment of 0 on a stream",
            Wire.headers(1, common, end: false), Wire.windowUpdate(1, 0), react: .reset(1, 1)),
        SpecCase(
            "http2/6.9: Sends a WINDOW_UPDATE frame with a length other than 4 octets", Wire.frame(8, 0, 0, [0, 0, 1]),
            react: .frameSizeError),
        SpecCase(
            "http2/6.9.1: Sends SETTINGS frame to set the initial window size to 1 and sends HEADERS frame",
            [.send(Wire.settings([(4, 1)])), .awaitSettingsAcknowledged, .send(Wire.headers(1, common))],
            .data(1, length: 1)),
        SpecCase(
            "http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1",
            Wire.windowUpdate(0, 0x7fff_ffff), Wire.windowUpdate(0, 0x7fff_ffff), react: .flowControlError),
        SpecCase(
            "http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
            Wire.headers(1, common, end: false), Wire.windowUpdate(1, 0x7fff_ffff), Wire.windowUpdate(1, 0x7fff_ffff),
            react: .reset(1, 3)),
        SpecCase(
            "http2/6.9.2: Changes SETTINGS_INITIAL_WINDOW_SIZE after sending HEADERS frame",
            [
                .send(Wire.settings([(4, 0)])), .awaitSettingsAcknowledged,
                .send(Wire.headers(1, common) + Wire.settings([(4, 1)])),
            ], .data(1, length: 1)),
        SpecCase(
            "http2/6.9.2: Sends a SETTINGS frame for window size to be negative",
            [
                .send(Wire.settings([(4, 3)])), .awaitSettingsAcknowledged, .send(Wire.headers(1, common)),
                .awaitData(1),
                .send(Wire.settings([(4, 2)])), .awaitSettingsAcknowledged, .send(Wire.windowUpdate(1, 2)),
            ], .data(1, length: 1)),
        SpecCase(
            "http2/6.9.2: Sends a SETTINGS_INITIAL_WINDOW_SIZE settings with an exceeded maximum window size value",
            Wire.settings([(4, 1 << 31)]), react: .flowControlError),
        SpecCase(
            "http2/6.10: Sends multiple CONTINUATION frames preceded by a HEADERS frame",
            Wire.headers(1, common, endHeaders: false), Wire.continuation(1, Wire.dummy(1), endHeaders: false),
            Wire.continuation(1, Wire.dummy(1)), react: .response(1)),
        SpecCase(
            "http2/6.10: Sends a CONTINUATION frame followed by any frame other than CONTINUATION",
            Wire.headers(1, post, end: false, endHeaders: false),
            Wire.continuation(1, Wire.dummy(1), endHeaders: false),
            Wire.data(1, test, end: true), react: .protocolError),
        SpecCase(
            "http2/6.10: Sends a CONTINUATION frame with 0x0 stream identifier",
            Wire.headers(1, common, endHeaders: false), Wire.continuation(0, Wire.dummy(1)), react: .protocolError),
        SpecCase(
            "http2/6.10: Sends a CONTINUATION frame preceded by a HEADERS frame with END_HEADERS flag",
            Wire.headers(1, common), Wire.continuation(1, Wire.dummy(1)), react: .protocolError),
        SpecCase(
            "http2/6.10: Sends a CONTINUATION frame preceded by a CONTINUATION frame with END_HEADERS flag",
            Wire.headers(1, common, endHeaders: false), Wire.continuation(1, Wire.dummy(1)),
            Wire.continuation(1, Wire.dummy(1)), react: .protocolError),
        SpecCase(
            "http2/6.10: Sends a CONTINUATION frame preceded by a DATA frame",
            Wire.headers(1, post, end: false, endHeaders: false), Wire.data(1, test, end: true),
            Wire.continuation(1, Wire.dummy(1), endHeaders: false), react: .protocolError),
        SpecCase(
            "http2/7: Sends a GOAWAY frame with unknown error code", Wire.goAway(0xff), Wire.ping(text),
            react: .pong(text)),
        SpecCase(
            "http2/7: Sends a RST_STREAM frame with unknown error code", Wire.headers(1, post, end: false),
            Wire.reset(1, 0xff), Wire.ping(zeros), react: .pong(zeros)),
    ]

    private static let basic: [(String, String)] = [
        (":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h2.test"),
    ]

    private static let malformed: [(String, [(String, String)])] =
        [
            (
                "8.1.2: Sends a HEADERS frame that contains the header field name in uppercase letters",
                basic(and: ("X-TEST", "ok"))
            ),
            ("8.1.2.1: Sends a HEADERS frame that contains a unknown pseudo-header field", basic(and: (":test", "ok"))),
            (
                "8.1.2.1: Sends a HEADERS frame that contains the pseudo-header field defined for response",
                basic(and: (":status", "200"))
            ),
            (
                "8.1.2.1: Sends a HEADERS frame that contains a pseudo-header field that appears in a header block after a "
                    + "regular header field", [("x-test", "ok"), basic[0], basic[1], basic[2], basic[3]]
            ),
            (
                "8.1.2.2: Sends a HEADERS frame that contains the connection-specific header field",
                basic(and: ("connection", "keep-alive"))
            ),
            (
                #"8.1.2.2: Sends a HEADERS frame that contains the TE header field with any value other than "trailers""#,
                basic(and: ("trailers", "test"), ("te", "trailers, deflate"))
            ),
            (
                #"8.1.2.3: Sends a HEADERS frame with empty ":path" pseudo-header field"#,
                replaced(":path", "")
            ),
            (
                #"8.1.2.3: Sends a HEADERS frame that omits ":method" pseudo-header field"#,
                without(":method")
            ),
            (
                #"8.1.2.3: Sends a HEADERS frame that omits ":scheme" pseudo-header field"#,
                without(":scheme")
            ),
            (
                #"8.1.2.3: Sends a HEADERS frame that omits ":path" pseudo-header field"#,
                without(":path")
            ),
            (
                #"8.1.2.3: Sends a HEADERS frame with duplicated ":method" pseudo-header field"#,
                basic(and: (":method", "GET"))
            ),
            (
                #"8.1.2.3: Sends a HEADERS frame with duplicated ":scheme" pseudo-header field"#,
                basic(and: (":scheme", "http"))
            ),
            (
                #"8.1.2.3: Sends a HEADERS frame with duplicated ":path" pseudo-header field"#,
                basic(and: (":path", "/"))
            ),
        ]

    static let malformedRequests: [SpecCase] = malformed.map {
        SpecCase("http2/\($0.0)", Wire.headers(1, Wire.block($0.1)), react: .reset(1, 1))
    }

    private static func basic(and more: (String, String)...) -> [(String, String)] { basic + more }
    private static func without(_ name: String) -> [(String, String)] { basic.filter { $0.0 != name } }
    private static func replaced(_ name: String, _ value: String) -> [(String, String)] {
        basic.map { $0.0 == name ? (name, value) : $0 }
    }

    static let http2Messages: [SpecCase] = [
        SpecCase(
            "http2/8.1: Sends a second HEADERS frame without the END_STREAM flag",
            Wire.headers(1, post, end: false),
            Wire.data(1, test), Wire.headers(1, Wire.block([("x-test", "ok")]), end: false), react: .reset(1, 1)),
        SpecCase(
            "http2/8.1.2.1: Sends a HEADERS frame that contains a pseudo-header field as trailers",
            Wire.headers(1, post, end: false), Wire.data(1, test),
            Wire.headers(1, Wire.block([(":method", "POST")])),
            react: .reset(1, 1)),
        SpecCase(
            #"http2/8.1.2.6: Sends a HEADERS frame with the "content-length" header field which does not equal the DATA frame payload length"#,
            Wire.headers(1, Wire.request("POST", [("content-length", "1")]), end: false),
            Wire.data(1, test, end: true), react: .reset(1, 1)),
        SpecCase(
            #"http2/8.1.2.6: Sends a HEADERS frame with the "content-length" header field which does not equal the sum of the multiple DATA frames payload length"#,
            Wire.headers(1, Wire.request("POST", [("content-length", "1")]), end: false), Wire.data(1, test),
            Wire.data(1, test, end: true), react: .reset(1, 1)),
        SpecCase(
            "http2/8.2: Sends a PUSH_PROMISE frame", Wire.headers(1, common),
            Wire.frame(5, 4, 1, [0, 0, 0, 3] + common), react: .protocolError),
    ]

    private static let broken: [(String, [UInt8])] = [
        ("2.3.3: Sends a indexed header field representation with invalid index", common + [0xc6]),
        ("2.3.3: Sends a literal header field representation with invalid index", common + [0x7f, 0x07, 0x00]),
        ("4.2: Sends a dynamic table size update at the end of header block", common + [0x21]),
        (
            "5.2: Sends a Huffman-encoded string literal representation with padding longer than 7 bits",
            common + hex("0085f2b24a84ff8449509fff")
        ),
        (
            "5.2: Sends a Huffman-encoded string literal representation padded by zero",
            common + hex("0085f2b24a84ff83495090")
        ),
        (
            "5.2: Sends a Huffman-encoded string literal representation containing the EOS symbol",
            common + hex("0085f2b24a84ff874951fffffffa7f")
        ),
        ("6.1: Sends a indexed header field representation with index 0", common + [0x80]),
        (
            "6.3: Sends a dynamic table size update larger than the value of SETTINGS_HEADER_TABLE_SIZE",
            hex("3fe21f") + common
        ),
    ]

    static let hpack: [SpecCase] = broken.map {
        SpecCase("hpack/\($0.0)", Wire.headers(1, $0.1), react: .compressionError)
    }

    private static func hex(_ text: String) -> [UInt8] {
        let digits = text.utf8.filter { $0 != 0x20 }.map { Int($0 < 0x3a ? $0 - 0x30 : ($0 | 0x20) - 0x57) }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}
