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

extension Worker where Wire: ~Copyable {
    /// Moves response bytes from the endpoint to the client, as far as both go along.
    mutating func advanceResponse(_ handle: Handle) {
        var rounds = 0
        while connections.contains(handle), connections[handle].phase == .http {
            rounds &+= 1
            if rounds > Self.roundsPerTurn { return resumeLater(handle) }
            let exchange = connections[handle].exchange
            guard exchanges.contains(exchange) else { return close(handle) }
            switch exchanges[exchange].responseState {
            case .complete: return
            case .none: guard readResponseHead(handle, exchange) else { return }
            case .body: guard relayBody(handle, exchange) else { return }
            }
        }
    }

    /// False: wait, or the attempt is over.
    private mutating func readResponseHead(_ handle: Handle, _ exchange: Handle) -> Bool {
        while true {
            if !connections[handle].input.isEmpty {
                let result = exchanges[exchange].parseResponse(&connections[handle].input, limits)
                switch result {
                case .complete(let head): return startResponse(handle, exchange, head)
                case .invalid:
                    upstreamFailed(handle, .protocolError)
                    return false
                case .incomplete:
                    if connections[handle].input.room == 0 {
                        connections[handle].input.compact()
                        connections[handle].input.reserve(4096)
                    }
                }
            }
            switch fill(handle) {
            case .bytes, .full: continue
            case .blocked:
                buffers.reclaimIfEmpty(&connections[handle].input)
                return false
            case .end, .failed:
                if !connections[handle].input.isEmpty {
                    // Half a head is no HTTP.
                    upstreamFailed(handle, .protocolError)
                } else {
                    upstreamFailed(handle, connections[handle].sawEnd ? .connectionTermination : .connectionReset)
                }
                return false
            }
        }
    }

    /// A response head is complete: a retry, or the beginning of the answer. False: wait, or the attempt is over.
    private mutating func startResponse(_ handle: Handle, _ exchange: Handle, _ head: MessageHead) -> Bool {
        let status = exchanges[exchange].response.status
        let isTunnel = agreesToUpgrade(exchange, status)
        if status < 200, !isTunnel {
            guard status != 101 else {
                // A switch of protocols that was not asked for.
                upstreamFailed(handle, .protocolError)
                return false
            }
            passInterim(handle, exchange, head)
            return true
        }
        exchanges[exchange].takeResponseHead(&connections[handle].input, length: head.length)
        exchanges[exchange].responseHead = head
        exchanges[exchange].responseBody = BodyDecoder(head.framing)
        return beginResponse(handle, exchange, isTunnel: isTunnel)
    }

    /// A final response's head is in the exchange: a retry, or the beginning of the answer. False: wait, or the attempt is
    /// over.
    mutating func beginResponse(_ handle: Handle, _ exchange: Handle, isTunnel: Bool) -> Bool {
        let status = exchanges[exchange].response.status
        reportResponse(exchange, status)
        if !exchanges[exchange].leader.isNone { return hedgeAnswered(handle, exchange, status) }
        if exchanges[exchange].retry != nil, !isTunnel, retryResponse(handle, exchange, status) { return false }
        if !exchanges[exchange].firstHedge.isNone { dropHedges(exchange) }
        return acceptResponse(handle, exchange, isTunnel: isTunnel)
    }

    /// The response is the answer. False: wait, or the attempt is over.
    mutating func acceptResponse(_ handle: Handle, _ exchange: Handle, isTunnel: Bool) -> Bool {
        let status = exchanges[exchange].response.status
        let elapsed = (transport.microseconds &- exchanges[exchange].upstreamSentAt) / 1000
        exchanges[exchange].upstreamServiceMilliseconds = Int(truncatingIfNeeded: elapsed)
        exchanges[exchange].tryDeadline = .max
        exchanges[exchange].tryIdleDeadline = .max
        exchanges[exchange].status = status
        exchanges[exchange].responseState = .body
        exchanges[exchange].details = "via_upstream"
        exchanges[exchange].upstreamAddress = connections[handle].remote
        exchanges[exchange].upstreamLocalAddress = connections[handle].local
        touch(exchange)
        if isTunnel {
            openTunnel(exchange)
        } else if exchanges[exchange].upgrade != .none {
            // What the client may have sent in the hope of a tunnel must not be read as requests.
            exchanges[exchange].keepsAlive = false
        }
        return prepareResponse(exchange)
    }

