internal import HPACK
internal import HeaderBlock
package import Memory

/// The life of streams and of the connection, and what a peer may spend.
extension HTTP2Connection {
    // MARK: Streams

    /// Whether nobody has opened the stream yet (section 5.1).
    func isIdle(_ id: UInt32) -> Bool {
        let isOurs = (id & 1 == 1) == (role == .client)
        return isOurs ? id >= nextStream : id > lastPeerStream
    }

    /// How a stream that is in no table ended; nil when that is long ago, or it never was.
    func ending(_ id: UInt32) -> Ending? {
        let slot = streams.find(id)
        if slot >= 0 { return .ended }
        let entry = endings[Int(id >> 1) & 255]
        return entry >> 2 == id >> 1 ? Ending(rawValue: UInt8(entry & 3)) : nil
    }

    /// Whether the end of a stream that is not idle is too long ago to be known: a newer one is remembered in its place.
    func isForgotten(_ id: UInt32) -> Bool { endings[Int(id >> 1) & 255] >> 2 > id >> 1 }

    mutating func remember(_ id: UInt32, _ how: Ending) {
        guard !isForgotten(id) else { return }
        endings[Int(id >> 1) & 255] = (id >> 1) << 2 | UInt32(how.rawValue)
    }

    /// Takes a stream out of the table. Bytes that nobody will consume are given back.
    mutating func forget(_ slot: Int, _ how: Ending, _ output: inout ByteBuffer) {
        let stream = streams[slot]
        if !stream.isClosed { streamCount &-= 1 }
        remember(stream.id, how)
        streams.remove(slot)
        if stream.unconsumed > 0 { credit(stream.unconsumed, &output) }
    }

    /// A stream that both sides have ended leaves, when its bytes are consumed.
    @inline(__always)
    mutating func closeIfEnded(_ slot: Int) {
        guard streams[slot].isClosed else { return }
        streamCount &-= 1
        if streams[slot].unconsumed == 0 {
            remember(streams[slot].id, .ended)
            streams.remove(slot)
        }
    }

    /// Ends a stream for what the peer did on it.
    mutating func failStream(_ slot: Int, _ failure: HTTP2Failure, _ output: inout ByteBuffer) -> HTTP2Event {
        let id = streams[slot].id
        let token = streams[slot].token
        writeReset(id, failure.code, &output)
        forget(slot, .localReset, &output)
        spendResetLater(&output)
        return .streamFailed(stream: id, token: token, failure: failure)
    }

    /// Answers a frame for a stream that is closed.
    mutating func answerClosed(_ id: UInt32, _ output: inout ByteBuffer) -> HTTP2Event? {
        writeReset(id, .streamClosed, &output)
        remember(id, .localReset)
        return spendReset(&output)
    }

    mutating func writeReset(_ id: UInt32, _ code: HTTP2ErrorCode, _ output: inout ByteBuffer) {
        output.appendFrame(4, FrameType.reset, 0, id)
        output.append(bigEndian: code.rawValue)
        queuedControl &+= 1
    }

    /// Resets a stream and forgets it. What the peer still sends on it is ignored and its bytes are given back. A stream that
    /// both sides have ended, or that never had a head, is forgotten without a frame.
    package mutating func reset(stream id: UInt32, _ code: HTTP2ErrorCode, output: inout ByteBuffer) {
        let slot = streams.find(id)
        guard slot >= 0 else { return }
        let stream = streams[slot]
        if stream.isClosed { return forget(slot, .ended, &output) }
        if role == .server || stream.hasSentHead { writeReset(id, code, &output) }
        forget(slot, .localReset, &output)
    }

    /// The token of a stream; nil when it is gone.
    package func token(stream: UInt32) -> UInt64? {
        let slot = streams.find(stream)
        return slot >= 0 ? streams[slot].token : nil
    }

