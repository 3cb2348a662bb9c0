internal import HPACK
internal import HeaderBlock
internal import Memory

/// Frames about the connection and about streams, none of which carries a message.
extension HTTP2Connection {
    /// Checks the header of a frame that is neither DATA nor part of a head.
    mutating func beginControl(_ output: inout ByteBuffer) -> HTTP2Event? {
        let id = frame.stream
        let length = frame.length
        switch frame.type {
        case FrameType.priority:
            if id == 0 { return end(HTTP2Failure(.protocolError, "http2.priority_on_stream_0"), &output) }
            guard length == 5 else { return badPriority(HTTP2Failure(.frameSizeError, "http2.priority_size"), &output) }
            phase = .priority
        case FrameType.reset:
            if length != 4 { return end(HTTP2Failure(.frameSizeError, "http2.rst_stream_size"), &output) }
            if id == 0 || isIdle(id) {
                return end(HTTP2Failure(.protocolError, "http2.rst_stream_on_idle_stream"), &output)
            }
            phase = .reset
        case FrameType.settings:
            if id != 0 { return end(HTTP2Failure(.protocolError, "http2.settings_on_stream"), &output) }
            if frame.has(FrameFlag.acknowledgement) {
                if length != 0 { return end(HTTP2Failure(.frameSizeError, "http2.settings_size"), &output) }
                phase = .frameHeader
                return acknowledged(&output)
            }
            if length % 6 != 0 { return end(HTTP2Failure(.frameSizeError, "http2.settings_size"), &output) }
            phase = .settings
            return spendIdle(&output)
        case FrameType.ping:
            if id != 0 { return end(HTTP2Failure(.protocolError, "http2.ping_on_stream"), &output) }
            if length != 8 { return end(HTTP2Failure(.frameSizeError, "http2.ping_size"), &output) }
            phase = .ping
        case FrameType.goAway:
            if id != 0 { return end(HTTP2Failure(.protocolError, "http2.goaway_on_stream"), &output) }
            if length < 8 { return end(HTTP2Failure(.frameSizeError, "http2.goaway_size"), &output) }
            phase = .goAway
        case FrameType.windowUpdate:
            if length != 4 { return end(HTTP2Failure(.frameSizeError, "http2.window_update_size"), &output) }
            if id != 0, isIdle(id) {
                return end(HTTP2Failure(.protocolError, "http2.window_update_on_idle_stream"), &output)
            }
            phase = .windowUpdate
        default:
            // Extensions are ignored (section 5.5).
            phase = .skip
            return spendIdle(&output)
        }
        return nil
    }

    /// Reads the first `size` bytes of the frame's payload.
    mutating func readControl(_ input: inout ByteBuffer, _ output: inout ByteBuffer, _ size: Int) -> HTTP2Event? {
        let high = input.bytes.bigEndian(0)
        let low = size == 8 ? input.bytes.bigEndian(4) : 0
        input.consume(size)
        left &-= size
        let what = phase
        phase = left > 0 ? .skip : .frameHeader
        switch what {
        case .ping: return readPing(UInt64(high) << 32 | UInt64(low), &output)
        case .goAway: return readGoAway(high & 0x7fff_ffff, HTTP2ErrorCode(rawValue: low))
        case .windowUpdate: return readWindowUpdate(Int(high & 0x7fff_ffff), &output)
        case .priority:
            if high & 0x7fff_ffff == frame.stream {
                return badPriority(HTTP2Failure(.protocolError, "http2.depends_on_itself"), &output)
            }
            return spendIdle(&output)
        default: return readReset(HTTP2ErrorCode(rawValue: high), &output)
        }
    }

    /// A stream error on a stream that may be in any state.
    private mutating func badPriority(_ failure: HTTP2Failure, _ output: inout ByteBuffer) -> HTTP2Event? {
        if phase == .frameHeader, left > 0 { phase = .skip }
        let slot = streams.find(frame.stream)
        if slot >= 0, !streams[slot].isClosed { return failStream(slot, failure, &output) }
        // RST_STREAM may not be sent for an idle stream.
        if isIdle(frame.stream) { return end(failure, &output) }
        writeReset(frame.stream, failure.code, &output)
        return spendReset(&output)
    }

    private mutating func readPing(_ data: UInt64, _ output: inout ByteBuffer) -> HTTP2Event? {
        if frame.has(FrameFlag.acknowledgement) { return spendIdle(&output) ?? .pong(data: data) }
        output.appendFrame(8, FrameType.ping, FrameFlag.acknowledgement, 0)
        output.append(bigEndian: UInt32(truncatingIfNeeded: data >> 32))
        output.append(bigEndian: UInt32(truncatingIfNeeded: data))
        return spendIdle(&output) ?? queued(&output)
    }

    private mutating func readGoAway(_ last: UInt32, _ code: HTTP2ErrorCode) -> HTTP2Event? {
        sawGoAway = true
        peerGoAwayLimit = min(peerGoAwayLimit, last)
        if role == .client { refuseLeft = streams.slots }
        return .goAway(lastStream: last, code: code)
    }

    private mutating func readReset(_ code: HTTP2ErrorCode, _ output: inout ByteBuffer) -> HTTP2Event? {
        let slot = streams.find(frame.stream)
        guard slot >= 0, !streams[slot].isClosed else { return spendIdle(&output) }
        let token = streams[slot].token
        forget(slot, .peerReset, &output)
        if role == .server { spendResetLater(&output) }
        return .reset(stream: frame.stream, token: token, code: code)
    }

    // MARK: Windows

