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

/// Requests that come on HTTP/2 streams, and request bodies that do not move as they came: payload is taken out of the one
/// framing and put into the other, through a bounded buffer of the stream where one side is slower.
extension Worker where Wire: ~Copyable {
    static var messagingFault: StaticString { "http2.violation.of.messaging.rule" }

    /// A request begins on a new stream.
    mutating func beginStream(_ handle: Handle, _ stream: UInt32) {
        rebind(handle)
        let exchange = exchanges.insert()
        exchanges[exchange].downstream = handle
        exchanges[exchange].downstreamStream = stream
        connections[handle].streamExchanges &+= 1
        exchanges[exchange].generation = connections[handle].generation
        exchanges[exchange].chain = connections[handle].chain
        retainGeneration(connections[handle].generation)
        exchanges[exchange].startedAt = transport.microseconds
        connections[handle].deadline = .max
        buffers.lend(&exchanges[exchange].arena)
        let codec = connections[handle].http2
        let result = exchanges[exchange].receiveRequest(&http2[codec], &connections[handle], token: exchange.bits)
        exchanges[exchange].request.version = .http2
        switch result {
        case .complete where isFull: resetForMemory(handle, exchange)
        case .complete(let head) where exchanges[exchange].requestFieldCount <= httpManager(exchange).maxRequestFields:
            if connections[handle].restoresSpelling { exchanges[exchange].restoreSpelling(ofRequest: true) }
            startStream(handle, exchange, head)
        case .malformed:
            metrics.http[httpStatistics(exchange)].protocolErrors &+= 1
            exchanges[exchange].request.reset()
            exchanges[exchange].request.version = .http2
            exchanges[exchange].flags.insert(.downstreamProtocolError)
            exchanges[exchange].details = Self.messagingFault
            record(exchange)
            freeExchange(exchange)
            streamEnded(handle)
            markDirty(handle)
        case .complete: refuseStream(exchange, "http2.too_many_headers")
        case .tooLarge(let endsStream):
            http2[codec].setToken(exchange.bits, stream: stream)
            exchanges[exchange].requestEnded = endsStream
            refuseStream(exchange, "http2.header_list_size_too_large")
        case .failed:
            freeExchange(exchange)
            connectionBroken(handle)
        }
    }

    /// The request's head is larger than allowed.
    private mutating func refuseStream(_ exchange: Handle, _ details: StaticString) {
        exchanges[exchange].requestState = .waiting
        exchanges[exchange].details = details
        reply(exchange, 431, "", .downstreamProtocolError)
    }

    private mutating func startStream(_ handle: Handle, _ exchange: Handle, _ head: HTTP2Head) {
        exchanges[exchange].requestEnded = head.endsStream
        var message = MessageHead()
        message.framing = head.endsStream ? .none : .untilClose
        message.expectsContinue = head.expectsContinue
        exchanges[exchange].requestHead = message
        if !head.protocolName.isEmpty { exchanges[exchange].becomeUpgrade(head.protocolName) }
        let age = UInt64(httpManager(exchange).timeouts.maxConnectionMilliseconds)
        if isDraining || connections[handle].isDraining || age > 0 && now &- connections[handle].acceptedAt >= age {
            drainHTTP2(handle)
        }
        beginRequest(handle, exchange)
        guard connections.contains(handle) else { return }
        let most = downstreamManager(handle).timeouts.maxRequests
        if most > 0, connections[handle].requests >= most { drainHTTP2(handle) }
    }

    /// The endpoint has not agreed to a tunnel yet: what the client sends is no request to it, nor may it be taken for one.
    @inline(__always)
    private func awaitsAgreement(_ exchange: Handle) -> Bool {
        exchanges[exchange].upgrade != .none && !exchanges[exchange].isTunnel
    }

