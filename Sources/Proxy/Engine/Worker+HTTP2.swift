internal import EventLoop
internal import HTTP1
internal import HTTP2
internal import HeaderBlock
internal import LoadBalancing
internal import Memory
internal import Resilience
internal import Routing
internal import TLS
internal import Telemetry

/// Connections that speak HTTP/2, of both roles: frames in, and what they mean for the exchanges on their streams.
extension Worker where Wire: ~Copyable {
    /// Output that waits for the end of a turn; what is more is sent at once.
    static var outputBound: Int { BufferPool.bufferSize &- 512 }

    /// A connection turns out to speak HTTP/2.
    mutating func startHTTP2(_ handle: Handle, _ role: HTTP2Role, _ options: HTTP2Options) {
        let codec = http2.insert()
        connections[handle].http2 = codec
        connections[handle].restoresSpelling = connections[handle].agreedOnSpelling
        buffers.lend(&connections[handle].output)
        http2[codec].start(
            role, settings: options.settings, limits: options.limits, output: &connections[handle].output)
        markDirty(handle)
        scheduleKeepalive(handle, options.keepaliveMilliseconds)
    }

    /// The connection's output is written at the end of the turn: one gathered write for all that happened in it.
    @inline(__always)
    mutating func markDirty(_ handle: Handle) {
        guard !connections[handle].needsFlush else { return }
        connections[handle].needsFlush = true
        dirty.append(handle)
    }

    /// Writes what the turn has left in outputs, and takes up what waited for room in them.
    mutating func flushDirty() {
        while let handle = dirty.popLast() {
            guard connections.contains(handle) else { continue }
            connections[handle].needsFlush = false
            flushOutput(handle)
        }
    }

    mutating func flushOutput(_ handle: Handle) {
        switch flush(handle) {
        case .done: outputIsGone(handle)
        case .blocked: break
        case .failed: connectionLost(handle, .connectionReset)
        }
    }

    private mutating func outputIsGone(_ handle: Handle) {
        if connections[handle].isHTTP2 {
            if !connections[handle].waiting.isEmpty { resumeWaiting(handle) }
            // A client that has announced its end may still open streams, and has a right to their answers.
            guard connections.contains(handle), connections[handle].closesAfterFlush, !hasStreams(handle),
                connections[handle].output.isEmpty, connections[handle].cipherOutput.isEmpty
            else { return }
            return connections[handle].role == .downstream ? startLingering(handle) : close(handle)
        }
        let exchange = connections[handle].exchange
        if exchanges.contains(exchange) {
            resumeExchange(exchange)
        } else if connections[handle].closesAfterFlush {
            resumable.append(handle)
        }
    }

    private mutating func resumeWaiting(_ handle: Handle) {
        // The lists change places, so that none is made anew: those that go on may have to wait again at once.
        var waiting: [Handle] = []
        swap(&waiting, &spareList)
        swap(&waiting, &connections[handle].waiting)
        let isDownstream = connections[handle].role == .downstream
        for exchange in waiting where exchanges.contains(exchange) {
            if isDownstream {
                exchanges[exchange].waitsForDownstream = false
            } else {
                exchanges[exchange].waitsForUpstream = false
            }
            resumeExchange(exchange)
        }
        waiting.removeAll(keepingCapacity: true)
        swap(&waiting, &spareList)
    }

    /// Whether somebody still uses the connection.
    func hasStreams(_ handle: Handle) -> Bool {
        connections[handle].streamExchanges > 0 || http2[connections[handle].http2].streamCount > 0
    }

    // MARK: Frames