    /// Whether the policy wants another attempt instead of this response; then it has begun.
    private mutating func retryResponse(_ handle: Handle, _ exchange: Handle, _ status: UInt16) -> Bool {
        let outcome = outcome(of: exchange, status)
        if !retry(exchange, outcome, canRepeat: !exchanges[exchange].replayOverflowed) {
            // Earlier tries that go on may bring something better.
            guard !exchanges[exchange].firstHedge.isNone, exchanges[exchange].retry?.wants(outcome) == true else {
                return false
            }
            awaitHedges(exchange)
        }
        // The rest of the unwanted response is not worth reading unless it is here already.
        exchanges[exchange].requestState = .waiting
        discard(handle, exchange)
        return true
    }

    /// What the response in the exchange is to a retry policy.
    func outcome(of exchange: Handle, _ status: UInt16) -> AttemptOutcome {
        let field = exchanges[exchange].response.first(.grpcStatus)
        let grpc = field.flatMap { exchanges[exchange].decimal($0) } ?? -1
        return AttemptOutcome(
            .response, status: status, grpcStatus: Int16(clamping: grpc),
            isRateLimited: exchanges[exchange].response.first(.xEnvoyRatelimited) != nil,
            hasRetriableHeader: hasRetriableHeader(exchange))
    }

    private func hasRetriableHeader(_ exchange: Handle) -> Bool {
        guard exchanges[exchange].retry?.looksAtHeaders == true else { return false }
        let headers = generations[exchanges[exchange].generation].snapshot.retryHeaders
        let index = Int(exchanges[exchange].retryPolicy)
        return exchanges[exchange].hasRetriableField(index < headers.count ? headers[index] : nil)
    }

    /// Lets go of a connection whose response is not wanted.
    mutating func discard(_ handle: Handle, _ exchange: Handle) {
        if exchanges[exchange].upstreamStream != 0 { return endAttempt(exchange) }
        let step = exchanges[exchange].scanResponseBody(&connections[handle].input, limits)
        connections[handle].input.consume(step.consumed)
        let isWhole = exchanges[exchange].responseBody.isComplete && exchanges[exchange].requestBody.isComplete
        let isClean =
            isWhole && exchanges[exchange].responseHead.keepsAlive && connections[handle].input.isEmpty
            && exchanges[exchange].upgrade == .none && connections[handle].output.isEmpty
            && !connections[handle].peerClosed
        endAttempt(exchange)
        if isClean { makeIdle(handle) } else { close(handle) }
    }

    /// Changes the head as the route and the connection manager say, and writes it to the client's output. False: it has
    /// too many fields, the exchange is over.
    @inline(__always)
    private mutating func prepareResponse(_ exchange: Handle) -> Bool {
        let downstream = exchanges[exchange].downstream
        let manager = httpManager(exchange)
        removeResponseHopByHop(exchange)
        exchanges[exchange].response.removeAll(.xEnvoyDecoratorOperation)
        filterResponse(exchange)
        if exchanges[exchange].cookiePolicy != .max { setHashCookie(exchange) }
        if exchanges[exchange].returnsAttemptCount {
            exchanges[exchange].response.removeAll(.xEnvoyAttemptCount)
            exchanges[exchange].addResponseCount(.xEnvoyAttemptCount, Int(exchanges[exchange].attempts))
        }
        let elapsed = exchanges[exchange].upstreamServiceMilliseconds
        // While the request is still coming there is no telling how long the endpoint took.
        if !manager.suppressesEnvoyHeaders, exchanges[exchange].isRequestReceived, !exchanges[exchange].isTunnel {
            exchanges[exchange].addServiceTime(milliseconds: elapsed)
        }
        chooseRelay(exchange)
        if exchanges[exchange].response.hasOverflowed {
            // Without what did not fit it is another response.
            exchanges[exchange].responseState = .none
            exchanges[exchange].details = "http.too_many_fields"
            fail(exchange, 502, "", .upstreamProtocolError)
            return false
        }
        if isDraining || connections[downstream].isDraining { exchanges[exchange].keepsAlive = false }
        buffers.lend(&connections[downstream].output)
        writeResponseHead(exchange, downstream, manager)
        return true
    }

