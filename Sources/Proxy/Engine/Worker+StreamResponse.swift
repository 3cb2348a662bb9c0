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

/// Responses of which one side is HTTP/2: heads, bodies by way of a bounded buffer, trailers and ends.
extension Worker where Wire: ~Copyable {
    // MARK: From the endpoint

    /// A response head on an upstream stream.
    mutating func receiveResponseHead(_ handle: Handle, _ exchange: Handle) {
        let codec = connections[handle].http2
        let mark = exchanges[exchange].arena.end
        let result = exchanges[exchange].receiveResponse(&http2[codec], &connections[handle], token: exchange.bits)
        switch result {
        case .complete(let head):
            switch head.kind {
            case .interim:
                passStreamInterim(exchange)
                exchanges[exchange].forgetInterim(mark)
            case .response: startStreamResponse(handle, exchange, head)
            case .request, .trailers: break
            }
        case .malformed, .tooLarge:
            exchanges[exchange].upstreamAddress = connections[handle].remote
            attemptFailed(exchange, .protocolError)
        case .failed: connectionLost(handle, .protocolError)
        }
    }

    private mutating func startStreamResponse(_ handle: Handle, _ exchange: Handle, _ head: HTTP2Head) {
        let phrase = connections[handle].restoresSpelling ? exchanges[exchange].restoreSpelling(ofRequest: false) : nil
        let isTunnel = agreesToUpgrade(exchange, exchanges[exchange].response.status)
        if isTunnel, exchanges[exchange].upgrade == .switchProtocols { exchanges[exchange].sayProtocolsSwitch() }
        var message = MessageHead()
        message.framing = head.endsStream ? .none : .untilClose
        exchanges[exchange].responseHead = message
        exchanges[exchange].responseBody = BodyDecoder(message.framing)
        exchanges[exchange].responseEnded = head.endsStream
        exchanges[exchange].isResponseQueued = true
        if let phrase {
            exchanges[exchange].response.method = phrase
        } else if exchanges[exchange].downstreamStream == 0 {
            exchanges[exchange].setReason(Self.reason(exchanges[exchange].response.status))
        }
        guard beginResponse(handle, exchange, isTunnel: isTunnel) else { return }
        // What comes of the body goes the same way; only the end may be here already.
        guard exchanges.contains(exchange) else { return }
        // The head does not wait for a body that may be long in coming.
        markDirty(exchanges[exchange].downstream)
        drainResponse(exchange)
    }

    /// Passes a 1xx response on (`proxy_100_continue`), or swallows it.
    mutating func passStreamInterim(_ exchange: Handle) {
        guard httpManager(exchange).passesInterimResponses, exchanges[exchange].request.version != .http10,
            exchanges[exchange].leader.isNone
        else { return }
        exchanges[exchange].removeResponseHopByHop()
        let downstream = exchanges[exchange].downstream
        // They are hints: a client that does not read need not get all of them.
        if connections[downstream].output.count > Self.outputBound { return markDirty(downstream) }
        buffers.lend(&connections[downstream].output)
        if exchanges[exchange].downstreamStream != 0 {
            let codec = connections[downstream].http2
            if exchanges[exchange].beginResponse(&http2[codec], &connections[downstream].output) {
                http2[codec].endHead(endsStream: false, output: &connections[downstream].output)
            }
        } else {
            if exchanges[exchange].response.method.isEmpty {
                exchanges[exchange].setReason(Self.reason(exchanges[exchange].response.status))
            }
            exchanges[exchange].writeResponseHead(to: &connections[downstream].output, skipping: .other)
            connections[downstream].output.append("\r\n")
        }
        markDirty(downstream)
    }

    /// Body bytes of a response, in the upstream connection's input.
    mutating func receiveResponseData(_ handle: Handle, _ exchange: Handle, _ payload: ByteRange, endsStream: Bool) {
        if endsStream { exchanges[exchange].responseEnded = true }
        var taken = 0
        if exchanges[exchange].responseState == .body, exchanges[exchange].responseQueue.isEmpty {
            var bytes = ByteBuffer()
            swap(&bytes, &connections[handle].input)
            taken = sinkResponse(
                exchange, bytes, offset: payload.lowerBound, count: payload.count, ends: endsStream)
            swap(&bytes, &connections[handle].input)
        }
        if taken < payload.count {
            queue(handle, payload.dropping(taken), behind: exchange, isRequest: false)
        }
        giveBack(handle, exchanges[exchange].upstreamStream, taken)
        if endsStream { drainResponse(exchange) }
    }

    // MARK: To the client

    /// Response bytes that wait in the exchange go to the client as far as it takes them; with the last of them the
    /// response ends.
    mutating func drainResponse(_ exchange: Handle) {
        guard exchanges[exchange].responseState == .body else { return }
        guard sinkResponseQueue(exchange) else { return }
        guard exchanges[exchange].responseEnded else { return }
        exchanges[exchange].closeResponseBody()
        if exchanges[exchange].isTunnel { return endTunnelResponse(exchange) }
        endResponse(exchange)
        exchanges[exchange].bytesSent = exchanges[exchange].responseBody.payloadBytes
        endAttempt(exchange)
        finishExchange(exchange)
    }