    /// Gives a stream another token; false when it is gone.
    @discardableResult
    package mutating func setToken(_ token: UInt64, stream: UInt32) -> Bool {
        let slot = streams.find(stream)
        guard slot >= 0 else { return false }
        streams[slot].token = token
        return true
    }

    /// Whether our side of the stream has ended (END_STREAM went out), or it is gone.
    package func hasEndedSending(stream: UInt32) -> Bool {
        let slot = streams.find(stream)
        return slot < 0 || streams[slot].hasLocalEnd
    }

    /// Whether the peer's side of the stream has ended (END_STREAM came), or it is gone.
    package func hasEndedReceiving(stream: UInt32) -> Bool {
        let slot = streams.find(stream)
        return slot < 0 || streams[slot].hasRemoteEnd
    }

    /// Walks over the streams in the table, for a connection that ends: start with `cursor` 0, until nil. Streams may leave
    /// the table meanwhile.
    package func nextStream(after cursor: inout Int) -> (stream: UInt32, token: UInt64)? {
        while cursor < streams.slots {
            let stream = streams[cursor]
            cursor &+= 1
            if stream.id != 0 { return (stream.id, stream.token) }
        }
        return nil
    }

    /// Calls `body` for each stream in the table, with its id and token: for a connection that ends.
    package func forEachStream(_ body: (UInt32, UInt64) -> Void) {
        var cursor = 0
        while let (stream, token) = nextStream(after: &cursor) { body(stream, token) }
    }

    // MARK: The connection's end

    /// GOAWAY with an error; nothing is read any more.
    mutating func end(_ failure: HTTP2Failure, _ output: inout ByteBuffer) -> HTTP2Event {
        fail(failure, output: &output)
        return .failed(failure)
    }

    /// Ends the connection with an error; as `.failed`.
    package mutating func fail(_ failure: HTTP2Failure, output: inout ByteBuffer) {
        guard phase != .failed else { return }
        writeGoAway(lastPeerStream, failure, &output)
        sentGoAway = true
        hasFailed = true
        phase = .failed
    }

    private func writeGoAway(_ last: UInt32, _ failure: HTTP2Failure, _ output: inout ByteBuffer) {
        output.appendFrame(8 + failure.detail.utf8CodeUnitCount, FrameType.goAway, 0, 0)
        output.append(bigEndian: last)
        output.append(bigEndian: failure.code.rawValue)
        // The debug data: what a person at the other end finds in a trace.
        output.append(failure.detail)
    }

    /// Server: announces the end without refusing anything yet (GOAWAY with the highest id). After a round trip, which
    /// a `ping` measures, `endGracefully`.
    package mutating func announceEnd(output: inout ByteBuffer) {
        guard !sentGoAway else { return }
        writeGoAway(0x7fff_ffff, HTTP2Failure(.noError, ""), &output)
    }

    /// Says which stream is the last (GOAWAY): newer ones are refused, those under way end as they would. The connection can
    /// be closed when `streamCount` is 0.
    package mutating func endGracefully(output: inout ByteBuffer) {
        guard !sentGoAway else { return }
        sentGoAway = true
        goAwayLimit = lastPeerStream
        writeGoAway(lastPeerStream, HTTP2Failure(.noError, ""), &output)
    }

    /// Asks the peer for a sign of life; `.pong` brings `data` back.
    package mutating func ping(data: UInt64, output: inout ByteBuffer) {
        output.appendFrame(8, FrameType.ping, 0, 0)
        output.append(bigEndian: UInt32(truncatingIfNeeded: data >> 32))
        output.append(bigEndian: UInt32(truncatingIfNeeded: data))
    }

    // MARK: Windows of ours

