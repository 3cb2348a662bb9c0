/// Traffic of HTTP/2 for `AllocationTests`, as bytes: heads without compression state, so that each is the same wherever it stands.
enum StreamRows {
    static let rows: [AllocationTests.Row] = [
        row("HTTP/2 to HTTP/2", cluster: http2, reply: answered(by: plain)),
        row("HTTP/2 to HTTP/1.1", reply: { Rows.endsHead($0) ? Rows.ok : nil }),
        row("HTTP/2 bodies up to HTTP/1.1", request: posted, reply: { Rows.ends($0, "0\r\n\r\n") ? Rows.ok : nil }),
        AllocationTests.Row(
            name: "HTTP/1.1 to HTTP/2", cluster: http2, reply: answered(by: plain),
            isWhole: { Rows.ends($0, "0\r\n\r\n") }),
        row("gRPC calls", cluster: http2, request: called, reply: answered(by: called)),
        row(
            "gRPC messages on one stream", cluster: http2, request: streamed, reply: streamed,
            isWhole: { frames($0).contains { $0.type == 0 } }),
        row("HTTP/2, logged and authorized", cluster: http2, reply: answered(by: plain), isWatched: true),
        pair("HTTP/1.1, streams over mutual TLS, HTTP/1.1", offers: "[martlet-h2]"),
        pair("HTTP/1.1, mutual TLS, HTTP/1.1", offers: "[http/1.1]"),
    ]

    static let http2 = """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http2_protocol_options: {}}
        """

    private static func row(
        _ name: String, cluster: String = "", request: @escaping @Sendable (Int) -> [UInt8] = asked,
        reply: @escaping @Sendable ([UInt8]) -> [UInt8]?,
        isWhole: @escaping @Sendable ([UInt8]) -> Bool = { frames($0).contains { $0.endsStream } },
        isWatched: Bool = false
    ) -> AllocationTests.Row {
        var row = AllocationTests.Row(name: name, cluster: cluster, request: request, reply: reply, isWhole: isWhole)
        row.speaksHTTP2 = true
        if isWatched {
            row.filters = Rows.rbac("action: ALLOW", "any: true")
            row.manager = Rows.log(Rows.text, Rows.json)
        }
        return row
    }

    private static func pair(_ name: String, offers: String) -> AllocationTests.Row {
        var row = AllocationTests.Row(name: name)
        row.request = { _ in Rows.get("X-Spelled-So: 1\r\nAccept: */*\r\n") }
        row.offers = offers
        // BoringSSL takes memory of its own for each record that it writes or reads: one either way on the hop.
        row.ofLibraries = 4
        return row
    }

    // MARK: Requests

    private static func stream(_ number: Int) -> UInt32 { UInt32(number * 2 + 1) }

    /// The preface in front of a client's first request.
    private static func begun(_ number: Int, _ frames: [UInt8]) -> [UInt8] {
        number == 0 ? Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + settings + frames : frames
    }

    private static let head = [0x82, 0x86, 0x84] + field(authority: "service") + field("user-agent", "tests")
    private static let call =
        [0x83, 0x86, 0x84] + field(authority: "service") + field("content-type", "application/grpc")
        + field("te", "trailers")

    @Sendable private static func asked(_ number: Int) -> [UInt8] {
        begun(number, frame(1, 5, stream(number), head))
    }

    @Sendable private static func posted(_ number: Int) -> [UInt8] {
        let id = stream(number)
        return begun(
            number, frame(1, 4, id, call) + frame(0, 0, id, Rows.body(900)) + frame(0, 1, id, Rows.body(900)))
    }

    @Sendable private static func called(_ number: Int) -> [UInt8] {
        begun(number, frame(1, 4, stream(number), call) + frame(0, 1, stream(number), message))
    }

    @Sendable private static func streamed(_ number: Int) -> [UInt8] {
        begun(number, (number == 0 ? frame(1, 4, 1, call) : []) + frame(0, 0, 1, message))
    }

    /// A message of gRPC: a flag, its length, its bytes. As long as to exceed, in a test's first requests, what is kept of a
    /// stream for another try.
    private static let message: [UInt8] = [0, 0, 0, 1, 44] + Array(repeating: 0x61, count: 300)

    /// SETTINGS_INITIAL_WINDOW_SIZE and the connection's window, as large as they can be.
    private static let settings =
        frame(4, 0, 0, [0, 4, 0x7f, 0xff, 0xff, 0xff]) + frame(8, 0, 0, [0x7f, 0xff, 0, 0])

    // MARK: Answers

    /// Answers the stream that has ended in what came; `kind` makes the frames.
    private static func answered(
        by kind: @escaping @Sendable (UInt32) -> [UInt8]
    ) -> @Sendable ([UInt8]) -> [UInt8]? {
        { bytes in
            guard let ended = frames(bytes).first(where: \.endsStream) else { return nil }
            return greeting(bytes) + kind(ended.stream)
        }
    }

    /// SETTINGS for a connection that begins.
    private static func greeting(_ bytes: [UInt8]) -> [UInt8] {
        bytes.starts(with: "PRI".utf8) ? settings + frame(4, 1, 0, []) : []
    }

    @Sendable private static func plain(_ stream: UInt32) -> [UInt8] {
        frame(1, 4, stream, [0x88] + field("content-type", "text/plain")) + frame(0, 1, stream, Array("hello".utf8))
    }

    @Sendable private static func called(_ stream: UInt32) -> [UInt8] {
        frame(1, 4, stream, [0x88] + field("content-type", "application/grpc")) + frame(0, 0, stream, message)
            + frame(1, 5, stream, field("grpc-status", "0") + field("grpc-message", ""))
    }

    @Sendable private static func streamed(_ bytes: [UInt8]) -> [UInt8]? {
        guard frames(bytes).contains(where: { $0.type == 0 }) else { return nil }
        let isFirst = bytes.starts(with: "PRI".utf8)
        let head = isFirst ? frame(1, 4, 1, [0x88] + field("content-type", "application/grpc")) : []
        return greeting(bytes) + head + frame(0, 0, 1, message)
    }

    // MARK: Frames

    struct Frame {
        var type: UInt8
        var flags: UInt8
        var stream: UInt32
        var payload: ArraySlice<UInt8>

        var endsStream: Bool { type <= 1 && flags & 1 == 1 }
    }

    /// The whole frames in `bytes`, behind a preface or not.
    static func frames(_ bytes: [UInt8]) -> [Frame] {
        var frames: [Frame] = []
        var index = bytes.starts(with: "PRI".utf8) ? 24 : 0
        while index + 9 <= bytes.count {
            let length = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
            guard index + 9 + length <= bytes.count else { break }
            let stream = bytes[index + 5..<index + 9].reduce(0) { $0 << 8 | UInt32($1) }
            frames.append(
                Frame(
                    type: bytes[index + 3], flags: bytes[index + 4], stream: stream,
                    payload: bytes[index + 9..<index + 9 + length]))
            index += 9 + length
        }
        return frames
    }

    private static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let length = payload.count
        return [
            UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags, UInt8(stream >> 24),
            UInt8(stream >> 16 & 255), UInt8(stream >> 8 & 255), UInt8(stream & 255),
        ] + payload
    }

    private static func field(_ name: String, _ value: String) -> [UInt8] { [0] + text(name) + text(value) }
    private static func field(authority value: String) -> [UInt8] { [1] + text(value) }
    private static func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }
}
