internal import HPACK
package import HeaderBlock
package import Memory

/// Writers: heads, bodies, trailers.
extension HTTP2Connection {
    /// On a client: whether `openStream` would succeed.
    package var canOpenStream: Bool {
        role == .client && !sawGoAway && !sentGoAway && phase != .failed && phase != .idle
            && streamCount < peer.maxConcurrentStreams && nextStream <= 0x7fff_ffff
    }

    /// On a client: takes the next stream id; its first frame must be the request's head, and heads go out in the order of
    /// ids. Nil when the peer's limits or a GOAWAY forbid it.
    package mutating func openStream(token: UInt64) -> UInt32? {
        guard canOpenStream else { return nil }
        var stream = Stream()
        stream.id = nextStream
        stream.token = token
        stream.sendWindow = peer.initialWindowSize
        stream.receiveWindow = receiveInitial
        nextStream &+= 2
        _ = streams.insert(stream)
        streamCount &+= 1
        return stream.id
    }

    // MARK: Heads

    /// Whether a head may go out on the stream now; begins its frame.
    private mutating func beginHead(_ id: UInt32, _ output: inout ByteBuffer) -> Bool {
        precondition(openHead == 0, "http2: the head before was not ended")
        let slot = streams.find(id)
        guard slot >= 0, !streams[slot].hasLocalEnd, phase != .failed else { return false }
        headStart = output.end
        output.appendFrame(0, FrameType.headers, 0, id)
        encoder.beginBlock(&output)
        openHead = id
        openHeadIsInterim = false
        return true
    }

    /// Writes a request's head from `table` and the arena that it indexes. Connection-specific fields and Host are left out,
    /// names are lowered. `protocolName` makes it an extended CONNECT, whatever method the table has
    /// (`peer.enableConnectProtocol` must be true).
    /// Add fields between `beginRequest` and `endHead` with `addField`.
    @discardableResult
    package mutating func beginRequest(
        stream: UInt32, _ table: borrowing HeaderTable, arena: borrowing ByteBuffer, protocolName: ByteRange = .empty,
        output: inout ByteBuffer
    ) -> Bool {
        guard beginHead(stream, &output) else { return false }
        let slot = streams.find(stream)
        streams[slot].isHead = table.knownMethod == .head
        streams[slot].isConnect = table.knownMethod == .connect && protocolName.isEmpty
        if protocolName.isEmpty {
            encoder.encode(method: table.knownMethod, arena.storage, table.method, &output)
        } else {
            let connect: InlineArray<7, UInt8> = [0x43, 0x4f, 0x4e, 0x4e, 0x45, 0x43, 0x54]
            encoder.encode(method: .connect, connect.span, ByteRange(start: 0, length: 7), &output)
        }
        if table.knownMethod != .connect || !protocolName.isEmpty {
            encoder.encode(scheme: table.scheme, &output)
            if table.path.isEmpty {
                output.append(0x84)
            } else {
                encoder.encode(path: table.path, arena.storage, &output)
            }
        }
        if !table.authority.isEmpty { encoder.encode(authority: table.authority, arena.storage, &output) }
        if !protocolName.isEmpty { encoder.encode(protocolName: protocolName, arena.storage, &output) }
        writeFields(table, arena, keepsTE: true, &output)
        return true
    }

    /// Writes a response's head, interim (1xx) or final by `table.status`, as `beginRequest`.
    @discardableResult
    package mutating func beginResponse(
        stream: UInt32, _ table: borrowing HeaderTable, arena: borrowing ByteBuffer, output: inout ByteBuffer
    ) -> Bool {
        guard beginResponse(stream: stream, status: table.status, output: &output) else { return false }
        writeFields(table, arena, keepsTE: false, &output)
        return true
    }

    /// Writes a response's head that has no table: local replies.
    @discardableResult
    package mutating func beginResponse(stream: UInt32, status: UInt16, output: inout ByteBuffer) -> Bool {
        guard beginHead(stream, &output) else { return false }
        openHeadIsInterim = status < 200
        encoder.encode(status: status, &output)
        return true
    }

    /// Writes trailers; end them with `endHead(endsStream: true)`.
    @discardableResult
    package mutating func beginTrailers(
        stream: UInt32, _ table: borrowing HeaderTable, arena: borrowing ByteBuffer, output: inout ByteBuffer
    ) -> Bool {
        guard beginHead(stream, &output) else { return false }
        writeFields(table, arena, keepsTE: false, &output)
        return true
    }

    /// Writes trailers that have no table.
    @discardableResult
    package mutating func beginTrailers(stream: UInt32, output: inout ByteBuffer) -> Bool {
        beginHead(stream, &output)
    }

    /// Writes the fields that are left, without those that HTTP/2 has no place for (section 8.2.2).
    @inline(__always)
    private mutating func writeFields(
        _ table: borrowing HeaderTable, _ arena: borrowing ByteBuffer, keepsTE: Bool, _ output: inout ByteBuffer
    ) {
        var index = 0
        let count = table.count
        while index < count {
            let field = table[index]
            index &+= 1
            if field.isRemoved || !Self.carries(field, arena.storage, isRequest: keepsTE) { continue }
            encoder.encode(field, arena.storage, &output)
        }
    }

    /// Whether HTTP/2 has a place for a field of HTTP/1.1. Host is in `:authority`.
    @inline(__always)
    package static func carries(_ field: HeaderField, _ bytes: borrowing Span<UInt8>, isRequest: Bool) -> Bool {
        switch field.id {
        case .host, .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .http2Settings: false
        case .te: isRequest && bytes.equalsIgnoringCase(field.value, "trailers")
        default: true
        }
    }

