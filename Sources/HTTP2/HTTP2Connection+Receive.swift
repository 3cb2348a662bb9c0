internal import HeaderBlock
package import Memory

extension HTTP2Connection {
    /// Takes the next piece of `input`; answers that the protocol wants (acknowledgements, RST_STREAM, GOAWAY, window
    /// updates) are appended to `output`. `now` is any monotonic clock in milliseconds, for the rates in `HTTP2Limits`.
    ///
    /// Call again until `.needsMore`. Payload of a `.data` event is dropped from `input` by the next call. `input` never
    /// needs to hold a whole frame: when it is full, `compact` makes room.
    package mutating func next(_ input: inout ByteBuffer, output: inout ByteBuffer, now: UInt64) -> HTTP2Event {
        if pendingSkip > 0 {
            input.consume(pendingSkip)
            pendingSkip = 0
        }
        if output.isEmpty { queuedControl = 0 }
        if now &- refilledAt >= 100 { refill(now) }
        if let failure = unreported {
            unreported = nil
            return .failed(failure)
        }
        if let event = pendingEvent(&output) { return event }
        while true {
            switch phase {
            case .idle, .failed:
                input.consume(input.count)
                return .needsMore
            case .preface:
                if let event = readPreface(&input, &output) { return event }
            case .frameHeader:
                guard input.count >= FrameHeader.size else { return .needsMore }
                frame = FrameHeader(input.bytes)
                input.consume(FrameHeader.size)
                left = frame.length
                padding = 0
                if let event = beginFrame(&output) { return event }
            case .data:
                if let event = readData(&input, &output) { return event }
            case .dataPadding:
                guard !input.isEmpty else { return .needsMore }
                if let event = readDataPadding(&input, &output) { return event }
            case .headPrefix:
                if let event = readHeadPrefix(&input, &output) { return event }
            case .headBlock:
                if let event = readHeadBlock(&input, &output) { return event }
            case .headReady:
                preconditionFailure("http2: a head was neither received nor discarded")
            case .settings:
                if left == 0 {
                    if let event = endSettings(&output) { return event }
                } else {
                    guard input.count >= 6 else { return .needsMore }
                    if let event = readSetting(&input, &output) { return event }
                }
            case .ping, .goAway, .windowUpdate, .priority, .reset:
                let needed = phase == .ping || phase == .goAway ? 8 : phase == .priority ? 5 : 4
                guard input.count >= needed else { return .needsMore }
                if let event = readControl(&input, &output, needed) { return event }
            case .skip:
                let count = min(left, input.count)
                input.consume(count)
                left &-= count
                if left > 0 { return .needsMore }
                phase = .frameHeader
            }
        }
    }

