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

/// Answers that the proxy gives itself, and the end of exchanges.
extension Worker where Wire: ~Copyable {
    /// Answers a request with a plain text.
    mutating func reply(_ exchange: Handle, _ status: UInt16, _ text: StaticString, _ flags: ResponseFlags) {
        scratch.removeAll(keepingCapacity: true)
        // SAFETY: utf8Start of a literal is valid for its utf8CodeUnitCount bytes.
        scratch.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        writeReply(exchange, status, flags, location: false)
    }

    mutating func reply(_ exchange: Handle, _ status: UInt16, _ text: [UInt8], _ flags: ResponseFlags) {
        scratch.removeAll(keepingCapacity: true)
        scratch.append(contentsOf: text)
        writeReply(exchange, status, flags, location: false)
    }

    /// Answers with a text of the route table.
    mutating func reply(_ exchange: Handle, _ status: UInt16, _ table: RouteTable, _ text: PooledBytes) {
        scratch.removeAll(keepingCapacity: true)
        let bytes = table.bytes(text)
        for index in bytes.indices { scratch.append(bytes[index]) }
        writeReply(exchange, status, [], location: false)
    }

    /// Answers with a redirect to the location in `scratch`.
    mutating func replyRedirect(_ exchange: Handle, _ status: UInt16) {
        writeReply(exchange, status, [], location: true)
    }

    /// As `reply`, for requests that are on their way: the attempt is dropped; a response that has begun is cut off.
    mutating func fail(_ exchange: Handle, _ status: UInt16, _ text: StaticString, _ flags: ResponseFlags) {
        dropUpstream(exchange)
        if exchanges[exchange].responseState != .none {
            exchanges[exchange].flags.formUnion(flags)
            return cutOff(exchange)
        }
        reply(exchange, status, text, flags)
    }

    /// As `reply`, keeping the fields that stand in the response table already.
    mutating func replyKeepingFields(_ exchange: Handle, _ status: UInt16, _ text: [UInt8]) {
        scratch.removeAll(keepingCapacity: true)
        scratch.append(contentsOf: text)
        writeReply(exchange, status, [], location: false, keepsFields: true)
    }

    /// The bytes in `scratch` as body, or as location.
    private mutating func writeReply(
        _ exchange: Handle, _ status: UInt16, _ flags: ResponseFlags, location: Bool, keepsFields: Bool = false
    ) {
        let handle = exchanges[exchange].downstream
        if !exchanges[exchange].firstHedge.isNone { dropHedges(exchange) }
        exchanges[exchange].flags.formUnion(flags)
        exchanges[exchange].status = status
        exchanges[exchange].isLocalReply = true
        // Readers take what follows such a head for the next response.
        if status == 204 || status == 304 { scratch.removeAll(keepingCapacity: true) }
        skipBody(handle, exchange)
        if isDraining || connections[handle].isDraining || exchanges[exchange].upgrade != .none {
            exchanges[exchange].keepsAlive = false
        }
        // A head that could not be read says nothing of gRPC.
        let isGRPC = exchanges[exchange].requestState != .head && exchanges[exchange].isGRPCRequest
        composeReply(exchange, status, location: location, isGRPC: isGRPC, keepsFields: keepsFields)
        // Filters and the route change what they like, unless there was no request to look at.
        if exchanges[exchange].requestState != .head { filterResponse(exchange) }
        let hasBody = !location && !isGRPC && !scratch.isEmpty && !exchanges[exchange].isHead
        if exchanges[exchange].downstreamStream != 0 { return writeStreamReply(exchange, hasBody: hasBody) }
        writeReplyHead(exchange, handle, httpManager(exchange))
        if hasBody { appendScratch(handle) }
        exchanges[exchange].bytesSent = hasBody ? scratch.count : 0
        finishExchange(exchange)
    }

    /// Writes the reply's head into the client's output.
    private mutating func writeReplyHead(_ exchange: Handle, _ handle: Handle, _ manager: HTTPConnectionManager) {
        let status = exchanges[exchange].status
        buffers.lend(&connections[handle].output)
        let replacesServer = manager.serverHeader == .overwrite
        let hasServer = exchanges[exchange].response.first(.server) != nil
        exchanges[exchange].writeResponseHead(
            to: &connections[handle].output, skipping: replacesServer ? .server : .other)
        if exchanges[exchange].response.first(.date) == nil { appendDate(handle) }
        if replacesServer || !hasServer && manager.serverHeader == .appendIfAbsent {
            connections[handle].output.append("server: ")
            connections[handle].output.append(manager.serverName)
            connections[handle].output.append("\r\n")
        }
        if exchanges[exchange].response.first(.contentLength) == nil, status != 204, status != 304 {
            connections[handle].output.append("content-length: 0\r\n")
        }
        appendConnection(exchange, handle)
    }

    private mutating func appendScratch(_ handle: Handle) {
        var bytes: [UInt8] = []
        swap(&bytes, &scratch)
        connections[handle].output.append(bytes.span)
        swap(&bytes, &scratch)
    }