    /// Adds a field to the head begun last.
    package mutating func addField(_ name: KnownHeader, _ value: borrowing Span<UInt8>, output: inout ByteBuffer) {
        if openHead != 0 { encoder.encode(name, value, &output) }
    }

    package mutating func addField(_ name: KnownHeader, _ value: StaticString, output: inout ByteBuffer) {
        // SAFETY: a literal's bytes are valid for its utf8CodeUnitCount for the life of the program.
        let bytes = unsafe UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount)
        addField(name, unsafe bytes.span, output: &output)
    }

    package mutating func addField(_ name: KnownHeader, decimal: Int, output: inout ByteBuffer) {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var position = 20
        var rest = decimal.magnitude
        repeat {
            position -= 1
            digits[position] = UInt8(truncatingIfNeeded: rest % 10) + 0x30
            rest /= 10
        } while rest > 0
        addField(name, digits.span.extracting(position..<20), output: &output)
    }

    /// Adds a field with any name, in lower case.
    package mutating func addField(
        _ name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>, output: inout ByteBuffer
    ) {
        if openHead != 0 { encoder.encode(name, value, &output) }
    }

    /// Ends the head begun last; splits it into HEADERS and CONTINUATION when it is longer than a frame.
    package mutating func endHead(endsStream: Bool, output: inout ByteBuffer) {
        guard openHead != 0 else { return }
        let id = openHead
        openHead = 0
        let length = output.end &- headStart &- FrameHeader.size
        let endFlag = endsStream && !openHeadIsInterim ? FrameFlag.endStream : 0
        if length <= Self.frameBytes {
            output.setFrame(at: headStart, length, FrameType.headers, FrameFlag.endHeaders | endFlag, id)
        } else {
            split(length, endFlag, id, &output)
        }
        let slot = streams.find(id)
        guard slot >= 0 else { return }
        streams[slot].hasSentHead = true
        earn()
        if endFlag != 0 {
            streams[slot].hasLocalEnd = true
            closeIfEnded(slot)
        }
    }

    /// What we put in one frame: what every peer must take (section 4.2).
    private static var frameBytes: Int { 16_384 }

    /// Moves the block's pieces apart, the last one first, and puts headers in front of them.
    private func split(_ length: Int, _ endFlag: UInt8, _ id: UInt32, _ output: inout ByteBuffer) {
        let pieces = (length &+ Self.frameBytes &- 1) / Self.frameBytes
        let start = headStart &+ FrameHeader.size
        for _ in 0..<(pieces &- 1) { output.appendFrame(0, 0, 0, 0) }
        var piece = pieces &- 1
        while piece >= 0 {
            let from = start &+ piece &* Self.frameBytes
            let count = min(Self.frameBytes, length &- piece &* Self.frameBytes)
            let to = from &+ piece &* FrameHeader.size
            if piece > 0 { output.moveOwn(from: from, to: to, count: count) }
            let isLast = piece == pieces &- 1
            output.setFrame(
                at: to &- FrameHeader.size, count, piece == 0 ? FrameType.headers : FrameType.continuation,
                (isLast ? FrameFlag.endHeaders : 0) | (piece == 0 ? endFlag : 0), id)
            piece &-= 1
        }
    }

    // MARK: Bodies

    /// Bytes of body that the peer takes on this stream now.
    package func sendWindow(stream: UInt32) -> Int {
        let slot = streams.find(stream)
        guard slot >= 0, !streams[slot].hasLocalEnd else { return 0 }
        return max(0, min(sendWindow, streams[slot].sendWindow))
    }

    /// Writes `count` bytes of `source`'s storage from `offset` on as DATA frames, as far as the windows allow. Returns how many
    /// it took; when fewer than `count`, `.writable` tells when there is room again. `endsStream` ends the stream once all of
    /// them went out; with no bytes it always succeeds.
    package mutating func sendData(
        stream: UInt32, from source: borrowing ByteBuffer, offset: Int, count: Int, endsStream: Bool,
        output: inout ByteBuffer
    ) -> Int {
        sendData(
            stream: stream, source.storage.extracting(offset..<offset &+ count), endsStream: endsStream, output: &output
        )
    }

    /// The same from other memory (replies that are compiled in, say).
    package mutating func sendData(
        stream: UInt32, _ bytes: borrowing Span<UInt8>, endsStream: Bool, output: inout ByteBuffer
    ) -> Int {
        let slot = streams.find(stream)
        guard slot >= 0, streams[slot].hasSentHead, !streams[slot].hasLocalEnd, phase != .failed else { return 0 }
        let allowed = min(sendWindow, streams[slot].sendWindow, bytes.count)
        var sent = 0
        while sent < allowed {
            let count = min(allowed &- sent, Self.frameBytes)
            let isLast = endsStream && sent &+ count == bytes.count
            output.appendFrame(count, FrameType.data, isLast ? FrameFlag.endStream : 0, stream)
            output.append(bytes.extracting(sent..<sent &+ count))
            sent &+= count
        }
        sendWindow &-= sent
        streams[slot].sendWindow &-= sent
        if sent > 0 { earn() }
        streams[slot].isBlocked = sent < bytes.count
        if sent == bytes.count, endsStream {
            if bytes.isEmpty { output.appendFrame(0, FrameType.data, FrameFlag.endStream, stream) }
            streams[slot].hasLocalEnd = true
            closeIfEnded(slot)
        }
        return sent
    }
}