    private mutating func readWindowUpdate(_ increment: Int, _ output: inout ByteBuffer) -> HTTP2Event? {
        if let event = spendIdle(&output) { return event }
        let id = frame.stream
        guard id != 0 else {
            if increment == 0 { return end(HTTP2Failure(.protocolError, "http2.empty_window_update"), &output) }
            let wasShut = sendWindow <= 0
            sendWindow &+= increment
            if sendWindow > Self.largestWindow {
                return end(HTTP2Failure(.flowControlError, "http2.window_overflow"), &output)
            }
            guard wasShut, sendWindow > 0 else { return nil }
            return wake()
        }
        let slot = streams.find(id)
        guard slot >= 0, !streams[slot].isClosed else { return nil }
        if increment == 0 {
            return failStream(slot, HTTP2Failure(.protocolError, "http2.empty_window_update"), &output)
        }
        streams[slot].sendWindow &+= increment
        if streams[slot].sendWindow > Self.largestWindow {
            return failStream(slot, HTTP2Failure(.flowControlError, "http2.window_overflow"), &output)
        }
        guard streams[slot].isBlocked, streams[slot].sendWindow > 0, sendWindow > 0 else { return nil }
        streams[slot].isBlocked = false
        return .writable(stream: id, token: streams[slot].token)
    }

    /// Lets all blocked streams try again; the first of them at once.
    private mutating func wake() -> HTTP2Event? {
        wakeLeft = streams.slots
        return nextWritable()
    }

    // MARK: Settings

    mutating func readSetting(_ input: inout ByteBuffer, _ output: inout ByteBuffer) -> HTTP2Event? {
        let id = input.bytes.bigEndian(0) >> 16
        let value = Int(input.bytes.bigEndian(2))
        input.consume(6)
        left &-= 6
        switch id {
        case 1:
            peer.headerTableSize = value
            encoder.setLimit(value)
        case 2:
            // A server may only say that it does not push.
            if value > (role == .server ? 1 : 0) {
                return end(HTTP2Failure(.protocolError, "http2.bad_enable_push"), &output)
            }
            peer.enablePush = value == 1
        case 3: peer.maxConcurrentStreams = value
        case 4:
            if value > Self.largestWindow {
                return end(HTTP2Failure(.flowControlError, "http2.bad_initial_window_size"), &output)
            }
            // Each moves the windows of all streams: only the last of a frame is carried out, once.
            announcedWindow = value
        case 5:
            if value < 16_384 || value > 16_777_215 {
                return end(HTTP2Failure(.protocolError, "http2.bad_max_frame_size"), &output)
            }
            peer.maxFrameSize = value
        case 6: peer.maxHeaderListSize = value
        case 8:
            if value > 1 || value == 0 && peer.enableConnectProtocol {
                return end(HTTP2Failure(.protocolError, "http2.bad_enable_connect_protocol"), &output)
            }
            peer.enableConnectProtocol = value == 1
        default: break
        }
        return nil
    }

    /// SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all streams, below zero too (section 6.9.2).
    private mutating func changeSendWindows(_ delta: Int, _ output: inout ByteBuffer) -> HTTP2Event? {
        peer.initialWindowSize &+= delta
        var slot = 0
        while slot < streams.slots {
            if streams[slot].id != 0 {
                streams[slot].sendWindow &+= delta
                if streams[slot].sendWindow > Self.largestWindow {
                    return end(HTTP2Failure(.flowControlError, "http2.window_overflow"), &output)
                }
            }
            slot &+= 1
        }
        if delta > 0 { wakeLeft = streams.slots }
        return nil
    }

    mutating func endSettings(_ output: inout ByteBuffer) -> HTTP2Event? {
        sawSettings = true
        phase = .frameHeader
        if announcedWindow >= 0 {
            let delta = announcedWindow &- peer.initialWindowSize
            announcedWindow = -1
            if delta != 0, let event = changeSendWindows(delta, &output) { return event }
        }
        output.appendFrame(0, FrameType.settings, FrameFlag.acknowledgement, 0)
        return queued(&output) ?? .settings
    }

    /// Our settings are in force on the other side.
    private mutating func acknowledged(_ output: inout ByteBuffer) -> HTTP2Event? {
        guard unacknowledged > 0 else { return spendIdle(&output) }
        unacknowledged &-= 1
        guard unacknowledged == 0 else { return nil }
        decoder.setLimit(local.headerTableSize)
        let delta = local.initialWindowSize &- receiveInitial
        receiveInitial = local.initialWindowSize
        var slot = 0
        while slot < streams.slots {
            if streams[slot].id != 0 { streams[slot].receiveWindow &+= delta }
            slot &+= 1
        }
        return nil
    }

    func writeSetting(_ id: UInt32, _ value: Int, _ output: inout ByteBuffer) {
        output.append(UInt8(truncatingIfNeeded: id >> 8))
        output.append(UInt8(truncatingIfNeeded: id))
        output.append(bigEndian: UInt32(truncatingIfNeeded: value))
    }

    mutating func writeSettings(_ output: inout ByteBuffer) {
        let defaults = HTTP2Settings()
        let start = output.end
        output.appendFrame(0, FrameType.settings, 0, 0)
        if local.headerTableSize != defaults.headerTableSize { writeSetting(1, local.headerTableSize, &output) }
        if role == .client { writeSetting(2, 0, &output) }
        if local.maxConcurrentStreams < Int(UInt32.max) { writeSetting(3, local.maxConcurrentStreams, &output) }
        if local.initialWindowSize != defaults.initialWindowSize { writeSetting(4, local.initialWindowSize, &output) }
        if local.maxHeaderListSize < Int(UInt32.max) { writeSetting(6, local.maxHeaderListSize, &output) }
        if local.enableConnectProtocol { writeSetting(8, 1, &output) }
        output.setFrame(at: start, output.end &- start &- FrameHeader.size, FrameType.settings, 0, 0)
        unacknowledged &+= 1
    }
}