    private mutating func readPreface(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> HTTP2Event? {
        let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        let count = min(input.count, 24)
        // SAFETY: a literal's bytes are valid for its utf8CodeUnitCount, 24, for the life of the program.
        let literal = unsafe UnsafeBufferPointer(start: preface.utf8Start, count: 24)
        var index = 0
        while index < count {
            if unsafe input.bytes[index] != literal[index] {
                return end(HTTP2Failure(.protocolError, "http2.bad_preface"), &output)
            }
            index &+= 1
        }
        guard count == 24 else { return .needsMore }
        input.consume(24)
        phase = .frameHeader
        return nil
    }

    /// Looks at a frame's header and decides how to read its payload.
    @inline(__always)
    private mutating func beginFrame(_ output: inout ByteBuffer) -> HTTP2Event? {
        if frame.length > 16_384 { return end(HTTP2Failure(.frameSizeError, "http2.frame_too_large"), &output) }
        if continuing != 0, frame.type != FrameType.continuation || frame.stream != continuing {
            return end(HTTP2Failure(.protocolError, "http2.continuation_expected"), &output)
        }
        if !sawSettings, frame.type != FrameType.settings || frame.has(FrameFlag.acknowledgement) {
            return end(HTTP2Failure(.protocolError, "http2.settings_expected"), &output)
        }
        switch frame.type {
        case FrameType.data: return beginData(&output)
        case FrameType.headers:
            if frame.stream == 0 { return end(HTTP2Failure(.protocolError, "http2.headers_on_stream_0"), &output) }
            phase = .headPrefix
            return nil
        case FrameType.continuation:
            guard continuing != 0 else {
                return end(HTTP2Failure(.protocolError, "http2.unexpected_continuation"), &output)
            }
            continuations &+= 1
            if continuations > limits.continuationFrames {
                return end(HTTP2Failure(.enhanceYourCalm, "http2.continuation_flood"), &output)
            }
            phase = .headBlock
            return nil
        case FrameType.pushPromise:
            return end(HTTP2Failure(.protocolError, "http2.push_promise"), &output)
        default: return beginControl(&output)
        }
    }

    // MARK: Data

    private mutating func beginData(_ output: inout ByteBuffer) -> HTTP2Event? {
        let id = frame.stream
        if id == 0 { return end(HTTP2Failure(.protocolError, "http2.data_on_stream_0"), &output) }
        receiveWindow &-= left
        if receiveWindow < 0 { return end(HTTP2Failure(.flowControlError, "http2.connection_window"), &output) }
        let slot = streams.find(id)
        if slot < 0 || streams[slot].isClosed {
            if isIdle(id) { return end(HTTP2Failure(.protocolError, "http2.data_on_idle_stream"), &output) }
            return refuseData(id, &output)
        }
        if streams[slot].hasRemoteEnd {
            return failData(slot, HTTP2Failure(.streamClosed, "http2.data_after_end"), &output)
        }
        guard streams[slot].hasReceivedHead else {
            return failData(slot, HTTP2Failure(.protocolError, "http2.data_before_head"), &output)
        }
        streams[slot].receiveWindow &-= left
        // Our settings may have shrunk the window below zero; an empty frame needs none of it (section 6.9.1).
        if left > 0, streams[slot].receiveWindow < 0 {
            return failData(slot, HTTP2Failure(.flowControlError, "http2.stream_window"), &output)
        }
        if frame.has(FrameFlag.padded) {
            if left == 0 { return end(HTTP2Failure(.frameSizeError, "http2.no_padding_length"), &output) }
            phase = .dataPadding
            return nil
        }
        return countData(slot, &output)
    }

    /// DATA for a stream that is closed (section 5.1).
    private mutating func refuseData(_ id: UInt32, _ output: inout ByteBuffer) -> HTTP2Event? {
        credit(left, &output)
        phase = .skip
        if ending(id) == .localReset || isForgotten(id) { return spendIdle(&output) }
        return answerClosed(id, &output)
    }

    /// Fails the stream of the DATA frame whose payload is still to come.
    private mutating func failData(
        _ slot: Int, _ failure: HTTP2Failure, _ output: inout ByteBuffer
    ) -> HTTP2Event? {
        credit(left &+ padding, &output)
        left &+= padding
        padding = 0
        phase = .skip
        return failStream(slot, failure, &output)
    }

    private mutating func readDataPadding(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> HTTP2Event? {
        padding = Int(input.bytes[0])
        input.consume(1)
        left &-= 1
        if padding > left { return end(HTTP2Failure(.protocolError, "http2.padding_too_long"), &output) }
        left &-= padding
        // Nobody consumes padding: given back at once.
        credit(1, &output)
        let slot = streams.find(frame.stream)
        guard slot >= 0 else {
            credit(left &+ padding, &output)
            left &+= padding
            phase = .skip
            return nil
        }
        let bytes = padding
        if let event = countData(slot, &output) { return event }
        credit(bytes, &output)
        creditStream(frame.stream, bytes &+ 1, &output)
        return nil
    }

    /// Checks the frame's body bytes, `left`, against content-length.
    @inline(__always)
    private mutating func countData(_ slot: Int, _ output: inout ByteBuffer) -> HTTP2Event? {
        streams[slot].received &+= left
        let expected = streams[slot].expected
        if expected >= 0 {
            let received = streams[slot].received
            if received > expected || frame.has(FrameFlag.endStream) && received < expected {
                return failData(slot, HTTP2Failure(.protocolError, "http2.content_length_mismatch"), &output)
            }
        }
        phase = .data
        if left == 0, !frame.has(FrameFlag.endStream) {
            left = padding
            phase = .skip
            return spendIdle(&output)
        }
        earn()
        return nil
    }

    private mutating func readData(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> HTTP2Event? {
        if left > 0, input.isEmpty { return .needsMore }
        let count = min(left, input.count)
        let payload = ByteRange(start: input.start, length: count)
        left &-= count
        let isLast = left == 0
        if isLast {
            left = padding
            phase = padding > 0 ? .skip : .frameHeader
        }
        let slot = streams.find(frame.stream)
        guard slot >= 0 else {
            // Given up by the caller in the middle of the frame.
            credit(count, &output)
            input.consume(count)
            return nil
        }
        pendingSkip = count
        streams[slot].unconsumed &+= count
        let ends = isLast && frame.has(FrameFlag.endStream)
        let token = streams[slot].token
        if ends {
            streams[slot].hasRemoteEnd = true
            closeIfEnded(slot)
        }
        return .data(stream: frame.stream, token: token, payload: payload, endsStream: ends)
    }

    // MARK: What waits

    /// Events that earlier frames left behind.
    @inline(__always)
    private mutating func pendingEvent(_ output: inout ByteBuffer) -> HTTP2Event? {
        if refuseLeft > 0, let event = nextRefused(&output) { return event }
        if wakeLeft > 0, let event = nextWritable() { return event }
        return nil
    }

    private mutating func nextRefused(_ output: inout ByteBuffer) -> HTTP2Event? {
        while refuseLeft > 0 {
            refuseLeft &-= 1
            guard refuseLeft < streams.slots else { continue }
            let stream = streams[refuseLeft]
            if stream.id > peerGoAwayLimit, !stream.isClosed {
                forget(refuseLeft, .peerReset, &output)
                return .refused(stream: stream.id, token: stream.token)
            }
        }
        return nil
    }

    /// Blocked streams take turns, so that a connection window that opens in small steps serves all of them.
    mutating func nextWritable() -> HTTP2Event? {
        while wakeLeft > 0, sendWindow > 0 {
            wakeLeft &-= 1
            let slot = wakeSlot < streams.slots ? wakeSlot : 0
            wakeSlot = slot &+ 1
            let stream = streams[slot]
            if stream.id != 0, stream.isBlocked, stream.sendWindow > 0 {
                streams[slot].isBlocked = false
                return .writable(stream: stream.id, token: stream.token)
            }
        }
        return nil
    }
}
