internal import HPACK
package import HeaderBlock
package import Memory

/// Header blocks: HEADERS and CONTINUATION frames, and what comes out of them.
extension HTTP2Connection {
    // MARK: Frames

    /// Padding length and priority in front of the block (section 6.2).
    mutating func readHeadPrefix(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> HTTP2Event? {
        let isPadded = frame.has(FrameFlag.padded)
        let hasPriority = frame.has(FrameFlag.priority)
        let size = (isPadded ? 1 : 0) + (hasPriority ? 5 : 0)
        if left < size { return end(HTTP2Failure(.frameSizeError, "http2.headers_size"), &output) }
        guard input.count >= size else { return .needsMore }
        padding = isPadded ? Int(input.bytes[0]) : 0
        let dependency = hasPriority ? input.bytes.bigEndian(isPadded ? 1 : 0) & 0x7fff_ffff : 0
        input.consume(size)
        left &-= size
        if padding > left { return end(HTTP2Failure(.protocolError, "http2.padding_too_long"), &output) }
        left &-= padding
        headStream = frame.stream
        headEndsStream = frame.has(FrameFlag.endStream)
        headIsNew = false
        continuations = 0
        block.clear()
        if let event = classifyHead(&output) { return event }
        if hasPriority, dependency == frame.stream {
            if headIsNew { openPeerStream() }
            headIsNew = false
            headPurpose = .fail(HTTP2Failure(.protocolError, "http2.depends_on_itself"))
        }
        phase = .headBlock
        return nil
    }

    /// What the stream's state makes of a header block (section 5.1).
    private mutating func classifyHead(_ output: inout ByteBuffer) -> HTTP2Event? {
        let id = headStream
        let slot = streams.find(id)
        if slot >= 0, !streams[slot].isClosed {
            let stream = streams[slot]
            headPurpose = .deliver
            if stream.hasRemoteEnd {
                headPurpose = .fail(HTTP2Failure(.streamClosed, "http2.head_after_end"))
            } else if role == .client, !stream.hasSentHead {
                return end(HTTP2Failure(.protocolError, "http2.head_on_idle_stream"), &output)
            } else if stream.hasReceivedHead, !headEndsStream || stream.isConnect {
                headPurpose = .fail(HTTP2Failure(.protocolError, "http2.second_head"))
            }
            return nil
        }
        if isIdle(id) {
            if role == .client || id & 1 == 0 {
                return end(HTTP2Failure(.protocolError, "http2.unexpected_stream_id"), &output)
            }
            lastPeerStream = id
            if id > goAwayLimit || streamCount >= local.maxConcurrentStreams {
                headPurpose = .fail(HTTP2Failure(.refusedStream, "http2.too_many_streams"))
            } else {
                headPurpose = .deliver
                headIsNew = true
            }
            return nil
        }
        switch id & 1 == 0 ? nil : ending(id) {
        case .localReset: headPurpose = .drop
        case .peerReset: headPurpose = .fail(HTTP2Failure(.streamClosed, "http2.head_after_reset"))
        case .ended: return end(HTTP2Failure(.streamClosed, "http2.head_after_end"), &output)
        case nil:
            // Streams of long ago are not remembered; one that we reset may have had a head under way.
            guard id & 1 == 1, isForgotten(id) else {
                return end(HTTP2Failure(.protocolError, "http2.unexpected_stream_id"), &output)
            }
            headPurpose = .drop
        }
        return nil
    }

    /// A fragment of a block. A block that is whole in the input stays there; what comes in pieces is put together in `block`.
    mutating func readHeadBlock(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> HTTP2Event? {
        let isLast = frame.has(FrameFlag.endHeaders)
        if isLast, block.isEmpty, frame.type == FrameType.headers, input.count >= left {
            blockInPlace = left
            left = 0
        } else {
            if block.count &+ left > limits.headerBlockBytes {
                return end(HTTP2Failure(.enhanceYourCalm, "http2.header_block_too_large"), &output)
            }
            let count = min(left, input.count)
            block.append(from: input, offset: input.start, count: count)
            input.consume(count)
            left &-= count
            if left > 0 { return .needsMore }
            guard isLast else {
                continuing = headStream
                left = padding
                phase = .skip
                return nil
            }
            blockInPlace = -1
        }
        continuing = 0
        return headComplete(&input, &output)
    }

    private mutating func headComplete(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> HTTP2Event? {
        earn()
        // The caller may have given the stream up since the block began: it came in pieces.
        if case .deliver = headPurpose, !headIsNew, streams.find(headStream) < 0 { headPurpose = .drop }
        switch headPurpose {
        case .deliver:
            phase = .headReady
            if headIsNew { openPeerStream() }
            let slot = streams.find(headStream)
            return .head(
                stream: headStream, token: streams[slot].token, isNew: headIsNew,
                isTrailers: streams[slot].hasReceivedHead)
        case .drop:
            if let failure = dropBlock(&input, &output) { return .failed(failure) }
            return spendIdle(&output)
        case .fail(let failure):
            if let failure = dropBlock(&input, &output) { return .failed(failure) }
            let slot = streams.find(headStream)
            if slot >= 0, !streams[slot].isClosed { return failStream(slot, failure, &output) }
            writeReset(headStream, failure.code, &output)
            remember(headStream, .localReset)
            return spendReset(&output)
        }
    }

    private mutating func openPeerStream() {
        var stream = Stream()
        stream.id = headStream
        stream.sendWindow = peer.initialWindowSize
        stream.receiveWindow = receiveInitial
        _ = streams.insert(stream)
        streamCount &+= 1
    }

    // MARK: Decoding

    /// Decodes the header block of the `.head` event just reported, from `input` straight into `arena` (appended as
    /// `name: value` CRLF lines, which HTTP/1.1 can send as they are) and `table`, which is reset first.
    ///
    /// The table looks as one of HTTP/1.1 does: pseudo fields are in `method`, `path`, `authority`, `scheme`, `status`; the
    /// authority is a `host` field as well; several cookie fields are joined. `token` becomes the stream's when it is new.
    package mutating func receiveHead(
        token: UInt64, input: inout ByteBuffer, arena: inout ByteBuffer, table: inout HeaderTable,
        output: inout ByteBuffer
    ) -> HTTP2HeadResult {
        precondition(phase == .headReady, "http2: no head is there to be received")
        let slot = streams.find(headStream)
        precondition(slot >= 0, "http2: the stream of a head was reset before the head was received")
        if headIsNew { streams[slot].token = token }
        let mark = arena.end
        table.reset()
        table.version = .http2
        let kind: HTTP2Head.Kind = streams[slot].hasReceivedHead ? .trailers : role == .server ? .request : .response
        var reader = HeadReader(kind, limit: limits.headerListBytes, allowsProtocol: local.enableConnectProtocol)
        if let error = decodeBlock(&reader, &input, &arena, &table) {
            table.reset()
            return .failed(compressionFailed(error, &output))
        }
        reader.finish(&arena, &table)
        if reader.failure == nil, !reader.isTooLarge { applyHead(&reader, table, slot) }
        if let failure = reader.failure {
            table.reset()
            arena.truncate(to: mark)
            _ = failStream(slot, failure, &output)
            return .malformed(failure)
        }
        if headEndsStream { streams[slot].hasRemoteEnd = true }
        if reader.isTooLarge {
            table.reset()
            arena.truncate(to: mark)
            streams[slot].hasReceivedHead = true
            streams[slot].expected = -1
            closeIfEnded(slot)
            return .tooLarge(endsStream: headEndsStream)
        }
        reader.head.endsStream = headEndsStream
        closeIfEnded(slot)
        return .complete(reader.head)
    }

    /// Decodes the header block of the `.head` event just reported for the compression state's sake only. A new stream is
    /// refused (REFUSED_STREAM), another is reset (CANCEL). Returns a failure as `HTTP2Event.failed` does.
    package mutating func discardHead(input: inout ByteBuffer, output: inout ByteBuffer) -> HTTP2Failure? {
        precondition(phase == .headReady, "http2: no head is there to be discarded")
        if let failure = dropBlock(&input, &output) { return failure }
        reset(stream: headStream, headIsNew ? .refusedStream : .cancel, output: &output)
        return nil
    }

    /// What a valid head means for its stream's body.
    private mutating func applyHead(_ reader: inout HeadReader, _ table: borrowing HeaderTable, _ slot: Int) {
        let mismatch = HTTP2Failure(.protocolError, "http2.content_length_mismatch")
        switch reader.head.kind {
        case .trailers:
            let stream = streams[slot]
            if stream.expected >= 0, stream.received != stream.expected { reader.failure = mismatch }
            return
        case .interim:
            if headEndsStream { reader.failure = HTTP2Failure(.protocolError, "http2.interim_response_ends_stream") }
            return
        case .request:
            streams[slot].isConnect = table.knownMethod == .connect && reader.head.protocolName.isEmpty
            streams[slot].expected = reader.head.contentLength ?? -1
        case .response:
            // These have no body, whatever they say its length is (RFC 9110 sections 6.4.1 and 8.6).
            let hasBody = !streams[slot].isHead && table.status != 204 && table.status != 304
            // An agreed CONNECT has no length (section 9.3.6).
            let isTunnel = streams[slot].isConnect && table.status < 300
            streams[slot].expected = isTunnel ? -1 : hasBody ? reader.head.contentLength ?? -1 : 0
        }
        streams[slot].hasReceivedHead = true
        if headEndsStream, streams[slot].expected > 0 { reader.failure = mismatch }
    }

    private mutating func compressionFailed(_ error: HPACKError, _ output: inout ByteBuffer) -> HTTP2Failure {
        let failure = HTTP2Failure(.compressionError, error.detail)
        fail(failure, output: &output)
        return failure
    }

    /// Decodes the block of the `.head` event; what it means goes to `reader`.
    private mutating func decodeBlock(
        _ reader: inout HeadReader, _ input: inout ByteBuffer, _ arena: inout ByteBuffer, _ table: inout HeaderTable
    ) -> HPACKError? {
        var error: HPACKError?
        if blockInPlace >= 0 {
            error = decodeFields(input.bytes.extracting(0..<blockInPlace), &reader, &arena, &table)
        } else {
            var joined = takeBlock()
            error = decodeFields(joined.bytes, &reader, &arena, &table)
            giveBack(&joined)
        }
        endBlock(&input)
        return error
    }

    @inline(__always)
    private mutating func decodeFields(
        _ bytes: borrowing Span<UInt8>, _ reader: inout HeadReader, _ arena: inout ByteBuffer,
        _ table: inout HeaderTable
    ) -> HPACKError? {
        var index = 0
        do throws(HPACKError) {
            var mark = arena.end
            while let field = try decoder.next(bytes, at: &index, writes: reader.wantsMore, into: &arena) {
                // Literals are written for the compression state's sake, also when nobody wants them any more: a block of
                // references to long names must not fill the memory.
                if reader.wantsMore { reader.take(field, arena.storage, &table) } else { arena.truncate(to: mark) }
                mark = arena.end
            }
        } catch {
            return error
        }
        return nil
    }

    /// Decodes the block for the sake of the compression state.
    private mutating func dropBlock(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> HTTP2Failure? {
        var error: HPACKError?
        if blockInPlace >= 0 {
            error = dropFields(input.bytes.extracting(0..<blockInPlace))
        } else {
            var joined = takeBlock()
            error = dropFields(joined.bytes)
            giveBack(&joined)
        }
        endBlock(&input)
        return error.map { compressionFailed($0, &output) }
    }

    private mutating func dropFields(_ bytes: borrowing Span<UInt8>) -> HPACKError? {
        var index = 0
        do throws(HPACKError) {
            while try decoder.next(bytes, at: &index, writes: false, into: &waste) != nil { waste.clear() }
        } catch {
            return error
        }
        return nil
    }

    private mutating func takeBlock() -> ByteBuffer {
        var joined = ByteBuffer()
        swap(&joined, &block)
        return joined
    }

    private mutating func giveBack(_ joined: inout ByteBuffer) {
        joined.clear()
        // Memory for an unusually long block is not kept.
        if joined.capacity <= 32 * 1024 { swap(&joined, &block) }
    }

    private mutating func endBlock(_ input: inout ByteBuffer) {
        if blockInPlace > 0 { input.consume(blockInPlace) }
        blockInPlace = -1
        left = padding
        phase = .skip
    }
}

extension HPACKError {
    var detail: StaticString {
        switch self {
        case .truncated: "http2.hpack_truncated"
        case .badIndex: "http2.hpack_bad_index"
        case .integerOverflow: "http2.hpack_integer_overflow"
        case .badHuffman: "http2.hpack_bad_huffman"
        case .badTableSize: "http2.hpack_table_size_too_large"
        case .misplacedTableSize: "http2.hpack_misplaced_table_size"
        }
    }
}