    /// The rest of a body nobody wants: dropped when it is here, otherwise the connection cannot go on.
    private mutating func skipBody(_ handle: Handle, _ exchange: Handle) {
        guard !exchanges[exchange].requestBody.isComplete, exchanges[exchange].downstreamStream == 0 else { return }
        if exchanges[exchange].requestState == .head {
            exchanges[exchange].keepsAlive = false
            return
        }
        let step = exchanges[exchange].scanRequestBody(&connections[handle].input, limits)
        connections[handle].input.consume(step.consumed)
        exchanges[exchange].bytesReceived = exchanges[exchange].requestBody.payloadBytes
        if step.error != nil || !exchanges[exchange].requestBody.isComplete
            || exchanges[exchange].requestHead.expectsContinue
        {
            exchanges[exchange].keepsAlive = false
        }
    }

    /// Refuses a head that is not HTTP.
    mutating func refuse(_ handle: Handle, _ exchange: Handle, _ error: MessageError) {
        metrics.http[httpStatistics(exchange)].protocolErrors &+= 1
        exchanges[exchange].request.reset()
        buffers.lend(&exchanges[exchange].arena)
        exchanges[exchange].details = error.detail
        exchanges[exchange].keepsAlive = false
        connections[handle].input.clear()
        reply(exchange, error.status, Self.reason(error.status), .downstreamProtocolError)
    }

    /// Refuses a body whose framing broke.
    mutating func refuseBody(_ exchange: Handle, _ error: MessageError) {
        metrics.http[httpStatistics(exchange)].protocolErrors &+= 1
        exchanges[exchange].details = error.detail
        exchanges[exchange].keepsAlive = false
        let handle = exchanges[exchange].downstream
        if exchanges[exchange].downstreamStream == 0 { connections[handle].input.clear() }
        fail(exchange, error.status, Self.reason(error.status), .downstreamProtocolError)
    }

    /// The answer when all attempts failed, as Envoy words it.
    mutating func replyToFailure(_ exchange: Handle, _ failure: AttemptFailure) {
        switch failure {
        case .connectFailure:
            exchanges[exchange].details = Self.connectDetails(exchanges[exchange].connectError)
            replyToReset(exchange, 503, "remote connection failure", .upstreamConnectionFailure)
        case .connectTimeout:
            exchanges[exchange].details = "upstream_reset_before_response_started{connection_timeout}"
            replyToReset(exchange, 503, "connection timeout", .upstreamConnectionFailure)
        case .transportFailure:
            exchanges[exchange].details = "upstream_reset_before_response_started{remote_connection_failure|TLS_error}"
            let reason = exchanges[exchange].transportFailure ?? "no certificate yet"
            exchanges[exchange].transportFailure = "TLS_error: \(reason)"
            // What failed is for the log: clients are not told what lies behind the proxy.
            replyToReset(exchange, 503, "remote connection failure", .upstreamConnectionFailure)
        case .connectionReset, .connectionTermination:
            exchanges[exchange].details = "upstream_reset_before_response_started{connection_termination}"
            replyToReset(exchange, 503, "connection termination", .upstreamConnectionTermination)
        case .streamReset:
            exchanges[exchange].details = "upstream_reset_before_response_started{remote_reset}"
            replyToReset(exchange, 503, "remote reset", .upstreamRemoteReset)
        case .streamRefused:
            exchanges[exchange].details = "upstream_reset_before_response_started{remote_refused_stream_reset}"
            replyToReset(exchange, 503, "remote refused stream reset", .upstreamRemoteReset)
        case .protocolError:
            exchanges[exchange].details = "upstream_reset_before_response_started{protocol_error}"
            replyToReset(exchange, 502, "protocol error", .upstreamProtocolError)
        case .perTryTimeout:
            exchanges[exchange].details = "upstream_per_try_timeout"
            reply(
                exchange, exchanges[exchange].answersTimeoutsWith204 ? 204 : 504, "upstream request timeout",
                .upstreamRequestTimeout)
        }
    }

    /// Envoy's words for an attempt that ended without a response.
    private mutating func replyToReset(
        _ exchange: Handle, _ status: UInt16, _ reason: StaticString, _ flags: ResponseFlags
    ) {
        let isRetried = exchanges[exchange].attempts > 1
        let words: StaticString = isRetried ? "retried and the latest reset reason: " : "reset reason: "
        let text = "upstream connect error or disconnect/reset before headers. \(words)\(reason)"
        reply(exchange, status, Array(text.utf8), flags)
    }