    /// Takes an HTTP/2 connection as far as its bytes and its room allow.
    mutating func advanceHTTP2(_ handle: Handle) {
        if connections[handle].canWrite,
            !connections[handle].output.isEmpty || !connections[handle].cipherOutput.isEmpty
        {
            flushOutput(handle)
        }
        var rounds = 0
        while connections.contains(handle), connections[handle].phase == .http {
            // A peer that does not read what it makes us write is not listened to.
            if connections[handle].output.count > 1 << 20, !connections[handle].canWrite { return }
            buffers.lend(&connections[handle].output)
            let codec = connections[handle].http2
            let now = now
            switch connections[handle].next(&http2[codec], now: now) {
            case .needsMore:
                rounds &+= 1
                if rounds > Self.roundsPerTurn {
                    if !connections[handle].output.isEmpty { markDirty(handle) }
                    return resumeLater(handle)
                }
                if connections[handle].isParked || isFull && !hasStreams(handle) {
                    restFrames(handle)
                    return park(handle)
                }
                guard readFrames(handle) else { return }
            case .head(let stream, let token, let isNew, let isTrailers):
                receiveHead(handle, stream, Handle(bits: token), isNew: isNew, isTrailers: isTrailers)
            case .data(let stream, let token, let payload, let endsStream):
                receiveData(handle, stream, Handle(bits: token), payload, endsStream: endsStream)
            case .reset(_, let token, let code): streamLost(handle, Handle(bits: token), code)
            case .streamFailed(_, let token, _):
                streamBroken(handle, Handle(bits: token))
            case .writable(_, let token):
                let exchange = Handle(bits: token)
                if exchanges.contains(exchange) { resumeExchange(exchange) }
            case .settings: if connections[handle].role == .upstream { share(handle) }
            case .goAway: if connections[handle].role == .upstream { retire(handle) }
            case .refused(_, let token):
                let exchange = Handle(bits: token)
                if exchanges.contains(exchange) { streamRefused(exchange) }
            case .pong(let data):
                if data == Self.keepalivePing {
                    connections[handle].awaitsPong = false
                } else {
                    finishAnnouncedEnd(handle)
                }
            case .failed: return connectionBroken(handle)
            }
        }
    }

    /// False: nothing more now, or the connection is gone.
    private mutating func readFrames(_ handle: Handle) -> Bool {
        connections[handle].input.compact()
        switch fill(handle) {
        case .bytes: return true
        case .blocked, .full:
            restFrames(handle)
            return false
        case .end:
            connectionLost(handle, .connectionTermination)
            return false
        case .failed:
            connectionLost(handle, .connectionReset)
            return false
        }
    }

    /// Nothing is read for now: buffers that hold nothing go back, what was written goes out.
    private mutating func restFrames(_ handle: Handle) {
        buffers.reclaimIfEmpty(&connections[handle].input)
        if connections[handle].output.isEmpty {
            buffers.reclaim(&connections[handle].output)
            if connections[handle].closesAfterFlush { markDirty(handle) }
        } else {
            markDirty(handle)
        }
    }

    private mutating func receiveHead(
        _ handle: Handle, _ stream: UInt32, _ exchange: Handle, isNew: Bool, isTrailers: Bool
    ) {
        if isNew, connections[handle].role == .downstream { return beginStream(handle, stream) }
        guard exchanges.contains(exchange) else {
            let codec = connections[handle].http2
            if connections[handle].discardHead(&http2[codec]) != nil { connectionBroken(handle) }
            return
        }
        if isTrailers { return receiveTrailers(handle, exchange) }
        if connections[handle].role == .upstream { receiveResponseHead(handle, exchange) }
    }

    private mutating func receiveTrailers(_ handle: Handle, _ exchange: Handle) {
        let isRequest = connections[handle].role == .downstream
        let codec = connections[handle].http2
        let result = exchanges[exchange].receiveTrailers(
            &http2[codec], &connections[handle], token: exchange.bits, ofRequest: isRequest)
        switch result {
        case .complete:
            if isRequest {
                exchanges[exchange].requestEnded = true
                advanceRequest(handle, exchange)
            } else {
                exchanges[exchange].responseEnded = true
                drainResponse(exchange)
            }
        case .malformed: streamBroken(handle, exchange)
        case .tooLarge:
            resetStream(handle, isRequest ? exchanges[exchange].downstreamStream : exchanges[exchange].upstreamStream)
            streamBroken(handle, exchange)
        case .failed: connectionBroken(handle)
        }
    }

    private mutating func resetStream(_ handle: Handle, _ stream: UInt32) {
        let codec = connections[handle].http2
        http2[codec].reset(stream: stream, .enhanceYourCalm, output: &connections[handle].output)
        markDirty(handle)
    }

    private mutating func receiveData(
        _ handle: Handle, _ stream: UInt32, _ exchange: Handle, _ payload: ByteRange, endsStream: Bool
    ) {
        guard exchanges.contains(exchange) else {
            giveBack(handle, stream, payload.count)
            return
        }
        touch(exchange)
        if connections[handle].role == .downstream {
            receiveRequestData(handle, exchange, payload, endsStream: endsStream)
        } else {
            receiveResponseData(handle, exchange, payload, endsStream: endsStream)
        }
    }

    /// The peer may send as many bytes more.
    @inline(__always)
    mutating func giveBack(_ handle: Handle, _ stream: UInt32, _ count: Int) {
        guard count > 0, connections.contains(handle), connections[handle].isHTTP2 else { return }
        let codec = connections[handle].http2
        buffers.lend(&connections[handle].output)
        http2[codec].consumed(count, stream: stream, output: &connections[handle].output)
        if !connections[handle].output.isEmpty { markDirty(handle) }
    }