    /// Body bytes of a request, in the connection's input.
    mutating func receiveRequestData(_ handle: Handle, _ exchange: Handle, _ payload: ByteRange, endsStream: Bool) {
        if endsStream { exchanges[exchange].requestEnded = true }
        if exchanges[exchange].filters.collects { return collectData(handle, exchange, payload) }
        var taken = 0
        if exchanges[exchange].responseState == .complete {
            // Nobody wants it any more.
            taken = payload.count
        } else if exchanges[exchange].requestState == .body, exchanges[exchange].requestQueue.isEmpty,
            !awaitsAgreement(exchange),
            exchanges[exchange].replaySent == exchanges[exchange].replay.count
                || exchanges[exchange].replayOverflowed
        {
            var bytes = ByteBuffer()
            swap(&bytes, &connections[handle].input)
            taken = sinkRequest(
                exchange, bytes, offset: payload.lowerBound, count: payload.count,
                ends: endsStream)
            swap(&bytes, &connections[handle].input)
        }
        if taken < payload.count {
            queue(handle, payload.dropping(taken), behind: exchange, isRequest: true)
        }
        giveBack(handle, exchanges[exchange].downstreamStream, taken)
        if endsStream { advanceRequest(handle, exchange) }
    }

    /// Keeps bytes of a connection's input that the other side has no room for.
    mutating func queue(_ handle: Handle, _ range: ByteRange, behind exchange: Handle, isRequest: Bool) {
        var bytes = ByteBuffer()
        swap(&bytes, &connections[handle].input)
        if isRequest {
            buffers.lend(&exchanges[exchange].requestQueue)
            exchanges[exchange].requestQueue.append(from: bytes, offset: range.lowerBound, count: range.count)
            buffers.recount(&exchanges[exchange].requestQueue)
        } else {
            buffers.lend(&exchanges[exchange].responseQueue)
            exchanges[exchange].responseQueue.append(from: bytes, offset: range.lowerBound, count: range.count)
            buffers.recount(&exchanges[exchange].responseQueue)
        }
        swap(&bytes, &connections[handle].input)
        if isFull { park(handle) }
    }

    // MARK: Moving

    /// As `advanceRequest`, for requests of which one side is HTTP/2.
    mutating func advanceStreamedRequest(_ handle: Handle, _ exchange: Handle) {
        var rounds = 0
        while exchanges.contains(exchange), connections.contains(handle) {
            guard exchanges[exchange].requestState == .body, !awaitsAgreement(exchange) else {
                if exchanges[exchange].downstreamStream == 0 { watchClient(handle) }
                return
            }
            rounds &+= 1
            if rounds > Self.roundsPerTurn, exchanges[exchange].downstreamStream == 0 { return resumeLater(handle) }
            guard connections.contains(exchanges[exchange].upstream) else { return }
            if exchanges[exchange].replaySent < exchanges[exchange].replay.count {
                guard sinkReplay(exchange) else { return }
            } else if !exchanges[exchange].requestQueue.isEmpty {
                guard sinkRequestQueue(handle, exchange) else { return }
            } else if exchanges[exchange].downstreamStream != 0 {
                guard exchanges[exchange].requestEnded else { return sendStreamContinue(handle, exchange) }
                return endRequest(exchange)
            } else if exchanges[exchange].requestBody.isComplete {
                return endRequest(exchange)
            } else {
                if connections[handle].input.isEmpty, !readBody(handle, exchange) { return }
                guard unframe(handle, exchange) else { return }
            }
        }
    }

    private mutating func sinkReplay(_ exchange: Handle) -> Bool {
        var bytes = ByteBuffer()
        swap(&bytes, &exchanges[exchange].replay)
        let sent = exchanges[exchange].replaySent
        let count = bytes.count &- sent
        let taken = sink(exchange, bytes, offset: bytes.start &+ sent, count: count, ends: false)
        swap(&bytes, &exchanges[exchange].replay)
        exchanges[exchange].replaySent &+= taken
        return taken == count
    }

    private mutating func sinkRequestQueue(_ handle: Handle, _ exchange: Handle) -> Bool {
        var bytes = ByteBuffer()
        swap(&bytes, &exchanges[exchange].requestQueue)
        let count = bytes.count
        let ends = exchanges[exchange].downstreamStream != 0 && exchanges[exchange].requestEnded
        let taken = sinkRequest(exchange, bytes, offset: bytes.start, count: count, ends: ends)
        bytes.consume(taken)
        if !bytes.isEmpty, bytes.start > 1 << 16 { bytes.compact() }
        swap(&bytes, &exchanges[exchange].requestQueue)
        if exchanges[exchange].requestQueue.isEmpty { buffers.reclaim(&exchanges[exchange].requestQueue) }
        if exchanges[exchange].downstreamStream != 0 { giveBack(handle, exchanges[exchange].downstreamStream, taken) }
        return taken == count
    }