    /// How the body's end is made known to the client.
    @inline(__always)
    private mutating func chooseRelay(_ exchange: Handle) {
        let isOld = exchanges[exchange].request.version == .http10
        if exchanges[exchange].downstreamStream != 0 {
            exchanges[exchange].relay = .frames
            return
        }
        if exchanges[exchange].isTunnel {
            exchanges[exchange].relay = .asIs
            return
        }
        if exchanges[exchange].upstreamStream != 0 { return chooseStreamRelay(exchange) }
        switch exchanges[exchange].responseHead.framing {
        case .none, .length: exchanges[exchange].relay = .asIs
        case .chunked:
            exchanges[exchange].relay = isOld ? .bare : .asIs
            if isOld {
                exchanges[exchange].response.removeAll(.transferEncoding)
                exchanges[exchange].keepsAlive = false
            }
        case .untilClose:
            exchanges[exchange].relay = isOld ? .bare : .chunked
            if isOld { exchanges[exchange].keepsAlive = false }
        }
    }

    /// As `chooseRelay`, for a response that came on a stream.
    private mutating func chooseStreamRelay(_ exchange: Handle) {
        let status = exchanges[exchange].response.status
        exchanges[exchange].response.removeAll(.transferEncoding)
        let hasNone = exchanges[exchange].isHead || status < 200 || status == 204 || status == 304
        if hasNone || exchanges[exchange].response.first(.contentLength) != nil {
            exchanges[exchange].relay = .asIs
        } else if exchanges[exchange].responseEnded, exchanges[exchange].responseQueue.isEmpty {
            exchanges[exchange].relay = .asIs
            exchanges[exchange].addResponseField(.contentLength, "0")
        } else if exchanges[exchange].request.version == .http10 {
            exchanges[exchange].relay = .bare
            exchanges[exchange].keepsAlive = false
        } else {
            exchanges[exchange].relay = .chunked
        }
    }

    @inline(__always)
    private mutating func writeResponseHead(_ exchange: Handle, _ handle: Handle, _ manager: HTTPConnectionManager) {
        if exchanges[exchange].downstreamStream != 0 { return writeStreamHead(exchange, handle, manager) }
        let hasServer = exchanges[exchange].response.first(.server) != nil
        let replacesServer = manager.serverHeader == .overwrite
        exchanges[exchange].writeResponseHead(
            to: &connections[handle].output, skipping: replacesServer ? .server : .other)
        if replacesServer || !hasServer && manager.serverHeader == .appendIfAbsent {
            connections[handle].output.append("server: ")
            connections[handle].output.append(manager.serverName)
            connections[handle].output.append("\r\n")
        }
        if exchanges[exchange].response.first(.date) == nil { appendDate(handle) }
        if exchanges[exchange].relay == .chunked { connections[handle].output.append("transfer-encoding: chunked\r\n") }
        if manager.setsRequestIDInResponse || exchanges[exchange].tellsRequestID,
            exchanges[exchange].response.first(.xRequestID) == nil
        {
            connections[handle].output.append("x-request-id: ")
            exchanges[exchange].writeRequestID(to: &connections[handle].output)
            connections[handle].output.append("\r\n")
        }
        appendConnection(exchange, handle)
    }

    /// The end of a response head: what the client is told about its connection.
    @inline(__always)
    mutating func appendConnection(_ exchange: Handle, _ handle: Handle) {
        if exchanges[exchange].isTunnel {
            connections[handle].output.append("\r\n")
        } else if !exchanges[exchange].keepsAlive {
            connections[handle].output.append("connection: close\r\n\r\n")
        } else if exchanges[exchange].request.version == .http10 {
            connections[handle].output.append("connection: keep-alive\r\n\r\n")
        } else {
            connections[handle].output.append("\r\n")
        }
    }

    // MARK: Body

    /// One stretch of body. False: wait, or the exchange is over.
    @inline(__always)
    private mutating func relayBody(_ handle: Handle, _ exchange: Handle) -> Bool {
        let downstream = exchanges[exchange].downstream
        if exchanges[exchange].responseBody.isComplete {
            if exchanges[exchange].relay == .frames, !sinkResponseQueue(exchange) { return false }
            finishResponse(handle, exchange)
            return false
        }
        // Back-pressure: while the client has not taken what there is, nothing more is read.
        if exchanges[exchange].relay == .frames {
            guard exchanges[exchange].responseQueue.isEmpty || sinkResponseQueue(exchange) else { return false }
        } else if !connections[downstream].canWrite {
            if !connections[downstream].output.isEmpty || !connections[downstream].cipherOutput.isEmpty { return false }
        }
        if connections[handle].input.isEmpty {
            switch fill(handle) {
            case .bytes, .full: touch(exchange)
            case .blocked:
                buffers.reclaimIfEmpty(&connections[handle].input)
                if exchanges[exchange].relay == .frames {
                    markDirty(downstream)
                } else if flush(downstream) == .failed {
                    abandonDownstream(downstream)
                }
                return false
            case .end, .failed: return endOfUpstream(handle, exchange)
            }
        }
        switch forwardStretch(handle, exchange, downstream) {
        case .done: return true
        case .blocked:
            // All that was there is on its way; when that was the end, the exchange is over for its upstream side.
            if exchanges[exchange].responseBody.isComplete, exchanges[exchange].responseQueue.isEmpty {
                finishResponse(handle, exchange)
            }
            return false
        case .failed: return false
        }
    }