    // MARK: Loss

    /// The peer reset a stream.
    private mutating func streamLost(_ handle: Handle, _ exchange: Handle, _ code: HTTP2ErrorCode) {
        guard exchanges.contains(exchange) else { return }
        if connections[handle].role == .downstream {
            exchanges[exchange].flags.insert(.downstreamRemoteReset)
            exchanges[exchange].details = "http2.remote_reset"
            return abandonStream(exchange)
        }
        if code == .refusedStream { return streamRefused(exchange) }
        // A complete response behind which the endpoint wants no more of the request is an answer all the same.
        if exchanges[exchange].responseEnded { return }
        exchanges[exchange].upstreamAddress = connections[handle].remote
        attemptFailed(exchange, .streamReset)
    }

    /// What the peer sent on a stream is against the protocol.
    private mutating func streamBroken(_ handle: Handle, _ exchange: Handle) {
        markDirty(handle)
        guard exchanges.contains(exchange) else { return }
        if connections[handle].role == .downstream {
            metrics.http[httpStatistics(exchange)].protocolErrors &+= 1
            exchanges[exchange].flags.insert(.downstreamProtocolError)
            exchanges[exchange].details = Self.messagingFault
            return abandonStream(exchange)
        }
        exchanges[exchange].upstreamAddress = connections[handle].remote
        attemptFailed(exchange, .protocolError)
    }

    /// The peer broke the protocol for good: GOAWAY is in the output.
    mutating func connectionBroken(_ handle: Handle) {
        _ = flush(handle)
        if connections[handle].role == .downstream {
            metrics.http[connections[handle].statistics].protocolErrors &+= 1
        }
        endStreams(handle, .protocolError)
        guard connections.contains(handle) else { return }
        if connections[handle].role == .downstream, connections[handle].output.isEmpty { return startLingering(handle) }
        close(handle)
    }

    /// The connection is gone, in good order or not; so are the streams on it.
    mutating func connectionLost(_ handle: Handle, _ failure: AttemptFailure) {
        guard connections.contains(handle) else { return }
        if !connections[handle].isHTTP2 {
            if connections[handle].role == .downstream { return abandonDownstream(handle) }
            return upstreamFailed(handle, failure)
        }
        endStreams(handle, failure)
        close(handle)
    }

    /// Ends all exchanges on the connection's streams.
    mutating func endStreams(_ handle: Handle, _ failure: AttemptFailure) {
        var tokens: [UInt64] = []
        var cursor = 0
        while let entry = http2[connections[handle].http2].nextStream(after: &cursor) { tokens.append(entry.token) }
        let isDownstream = connections[handle].role == .downstream
        let isReused = connections[handle].requests > 1
        let remote = connections[handle].remote
        if !isDownstream { retire(handle) }
        for token in tokens {
            let exchange = Handle(bits: token)
            guard exchanges.contains(exchange) else { continue }
            if isDownstream {
                if failure == .protocolError {
                    exchanges[exchange].flags.insert(.downstreamProtocolError)
                    exchanges[exchange].details = "http2.protocol_error"
                }
                abandonStream(exchange)
            } else if !exchanges[exchange].responseEnded {
                exchanges[exchange].upstreamAddress = remote
                exchanges[exchange].onReusedConnection = isReused
                attemptFailed(exchange, failure)
            }
        }
        guard isDownstream, connections.contains(handle), connections[handle].streamExchanges > 0 else { return }
        // Streams that have left the table before their exchanges have: those must not outlive their client.
        for slot in 0..<exchanges.capacity {
            guard let exchange = exchanges.occupant(at: slot), exchanges[exchange].downstream == handle else {
                continue
            }
            abandonStream(exchange)
        }
    }

    /// The client has given up one request.
    mutating func abandonStream(_ exchange: Handle) {
        // Who ended the stream alone has said so already.
        if exchanges[exchange].flags.isDisjoint(with: [.downstreamRemoteReset, .downstreamProtocolError]) {
            exchanges[exchange].flags.insert(.downstreamConnectionTermination)
            if exchanges[exchange].responseState != .complete {
                exchanges[exchange].details = "downstream_remote_disconnect"
            }
        }
        exchanges[exchange].bytesSent = exchanges[exchange].responseBody.payloadBytes
        record(exchange)
        dropUpstream(exchange)
        let handle = exchanges[exchange].downstream
        freeExchange(exchange)
        streamEnded(handle)
    }
}