    /// True when nothing waits any more.
    mutating func sinkResponseQueue(_ exchange: Handle) -> Bool {
        guard !exchanges[exchange].responseQueue.isEmpty else { return true }
        var bytes = ByteBuffer()
        swap(&bytes, &exchanges[exchange].responseQueue)
        let count = bytes.count
        let ends = exchanges[exchange].responseEnded
        let taken = sinkResponse(exchange, bytes, offset: bytes.start, count: count, ends: ends)
        bytes.consume(taken)
        if !bytes.isEmpty, bytes.start > 1 << 16 { bytes.compact() }
        swap(&bytes, &exchanges[exchange].responseQueue)
        if exchanges[exchange].responseQueue.isEmpty { buffers.reclaim(&exchanges[exchange].responseQueue) }
        if exchanges[exchange].upstreamStream != 0 {
            giveBack(exchanges[exchange].upstream, exchanges[exchange].upstreamStream, taken)
        }
        return taken == count
    }

    /// Hands response payload to the client's connection. Returns how much it took.
    private mutating func sinkResponse(
        _ exchange: Handle, _ bytes: borrowing ByteBuffer, offset: Int, count: Int, ends: Bool
    ) -> Int {
        let downstream = exchanges[exchange].downstream
        let stream = exchanges[exchange].downstreamStream
        if exchanges[exchange].isHead, stream == 0 { return count }
        var taken: Int
        if stream != 0 {
            let isLast = ends && !exchanges[exchange].hasResponseTrailers && !exchanges[exchange].isTunnel
            taken = sinkData(downstream, stream, exchange, bytes, offset: offset, count: count, ends: isLast)
        } else {
            taken = sinkBytes(
                downstream, bytes, offset: offset, count: count, isChunked: exchanges[exchange].relay == .chunked)
        }
        if exchanges[exchange].upstreamStream != 0 || exchanges[exchange].isLocalReply {
            exchanges[exchange].responseBody.count(taken)
        }
        return taken
    }

    /// One stretch of an HTTP/1.1 response for an HTTP/2 client. False: wait, or the exchange is over.
    mutating func frameBody(_ handle: Handle, _ exchange: Handle) -> FlushResult {
        guard sinkResponseQueue(exchange) else { return .blocked }
        var bytes = ByteBuffer()
        swap(&bytes, &connections[handle].input)
        let step = exchanges[exchange].nextResponsePiece(&bytes, limits)
        let count = step.payload.count
        if count > 0 {
            let ends = exchanges[exchange].responseBody.isComplete
            let taken = sinkResponse(exchange, bytes, offset: step.payload.lowerBound, count: count, ends: ends)
            if taken < count {
                buffers.lend(&exchanges[exchange].responseQueue)
                exchanges[exchange].responseQueue.append(
                    from: bytes, offset: step.payload.lowerBound &+ taken, count: count &- taken)
                buffers.recount(&exchanges[exchange].responseQueue)
            }
        } else if step.isTrailer {
            exchanges[exchange].addTrailer(bytes, offset: bytes.start, count: step.consumed, ofRequest: false)
        }
        bytes.consume(step.consumed)
        swap(&bytes, &connections[handle].input)
        if step.error != nil {
            upstreamFailed(handle, .protocolError)
            return .failed
        }
        if step.needsMore {
            connections[handle].input.compact()
            switch fill(handle) {
            case .bytes: return .done
            case .full, .blocked: return .blocked
            case .end, .failed:
                upstreamFailed(handle, connections[handle].sawEnd ? .connectionTermination : .connectionReset)
                return .failed
            }
        }
        return exchanges[exchange].responseQueue.isEmpty ? .done : .blocked
    }

    /// The body's end goes to the client, with trailers where there are any.
    mutating func endResponse(_ exchange: Handle) {
        let downstream = exchanges[exchange].downstream
        let stream = exchanges[exchange].downstreamStream
        buffers.lend(&connections[downstream].output)
        guard stream != 0 else {
            if exchanges[exchange].relay == .chunked, !exchanges[exchange].isHead {
                connections[downstream].output.append("0\r\n")
                exchanges[exchange].writeTrailers(to: &connections[downstream].output, ofRequest: false)
                connections[downstream].output.append("\r\n")
            }
            return
        }
        let codec = connections[downstream].http2
        if !http2[codec].hasEndedSending(stream: stream) {
            if exchanges[exchange].hasResponseTrailers {
                exchanges[exchange].writeTrailers(&http2[codec], &connections[downstream].output, ofRequest: false)
            } else {
                _ = http2[codec].sendData(
                    stream: stream, from: empty, offset: 0, count: 0, endsStream: true,
                    output: &connections[downstream].output)
            }
        }
        markDirty(downstream)
    }