    /// Takes payload out of HTTP/1.1 framing. False: wait, or the exchange is over.
    private mutating func unframe(_ handle: Handle, _ exchange: Handle) -> Bool {
        var bytes = ByteBuffer()
        swap(&bytes, &connections[handle].input)
        let step = exchanges[exchange].nextRequestPiece(bytes, limits)
        var taken = 0
        let count = step.payload.count
        if count > 0 {
            let ends = exchanges[exchange].requestBody.isComplete
            taken = sinkRequest(exchange, bytes, offset: step.payload.lowerBound, count: count, ends: ends)
            if taken < count {
                buffers.lend(&exchanges[exchange].requestQueue)
                exchanges[exchange].requestQueue.append(
                    from: bytes, offset: step.payload.lowerBound &+ taken, count: count &- taken)
                buffers.recount(&exchanges[exchange].requestQueue)
            }
        } else if step.isTrailer {
            exchanges[exchange].addTrailer(bytes, offset: bytes.start, count: step.consumed, ofRequest: true)
        }
        bytes.consume(step.consumed)
        swap(&bytes, &connections[handle].input)
        if let error = step.error {
            refuseBody(exchange, error)
            return false
        }
        if step.needsMore {
            connections[handle].input.compact()
            return readBody(handle, exchange)
        }
        return true
    }

    /// Hands request payload to the endpoint's connection, keeping a copy for another attempt. Returns how much it took.
    private mutating func sinkRequest(
        _ exchange: Handle, _ bytes: borrowing ByteBuffer, offset: Int, count: Int, ends: Bool
    ) -> Int {
        let taken = sink(
            exchange, bytes, offset: offset, count: count, ends: ends && !exchanges[exchange].hasRequestTrailers)
        if exchanges[exchange].downstreamStream != 0 { exchanges[exchange].requestBody.count(taken) }
        if taken > 0, !exchanges[exchange].replayOverflowed {
            if exchanges[exchange].replay.count &+ taken <= settings.replayBytes, !isFull {
                buffers.lend(&exchanges[exchange].replay)
                exchanges[exchange].replay.append(from: bytes, offset: offset, count: taken)
                buffers.recount(&exchanges[exchange].replay)
                exchanges[exchange].replaySent &+= taken
            } else {
                exchanges[exchange].replayOverflowed = true
                exchanges[exchange].replaySent = 0
                buffers.reclaim(&exchanges[exchange].replay)
            }
        }
        return taken
    }

    private mutating func sink(
        _ exchange: Handle, _ bytes: borrowing ByteBuffer, offset: Int, count: Int, ends: Bool
    ) -> Int {
        let upstream = exchanges[exchange].upstream
        guard connections.contains(upstream) else { return 0 }
        let stream = exchanges[exchange].upstreamStream
        if stream != 0 { return sinkData(upstream, stream, exchange, bytes, offset: offset, count: count, ends: ends) }
        return sinkBytes(
            upstream, bytes, offset: offset, count: count, isChunked: exchanges[exchange].requestRelay == .chunked)
    }

    /// Writes DATA frames as far as windows and the output's bound allow.
    mutating func sinkData(
        _ target: Handle, _ stream: UInt32, _ exchange: Handle, _ bytes: borrowing ByteBuffer, offset: Int, count: Int,
        ends: Bool
    ) -> Int {
        let codec = connections[target].http2
        var taken = 0
        repeat {
            buffers.lend(&connections[target].output)
            let room = Self.outputBound &- connections[target].output.count
            if room < 1024, count > 0 {
                if connections[target].canWrite, flush(target) == .done { continue }
                markDirty(target)
                waitForOutput(exchange, target)
                return taken
            }
            let part = min(count &- taken, max(0, room &- 9))
            let isLast = taken &+ part == count
            let sent = http2[codec].sendData(
                stream: stream, from: bytes, offset: offset &+ taken, count: part, endsStream: ends && isLast,
                output: &connections[target].output)
            taken &+= sent
            if sent < part { break }
        } while taken < count
        markDirty(target)
        return taken
    }

