package import HeaderBlock
package import Memory

/// One HTTP/2 connection (RFC 9113) without I/O: frames in, events out, and writers that append frames to an output buffer.
///
/// Both roles. It keeps both sides' settings, the flow-control windows of both directions, the HPACK tables, the table of
/// open streams, and where the shutdown stands. Lives in a slab: `start` makes a fresh connection of a used slot, and the
/// slot's memory is used again.
///
/// Use: `start`, then for each read call `next` until it says `.needsMore`. Writers refuse nothing silently: a stream that is
/// gone takes no bytes and they return false or 0. A stream leaves the table by itself when both sides have ended it, or
/// with `.reset`, `.streamFailed`, `.refused` or `reset`.
package struct HTTP2Connection: ~Copyable {
    /// The token of a stream to which the caller has given none.
    package static var noToken: UInt64 { .max }

    package private(set) var role = HTTP2Role.server
    /// What we announced.
    package private(set) var local = HTTP2Settings()
    /// What the peer announced; defaults until then.
    package private(set) var peer = HTTP2Settings()
    /// Streams in the table.
    package private(set) var streamCount = 0
    /// The peer's GOAWAY came: no new streams of ours.
    package private(set) var sawGoAway = false
    /// We sent our last GOAWAY: no new streams of the peer's.
    package private(set) var sentGoAway = false
    /// `.failed` was reported.
    package private(set) var hasFailed = false

    /// A connection that is not started.
    package init() {}

    /// Begins a connection: writes the preface, our settings and the connection window. `settings` is what we announce.
    package mutating func start(
        _ role: HTTP2Role, settings: HTTP2Settings, limits: HTTP2Limits, output: inout ByteBuffer
    ) {}

    // MARK: Receiving

    /// Takes the next piece of `input`; answers that the protocol wants (acknowledgements, RST_STREAM, GOAWAY, window
    /// updates) are appended to `output`. `now` is any monotonic clock in milliseconds, for the rates in `HTTP2Limits`.
    ///
    /// Call again until `.needsMore`. Payload of a `.data` event is dropped from `input` by the next call. `input` never
    /// needs to hold a whole frame: when it is full, `compact` makes room.
    package mutating func next(_ input: inout ByteBuffer, output: inout ByteBuffer, now: UInt64) -> HTTP2Event {
        .needsMore
    }

    /// Decodes the header block of the `.head` event just reported, from `input` straight into `arena` (appended as
    /// `name: value` CRLF lines, which HTTP/1.1 can send as they are) and `table`, which is reset first.
    ///
    /// The table looks as one of HTTP/1.1 does: pseudo fields are in `method`, `path`, `authority`, `scheme`, `status`; the
    /// authority is a `host` field as well; several cookie fields are joined. `token` becomes the stream's when it is new.
    package mutating func receiveHead(
        token: UInt64, input: inout ByteBuffer, arena: inout ByteBuffer, table: inout HeaderTable,
        output: inout ByteBuffer
    ) -> HTTP2HeadResult { .tooLarge(endsStream: false) }

    /// Decodes the header block of the `.head` event just reported for the compression state's sake only. A new stream is
    /// refused (REFUSED_STREAM), another is reset (CANCEL). Returns a failure as `HTTP2Event.failed` does.
    package mutating func discardHead(input: inout ByteBuffer, output: inout ByteBuffer) -> HTTP2Failure? { nil }

    /// `count` payload bytes of a stream were passed on: the peer may send as many more. WINDOW_UPDATE frames are written in
    /// steps of half a window. Streams that are gone gave their bytes back already.
    package mutating func consumed(_ count: Int, stream: UInt32, output: inout ByteBuffer) {}

    // MARK: Sending

    /// On a client: whether `openStream` would succeed.
    package var canOpenStream: Bool { false }

    /// On a client: takes the next stream id; its first frame must be the request's head, and heads go out in the order of
    /// ids. Nil when the peer's limits or a GOAWAY forbid it.
    package mutating func openStream(token: UInt64) -> UInt32? { nil }

    /// Gives a stream another token; false when it is gone.
    @discardableResult
    package mutating func setToken(_ token: UInt64, stream: UInt32) -> Bool { false }

    /// The token of a stream; nil when it is gone.
    package func token(stream: UInt32) -> UInt64? { nil }

    /// Writes a request's head from `table` and the arena that it indexes. Connection-specific fields and Host are left out,
    /// names are lowered. `protocolName` makes it an extended CONNECT (`peer.enableConnectProtocol` must be true).
    /// Add fields between `beginRequest` and `endHead` with `addField`.
    @discardableResult
    package mutating func beginRequest(
        stream: UInt32, _ table: borrowing HeaderTable, arena: borrowing ByteBuffer, protocolName: ByteRange = .empty,
        output: inout ByteBuffer
    ) -> Bool { false }

    /// Writes a response's head, interim (1xx) or final by `table.status`, as `beginRequest`.
    @discardableResult
    package mutating func beginResponse(
        stream: UInt32, _ table: borrowing HeaderTable, arena: borrowing ByteBuffer, output: inout ByteBuffer
    ) -> Bool { false }

    /// Writes a response's head that has no table: local replies.
    @discardableResult
    package mutating func beginResponse(stream: UInt32, status: UInt16, output: inout ByteBuffer) -> Bool { false }

    /// Writes trailers; end them with `endHead(endsStream: true)`.
    @discardableResult
    package mutating func beginTrailers(
        stream: UInt32, _ table: borrowing HeaderTable, arena: borrowing ByteBuffer, output: inout ByteBuffer
    ) -> Bool { false }

    /// Writes trailers that have no table.
    @discardableResult
    package mutating func beginTrailers(stream: UInt32, output: inout ByteBuffer) -> Bool { false }

    /// Adds a field to the head begun last.
    package mutating func addField(_ name: KnownHeader, _ value: borrowing Span<UInt8>, output: inout ByteBuffer) {}
    package mutating func addField(_ name: KnownHeader, _ value: StaticString, output: inout ByteBuffer) {}
    package mutating func addField(_ name: KnownHeader, decimal: Int, output: inout ByteBuffer) {}
    /// `name` in lower case.
    package mutating func addField(
        _ name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>, output: inout ByteBuffer
    ) {}

    /// Ends the head begun last; splits it into HEADERS and CONTINUATION when the peer's frame size asks for it.
    package mutating func endHead(endsStream: Bool, output: inout ByteBuffer) {}

    /// Bytes of body that the peer takes on this stream now.
    package func sendWindow(stream: UInt32) -> Int { 0 }

    /// Writes `count` bytes of `source`'s storage from `offset` on as DATA frames, as far as the windows allow. Returns how many
    /// it took; when fewer than `count`, `.writable` tells when there is room again. `endsStream` ends the stream once all of
    /// them went out; with no bytes it always succeeds.
    package mutating func sendData(
        stream: UInt32, from source: borrowing ByteBuffer, offset: Int, count: Int, endsStream: Bool,
        output: inout ByteBuffer
    ) -> Int { 0 }

    /// The same from other memory (replies that are compiled in, say).
    package mutating func sendData(
        stream: UInt32, _ bytes: borrowing Span<UInt8>, endsStream: Bool, output: inout ByteBuffer
    ) -> Int { 0 }

    /// Resets a stream and forgets it. What the peer still sends on it is ignored and its bytes are given back.
    package mutating func reset(stream: UInt32, _ code: HTTP2ErrorCode, output: inout ByteBuffer) {}

    /// Whether our side of the stream has ended (END_STREAM went out), or it is gone.
    package func hasEndedSending(stream: UInt32) -> Bool { true }

    /// Whether the peer's side of the stream has ended (END_STREAM came), or it is gone.
    package func hasEndedReceiving(stream: UInt32) -> Bool { true }

    /// Asks the peer for a sign of life; `.pong` brings `data` back.
    package mutating func ping(data: UInt64, output: inout ByteBuffer) {}

    // MARK: Ending

    /// Server: announces the end without refusing anything yet (GOAWAY with the highest id). After a round trip, which
    /// a `ping` measures, `endGracefully`.
    package mutating func announceEnd(output: inout ByteBuffer) {}

    /// Says which stream is the last (GOAWAY): newer ones are refused, those under way end as they would. The connection can
    /// be closed when `streamCount` is 0.
    package mutating func endGracefully(output: inout ByteBuffer) {}

    /// Ends the connection with an error; as `.failed`.
    package mutating func fail(_ failure: HTTP2Failure, output: inout ByteBuffer) {}

    /// Calls `body` for each stream that is open, with its id and token: for a connection that ends.
    package func forEachStream(_ body: (UInt32, UInt64) -> Void) {}
}

extension HTTP2Connection: SlabElement {
    /// Forgets the connection, keeps memory for the next one.
    package mutating func recycle() {}
}