    /// The response's head for an HTTP/2 client.
    mutating func writeStreamHead(_ exchange: Handle, _ handle: Handle, _ manager: HTTPConnectionManager) {
        let codec = connections[handle].http2
        let stream = exchanges[exchange].downstreamStream
        let replacesServer = manager.serverHeader == .overwrite
        if replacesServer { exchanges[exchange].response.removeAll(.server) }
        let hasServer = exchanges[exchange].response.first(.server) != nil
        let hasDate = exchanges[exchange].response.first(.date) != nil
        if exchanges[exchange].isTunnel, exchanges[exchange].response.status == 101 {
            exchanges[exchange].response.status = 200
        }
        guard exchanges[exchange].beginResponse(&http2[codec], &connections[handle].output) else { return }
        if connections[handle].restoresSpelling, exchanges[exchange].upstreamStream == 0,
            !exchanges[exchange].isLocalReply
        {
            let reason = Self.reason(exchanges[exchange].response.status)
            exchanges[exchange].writeSpelling(
                ofRequest: false, usualReason: reason, &http2[codec], &connections[handle].output, &formatted)
        }
        let isOwn = exchanges[exchange].isLocalReply || manager.serverHeader == .appendIfAbsent
        if replacesServer || !hasServer && isOwn {
            let name = manager.serverName
            http2[codec].addField(.server, name.span, output: &connections[handle].output)
        }
        if !hasDate { addStreamDate(handle, codec) }
        if manager.setsRequestIDInResponse || exchanges[exchange].tellsRequestID,
            exchanges[exchange].response.first(.xRequestID) == nil
        {
            exchanges[exchange].addRequestID(to: &http2[codec], &connections[handle].output)
        }
        let ends =
            exchanges[exchange].responseBody.isComplete && !exchanges[exchange].isTunnel
            && !exchanges[exchange].isResponseQueued
            || exchanges[exchange].isResponseQueued && exchanges[exchange].responseEnded
                && exchanges[exchange].responseQueue.isEmpty && !exchanges[exchange].isTunnel
        http2[codec].endHead(
            endsStream: ends && !http2[codec].hasEndedSending(stream: stream), output: &connections[handle].output)
        markDirty(handle)
    }

    mutating func addStreamDate(_ handle: Handle, _ codec: Handle) {
        refreshDate()
        let text = dateText
        http2[codec].addField(.date, text.span, output: &connections[handle].output)
    }

    // MARK: Local replies

    /// An answer of the proxy's own to an HTTP/2 client: its head is in the exchange, its body in `scratch`.
    mutating func writeStreamReply(_ exchange: Handle, hasBody: Bool) {
        let handle = exchanges[exchange].downstream
        exchanges[exchange].isResponseQueued = true
        exchanges[exchange].responseEnded = true
        exchanges[exchange].responseState = .body
        exchanges[exchange].responseBody = BodyDecoder(.untilClose)
        if hasBody {
            var text: [UInt8] = []
            swap(&text, &scratch)
            buffers.lend(&exchanges[exchange].responseQueue)
            exchanges[exchange].responseQueue.append(text.span)
            swap(&text, &scratch)
        }
        buffers.lend(&connections[handle].output)
        writeStreamHead(exchange, handle, httpManager(exchange))
        drainResponse(exchange)
        guard exchanges.contains(exchange) else { return }
        // The client has no room for it: that must not last for ever, whatever times the route has.
        let idle = exchanges[exchange].idleTimeoutMilliseconds
        exchanges[exchange].routeDeadline = .max
        exchanges[exchange].tryDeadline = .max
        exchanges[exchange].tryIdleDeadline = .max
        exchanges[exchange].requestDeadline = .max
        exchanges[exchange].idleDeadline = now &+ (idle > 0 ? idle : Self.replyMilliseconds)
        armExchange(exchange)
    }

    /// How long an answer of the proxy's own waits for a client that takes none of it.
    private static var replyMilliseconds: UInt64 { 300_000 }
}

extension Exchange {
    mutating func addRequestID(to codec: inout HTTP2Connection, _ output: inout ByteBuffer) {
        codec.addField(
            .xRequestID, arena.storage.extracting(requestID.lowerBound..<requestID.upperBound), output: &output)
    }

    /// An interim response was passed on: its bytes, behind `mark`, are of no more use.
    mutating func forgetInterim(_ mark: Int) {
        response.reset()
        arena.truncate(to: mark)
    }

    /// How many fields the request has.
    var requestFieldCount: Int {
        var count = 0
        var index = 0
        while index < request.count {
            if !request[index].isRemoved { count &+= 1 }
            index &+= 1
        }
        return count
    }

    /// The end of a response that came without HTTP/1.1 framing.
    mutating func closeResponseBody() { _ = responseBody.close() }

    /// The reason phrase of a response that came without one.
    mutating func setReason(_ text: StaticString) {
        let start = arena.end
        arena.append(text)
        response.method = ByteRange(start: start, length: text.utf8CodeUnitCount)
    }

    /// A 2xx answer to an extended CONNECT, as HTTP/1.1 says it.
    mutating func sayProtocolsSwitch() {
        response.status = 101
        addResponseField(.connection, "upgrade")
        if let name = request.first(.upgrade) { addResponseField(.upgrade, copying: name) }
        addWebSocketAccept()
    }
}