    /// The exchange goes on when the output of `target` is gone. It may wait on both sides at once.
    mutating func waitForOutput(_ exchange: Handle, _ target: Handle) {
        if connections[target].role == .downstream {
            guard !exchanges[exchange].waitsForDownstream else { return }
            exchanges[exchange].waitsForDownstream = true
        } else {
            guard !exchanges[exchange].waitsForUpstream else { return }
            exchanges[exchange].waitsForUpstream = true
        }
        connections[target].waiting.append(exchange)
    }

    /// Writes payload to an HTTP/1.1 connection, as far as the output's bound allows.
    mutating func sinkBytes(
        _ target: Handle, _ bytes: borrowing ByteBuffer, offset: Int, count: Int, isChunked: Bool
    ) -> Int {
        var taken = 0
        while taken < count {
            buffers.lend(&connections[target].output)
            let room = Self.outputBound &- connections[target].output.count
            if room < 1024 {
                if connections[target].canWrite, flush(target) == .done { continue }
                break
            }
            let part = min(count &- taken, room &- 32)
            if isChunked {
                connections[target].output.append(hex: part)
                connections[target].output.append("\r\n")
            }
            connections[target].output.append(from: bytes, offset: offset &+ taken, count: part)
            if isChunked { connections[target].output.append("\r\n") }
            taken &+= part
        }
        markDirty(target)
        return taken
    }

    /// All of the request is handed over: its end follows.
    private mutating func endRequest(_ exchange: Handle) {
        let upstream = exchanges[exchange].upstream
        let stream = exchanges[exchange].upstreamStream
        buffers.lend(&connections[upstream].output)
        if exchanges[exchange].downstreamStream != 0 { _ = exchanges[exchange].requestBody.close() }
        if exchanges[exchange].isTunnel, stream == 0 {
            guard flush(upstream) != .blocked else { return }
            return endTunnelRequest(exchange)
        }
        if stream != 0 {
            let codec = connections[upstream].http2
            if exchanges[exchange].hasRequestTrailers {
                exchanges[exchange].writeTrailers(&http2[codec], &connections[upstream].output, ofRequest: true)
            } else if !http2[codec].hasEndedSending(stream: stream) {
                _ = http2[codec].sendData(
                    stream: stream, from: empty, offset: 0, count: 0, endsStream: true,
                    output: &connections[upstream].output)
            }
        } else if exchanges[exchange].requestRelay == .chunked {
            connections[upstream].output.append("0\r\n")
            exchanges[exchange].writeTrailers(to: &connections[upstream].output, ofRequest: true)
            connections[upstream].output.append("\r\n")
        }
        if exchanges[exchange].isTunnel { return endTunnelRequest(exchange) }
        markDirty(upstream)
        requestSent(exchange, upstream)
    }

    /// The client waits to be asked for the body.
    private mutating func sendStreamContinue(_ handle: Handle, _ exchange: Handle) {
        guard exchanges[exchange].requestHead.expectsContinue, !exchanges[exchange].sentContinue,
            exchanges[exchange].responseState == .none, !httpManager(exchange).passesInterimResponses
        else { return }
        exchanges[exchange].sentContinue = true
        let codec = connections[handle].http2
        buffers.lend(&connections[handle].output)
        if http2[codec].beginResponse(
            stream: exchanges[exchange].downstreamStream, status: 100, output: &connections[handle].output)
        {
            http2[codec].endHead(endsStream: false, output: &connections[handle].output)
        }
        markDirty(handle)
    }

    /// Something has made room for an exchange: it goes on in both directions.
    mutating func resumeExchange(_ exchange: Handle) {
        if exchanges[exchange].responseState == .body {
            if exchanges[exchange].isResponseQueued {
                drainResponse(exchange)
            } else if connections.contains(exchanges[exchange].upstream) {
                advanceResponse(exchanges[exchange].upstream)
            }
        }
        guard exchanges.contains(exchange), exchanges[exchange].requestState == .body else { return }
        advanceRequest(exchanges[exchange].downstream, exchange)
    }
}