    /// Forwards what is in the input. On failure the exchange is gone.
    @inline(__always)
    private mutating func forwardStretch(_ handle: Handle, _ exchange: Handle, _ downstream: Handle) -> FlushResult {
        if exchanges[exchange].relay == .frames { return frameBody(handle, exchange) }
        if exchanges[exchange].relay != .asIs { return reframe(handle, exchange, downstream) }
        let step = exchanges[exchange].scanResponseBody(&connections[handle].input, limits)
        if step.error != nil {
            upstreamFailed(handle, .protocolError)
            return .failed
        }
        if step.consumed == 0 {
            // Half a framing line: more is needed behind it.
            connections[handle].input.compact()
            switch fill(handle) {
            case .bytes: return .done
            case .full, .blocked: return .blocked
            case .end, .failed:
                _ = endOfUpstream(handle, exchange)
                return .failed
            }
        }
        let result = relay(downstream, from: handle, count: step.consumed)
        if result == .failed { abandonDownstream(downstream) }
        return result
    }

    /// Takes the payload out of its framing and puts it into chunks, or sends it bare.
    private mutating func reframe(_ handle: Handle, _ exchange: Handle, _ downstream: Handle) -> FlushResult {
        buffers.lend(&connections[downstream].output)
        let isChunked = exchanges[exchange].relay == .chunked
        while !connections[handle].input.isEmpty, !exchanges[exchange].responseBody.isComplete {
            let step = exchanges[exchange].nextResponsePiece(&connections[handle].input, limits)
            if step.error != nil {
                upstreamFailed(handle, .protocolError)
                return .failed
            }
            if step.needsMore { break }
            let count = step.payload.count
            connections[handle].input.skip(step.consumed &- count)
            if count > 0 {
                if isChunked {
                    connections[downstream].output.append(hex: count)
                    connections[downstream].output.append("\r\n")
                }
                moveInput(of: handle, toOutputOf: downstream, count: count)
                if isChunked { connections[downstream].output.append("\r\n") }
            }
        }
        if connections[handle].input.isEmpty {
            connections[handle].input.clear()
        } else {
            connections[handle].input.compact()
        }
        let result = flush(downstream)
        if result == .failed { abandonDownstream(downstream) }
        return result
    }

    /// The endpoint closed: the body's end, or a broken response. Always false.
    private mutating func endOfUpstream(_ handle: Handle, _ exchange: Handle) -> Bool {
        guard connections[handle].sawEnd, exchanges[exchange].responseBody.close() else {
            // A body shorter than its head said is a breach of the protocol, as for Envoy.
            upstreamFailed(handle, .protocolError)
            return false
        }
        finishResponse(handle, exchange)
        return false
    }

    /// The response is complete.
    private mutating func finishResponse(_ handle: Handle, _ exchange: Handle) {
        if exchanges[exchange].isTunnel { return endTunnelResponse(exchange) }
        let downstream = exchanges[exchange].downstream
        if exchanges[exchange].relay == .chunked {
            buffers.lend(&connections[downstream].output)
            connections[downstream].output.append("0\r\n\r\n")
        } else if exchanges[exchange].relay == .frames {
            endResponse(exchange)
        }
        exchanges[exchange].bytesSent = exchanges[exchange].responseBody.payloadBytes
        let wasSent = exchanges[exchange].requestState == .sent
        let isReusable =
            wasSent && exchanges[exchange].responseHead.keepsAlive && connections[handle].input.isEmpty
            && exchanges[exchange].upgrade == .none && !connections[handle].peerClosed && !connections[handle].sawEnd
            && connections[handle].output.isEmpty && connections[handle].cipherOutput.isEmpty
        endAttempt(exchange)
        if isReusable {
            buffers.reclaim(&connections[handle].output)
            makeIdle(handle)
        } else {
            close(handle)
        }
        finishExchange(exchange)
    }
}