    /// The cause is for operators: clients are not told what lies behind the proxy.
    private static func connectDetails(_ error: Int32) -> StaticString {
        switch error {
        case 111:
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
        case 113:
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_No_route_to_host}"
        case 101:
            "upstream_reset_before_response_started{remote_connection_failure|immediate_connect_error:_Network_is_unreachable}"
        default: "upstream_reset_before_response_started{remote_connection_failure}"
        }
    }

    /// The endpoint failed in the middle of its response.
    mutating func abortResponse(_ exchange: Handle, _ failure: AttemptFailure) {
        switch failure {
        case .streamReset, .streamRefused:
            exchanges[exchange].details = "upstream_reset_after_response_started{remote_reset}"
            exchanges[exchange].flags.insert(.upstreamRemoteReset)
        case .protocolError:
            exchanges[exchange].details = "upstream_reset_after_response_started{protocol_error}"
            exchanges[exchange].flags.insert(.upstreamProtocolError)
        default:
            exchanges[exchange].details = "upstream_reset_after_response_started{connection_termination}"
            exchanges[exchange].flags.insert(.upstreamConnectionTermination)
        }
        cutOff(exchange)
    }

    /// The client must not take half a response for a whole one: its connection is reset.
    private mutating func cutOff(_ exchange: Handle) {
        let handle = exchanges[exchange].downstream
        exchanges[exchange].bytesSent = exchanges[exchange].responseBody.payloadBytes
        record(exchange)
        let stream = exchanges[exchange].downstreamStream
        freeExchange(exchange)
        if stream != 0 { return cutOffStream(handle, stream) }
        _ = flush(handle)
        close(handle, abort: true)
    }

    private mutating func cutOffStream(_ handle: Handle, _ stream: UInt32) {
        let codec = connections[handle].http2
        buffers.lend(&connections[handle].output)
        http2[codec].reset(stream: stream, .internalError, output: &connections[handle].output)
        markDirty(handle)
        streamEnded(handle)
    }

    // MARK: End

    /// The response is in the client's output: writes log and metrics, and lets the connection go on.
    mutating func finishExchange(_ exchange: Handle) {
        let handle = exchanges[exchange].downstream
        exchanges[exchange].responseState = .complete
        if exchanges[exchange].downstreamStream != 0 { return finishStream(handle, exchange) }
        let goesOn = exchanges[exchange].keepsAlive && exchanges[exchange].requestBody.isComplete
        let manager = httpManager(exchange)
        record(exchange)
        freeExchange(exchange)
        connections[handle].exchange = .none
        if goesOn {
            let idle = UInt64(manager.timeouts.idleMilliseconds)
            connections[handle].deadline = .max
            if idle > 0 { setDeadline(handle, now &+ idle) }
        } else {
            connections[handle].closesAfterFlush = true
            setDeadline(handle, now &+ 30_000)
        }
        let hasMore = connections[handle].hasInput() || !goesOn
        if !hasMore {
            // The common case: one request at a time. Nothing to take up but the output.
            if connections[handle].output.isEmpty, connections[handle].cipherOutput.isEmpty { return }
            if flush(handle) != .failed { return }
        }
        resumable.append(handle)
    }

    /// As `finishExchange`, for a stream: what the client still sends of its request is not wanted.
    private mutating func finishStream(_ handle: Handle, _ exchange: Handle) {
        let stream = exchanges[exchange].downstreamStream
        record(exchange)
        freeExchange(exchange)
        let codec = connections[handle].http2
        if http2[codec].token(stream: stream) != nil {
            // Also when both sides have ended it: bytes that nobody will take any more are given back.
            buffers.lend(&connections[handle].output)
            http2[codec].reset(stream: stream, .noError, output: &connections[handle].output)
        }
        markDirty(handle)
        streamEnded(handle)
    }

    /// Frees an exchange and everything it holds.
    mutating func freeExchange(_ exchange: Handle) {
        guard exchanges.contains(exchange) else { return }
        if !exchanges[exchange].firstHedge.isNone { dropHedges(exchange) }
        endAttempt(exchange)
        endFilters(exchange)
        let generation = exchanges[exchange].generation
        let cluster = exchanges[exchange].cluster
        if cluster >= 0 {
            if exchanges[exchange].isAdmitted {
                clusterBreaker(exchange)?.release(.request)
                metrics.clusters[generations[generation].clusters[cluster].statistics].activeRequests &-= 1
            }
            if exchanges[exchange].countsAsRetry { clusterBreaker(exchange)?.release(.retry) }
        }
        let downstream = exchanges[exchange].downstream
        if exchanges[exchange].downstreamStream != 0 {
            timers.cancel(exchanges[exchange].timer)
            if connections.contains(downstream) { connections[downstream].streamExchanges &-= 1 }
        } else if connections.contains(downstream) {
            connections[downstream].exchange = .none
        }
        buffers.reclaim(&exchanges[exchange].requestQueue)
        buffers.reclaim(&exchanges[exchange].responseQueue)
        buffers.reclaim(&exchanges[exchange].arena)
        buffers.reclaim(&exchanges[exchange].replay)
        exchanges.remove(exchange)
        releaseGeneration(generation)
    }

    // MARK: Texts

    /// Appends `date: …` (RFC 9110 section 5.6.7), made once a second.
    mutating func appendDate(_ handle: Handle) {
        refreshDate()
        connections[handle].output.append("date: ")
        let text = dateText
        connections[handle].output.append(text.span)
        connections[handle].output.append("\r\n")
    }

    mutating func refreshDate() {
        let second = transport.wallMicroseconds / 1_000_000
        guard second != dateSecond else { return }
        dateSecond = second
        HTTPDate.write(second, into: &dateText)
    }
}