    /// `count` payload bytes of a stream were passed on: the peer may send as many more. WINDOW_UPDATE frames are written in
    /// steps of half a window. Streams that are gone gave their bytes back already.
    package mutating func consumed(_ count: Int, stream id: UInt32, output: inout ByteBuffer) {
        let slot = streams.find(id)
        guard slot >= 0, count > 0 else { return }
        let done = min(count, streams[slot].unconsumed)
        streams[slot].unconsumed &-= done
        if streams[slot].isClosed {
            if streams[slot].unconsumed == 0 {
                remember(id, .ended)
                streams.remove(slot)
            }
        } else {
            creditStream(slot: slot, done, &output)
        }
        credit(done, &output)
    }

    mutating func creditStream(_ id: UInt32, _ count: Int, _ output: inout ByteBuffer) {
        let slot = streams.find(id)
        if slot >= 0 { creditStream(slot: slot, count, &output) }
    }

    @inline(__always)
    private mutating func creditStream(slot: Int, _ count: Int, _ output: inout ByteBuffer) {
        if streams[slot].hasRemoteEnd { return }
        streams[slot].uncredited &+= count
        let sum = streams[slot].uncredited
        guard sum &* 2 >= receiveInitial, sum > 0 else { return }
        streams[slot].uncredited = 0
        streams[slot].receiveWindow &+= sum
        writeWindowUpdate(streams[slot].id, sum, &output)
    }

    /// Gives bytes of the connection's window back.
    @inline(__always)
    mutating func credit(_ count: Int, _ output: inout ByteBuffer) {
        uncredited &+= count
        guard uncredited &* 2 >= limits.connectionWindowBytes, uncredited > 0 else { return }
        receiveWindow &+= uncredited
        writeWindowUpdate(0, uncredited, &output)
        uncredited = 0
    }

    func writeWindowUpdate(_ id: UInt32, _ increment: Int, _ output: inout ByteBuffer) {
        output.appendFrame(4, FrameType.windowUpdate, 0, id)
        output.append(bigEndian: UInt32(truncatingIfNeeded: increment))
    }

    // MARK: Rates

    mutating func refill(_ now: UInt64) {
        let elapsed = refilledAt == 0 ? 0 : Int(min(now &- refilledAt, 3_600_000))
        refilledAt = now
        resetTokens = min(limits.resetBurst, resetTokens &+ elapsed &* limits.resetsPerSecond / 1000)
        idleTokens = min(limits.idleFrameBurst, idleTokens &+ elapsed &* limits.idleFramesPerSecond / 1000)
    }

    /// A frame that carries nothing came.
    @inline(__always)
    mutating func spendIdle(_ output: inout ByteBuffer) -> HTTP2Event? {
        idleTokens &-= 1
        if idleTokens >= 0 { return nil }
        return end(HTTP2Failure(.enhanceYourCalm, "http2.frame_flood"), &output)
    }

    /// A useful frame came or went.
    @inline(__always)
    mutating func earn() {
        idleTokens = min(limits.idleFrameBurst, idleTokens &+ limits.idleFramesPerUsefulFrame)
    }

    /// A stream ended before its time for something that the peer did.
    mutating func spendReset(_ output: inout ByteBuffer) -> HTTP2Event? {
        resetTokens &-= 1
        if resetTokens >= 0 { return queued(&output, 0) }
        return end(HTTP2Failure(.enhanceYourCalm, "http2.reset_flood"), &output)
    }

    /// As `spendReset`, where the stream's own event comes first: it is in no table any more, so nothing else would tell
    /// the caller of it. `.failed` follows with the next call of `next`.
    mutating func spendResetLater(_ output: inout ByteBuffer) {
        if case .failed(let failure)? = spendReset(&output) { unreported = failure }
    }

    /// An answer was written that the peer has not read yet.
    mutating func queued(_ output: inout ByteBuffer, _ frames: Int = 1) -> HTTP2Event? {
        queuedControl &+= frames
        if queuedControl <= limits.queuedControlFrames { return nil }
        return end(HTTP2Failure(.enhanceYourCalm, "http2.too_many_unread_answers"), &output)
    }
}
