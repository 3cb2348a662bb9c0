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

/// Streams on connections to endpoints: which connection takes a request, how it begins, and how room is shared.
extension Worker where Wire: ~Copyable {
    /// A connection to an endpoint is ready: whether HTTP/2 is spoken on it.
    func speaksHTTP2(_ handle: Handle) -> Bool {
        switch pools[connections[handle].pool].key.upstream {
        case .http2: true
        case .auto: connections[handle].isTLS && connections[handle].agreedOnHTTP2
        case .http1, .downstream: false
        }
    }

    /// Begins HTTP/2 on a new connection; requests that wait for it follow.
    mutating func startUpstreamHTTP2(_ handle: Handle) {
        let pool = connections[handle].pool
        let exchange = connections[handle].exchange
        connections[handle].exchange = .none
        connections[handle].phase = .http
        startHTTP2(handle, .client, pools[pool].http2)
        if exchanges.contains(exchange) { sendStreamRequest(exchange, handle) }
        if connections.contains(handle) { share(handle) }
        // Those for whom it has no room need not wait for its streams to end.
        if pools[pool].opening == 0 { wakeQueued(pool) }
    }

    /// Whether the endpoint and our own configuration (`max_concurrent_streams`) allow another stream.
    @inline(__always)
    private func hasRoom(_ handle: Handle, _ codec: Handle) -> Bool {
        http2[codec].canOpenStream
            && http2[codec].streamCount < pools[connections[handle].pool].http2.settings.maxConcurrentStreams
    }

    /// A connection of the pool with room for another stream.
    @inline(__always)
    mutating func takeShared(_ pool: Int) -> Handle? {
        while !pools[pool].shared.isNone {
            let handle = pools[pool].shared
            let codec = connections[handle].http2
            if hasRoom(handle, codec), !connections[handle].peerClosed { return handle }
            unshare(handle)
        }
        return nil
    }

    /// Puts a connection with room where requests find it, and lets those that wait try it.
    mutating func share(_ handle: Handle) {
        guard connections[handle].isHTTP2, connections[handle].phase == .http, !connections[handle].retires else {
            return
        }
        let codec = connections[handle].http2
        guard hasRoom(handle, codec) else { return }
        let pool = connections[handle].pool
        if !connections[handle].isShared {
            let head = pools[pool].shared
            connections[handle].isShared = true
            connections[handle].previousIdle = .none
            connections[handle].nextIdle = head
            if !head.isNone { connections[head].previousIdle = handle }
            pools[pool].shared = handle
        }
        var room =
            min(http2[codec].peer.maxConcurrentStreams, pools[pool].http2.settings.maxConcurrentStreams)
            &- http2[codec].streamCount
        while room > 0, let exchange = popQueued(pool) {
            room &-= 1
            tryAgain(exchange)
        }
    }

    /// An exchange that waited in a pool's queue starts its attempt over.
    mutating func tryAgain(_ exchange: Handle) {
        let wasPending = exchanges[exchange].isPending
        endAttempt(exchange)
        exchanges[exchange].wasPending = wasPending
        exchanges[exchange].attempts &-= 1
        wake(exchange)
    }

    /// The exchange goes on behind the present step.
    mutating func wake(_ exchange: Handle) {
        exchanges[exchange].isWoken = true
        retryable.append(exchange)
    }

    /// An exchange that was woken: another attempt, or the end of this one.
    mutating func goOn(_ exchange: Handle) {
        exchanges[exchange].isWoken = false
        if let failure = exchanges[exchange].wakeFailure {
            exchanges[exchange].wakeFailure = nil
            return attemptFailed(exchange, failure)
        }
        startAttempt(exchange)
    }

    /// Nobody else will wake those that wait for a connection of this pool. With `failure`, what they waited for cannot be
    /// opened: as with Envoy, that is their failure too, or each would wait for a timeout of its own.
    mutating func wakeQueued(_ pool: Int, failure: AttemptFailure? = nil) {
        while let exchange = popQueued(pool) {
            guard let failure else {
                tryAgain(exchange)
                continue
            }
            exchanges[exchange].wakeFailure = failure
            wake(exchange)
        }
    }

    mutating func unshare(_ handle: Handle) {
        guard connections[handle].isShared else { return }
        connections[handle].isShared = false
        let pool = connections[handle].pool
        let next = connections[handle].nextIdle
        let previous = connections[handle].previousIdle
        if !next.isNone { connections[next].previousIdle = previous }
        if previous.isNone { pools[pool].shared = next } else { connections[previous].nextIdle = next }
        connections[handle].nextIdle = .none
        connections[handle].previousIdle = .none
    }

    /// No new streams on this connection; it is closed when the last one ends.
    mutating func retire(_ handle: Handle) {
        unshare(handle)
        connections[handle].retires = true
        let codec = connections[handle].http2
        if http2[codec].streamCount == 0 {
            connections[handle].closesAfterFlush = true
            markDirty(handle)
        }
        let pool = connections[handle].pool
        if pool >= 0, pools[pool].opening == 0, pools[pool].shared.isNone { wakeQueued(pool) }
    }

    // MARK: Requests

    /// Opens a stream for the exchange: writes the head, and as much of the body as there is.
    mutating func sendStreamRequest(_ exchange: Handle, _ handle: Handle) {
        let codec = connections[handle].http2
        let cluster = exchanges[exchange].cluster
        let generation = exchanges[exchange].generation
        exchanges[exchange].upstream = .none
        if exchanges[exchange].upgrade == .switchProtocols, !mayExtendConnect(exchange, handle, codec) { return }
        if exchanges[exchange].request.hasOverflowed { return refuseOverflow(exchange) }
        guard let stream = http2[codec].openStream(token: exchange.bits) else {
            unshare(handle)
            return tryAgain(exchange)
        }
        endPending(exchange)
        exchanges[exchange].upstream = handle
        exchanges[exchange].upstreamStream = stream
        exchanges[exchange].upstreamAddress = connections[handle].remote
        connections[handle].requests &+= 1
        connections[handle].deadline = .max
        buffers.lend(&connections[handle].output)
        if exchanges[exchange].rewritesHostToEndpoint { setEndpointHost(exchange, generation, cluster) }
        var protocolName = ByteRange.empty
        if exchanges[exchange].upgrade == .switchProtocols {
            protocolName = exchanges[exchange].request.first(.upgrade) ?? .empty
        }
        let attempts = exchanges[exchange].sendsAttemptCount ? exchanges[exchange].attempts : 0
        if exchanges[exchange].beginRequest(
            &http2[codec], &connections[handle].output, protocolName: protocolName)
        {
            if connections[handle].restoresSpelling, exchanges[exchange].downstreamStream == 0 {
                exchanges[exchange].writeSpelling(
                    ofRequest: true, &http2[codec], &connections[handle].output, &formatted)
            }
            if attempts > 0 {
                http2[codec].addField(
                    .xEnvoyAttemptCount, decimal: Int(attempts), output: &connections[handle].output)
            }
            let ends = hasNoRequestBody(exchange)
            http2[codec].endHead(endsStream: ends, output: &connections[handle].output)
        }
        if isSpent(handle, connections[handle].pool) {
            unshare(handle)
            connections[handle].retires = true
        } else if !hasRoom(handle, codec) {
            unshare(handle)
        }
        exchanges[exchange].requestState = .body
        exchanges[exchange].upstreamSentAt = transport.microseconds
        markDirty(handle)
        if connections[handle].output.count > Self.outputBound { _ = flush(handle) }
        advanceRequest(exchanges[exchange].downstream, exchange)
    }

    /// Whether the endpoint takes extended CONNECT (RFC 8441), which is how HTTP/2 says `Upgrade`. False: the exchange waits
    /// for the endpoint to say so, or is over.
    private mutating func mayExtendConnect(_ exchange: Handle, _ handle: Handle, _ codec: Handle) -> Bool {
        if http2[codec].peer.enableConnectProtocol { return true }
        let pool = connections[handle].pool
        if !http2[codec].sawSettings {
            // Its settings wake the pool's queue.
            if exchanges[exchange].isPending || becomePending(exchange, pool) {
                enqueue(exchange, pool)
                return false
            }
        }
        exchanges[exchange].details = "upstream_does_not_take_extended_connect"
        fail(exchange, 503, "upgrade not supported by upstream", .upstreamProtocolError)
        return false
    }

    /// Nothing follows the request's head.
    func hasNoRequestBody(_ exchange: Handle) -> Bool {
        guard exchanges[exchange].upgrade == .none, exchanges[exchange].replay.isEmpty,
            exchanges[exchange].requestQueue.isEmpty, !exchanges[exchange].hasRequestTrailers
        else { return false }
        return exchanges[exchange].downstreamStream != 0
            ? exchanges[exchange].requestEnded : exchanges[exchange].requestBody.isComplete
    }

    /// The exchange has done with its upstream stream.
    mutating func leaveStream(_ handle: Handle, _ stream: UInt32) {
        let codec = connections[handle].http2
        if http2[codec].token(stream: stream) != nil {
            // Also when both sides have ended it: bytes that nobody will take any more are given back.
            buffers.lend(&connections[handle].output)
            http2[codec].reset(stream: stream, .cancel, output: &connections[handle].output)
            markDirty(handle)
        }
        let pool = connections[handle].pool
        guard pool >= 0 else { return }
        if pools[pool].references == 0, !pools[pool].isOnDemand { connections[handle].retires = true }
        if connections[handle].retires {
            unshare(handle)
            if http2[codec].streamCount == 0 {
                connections[handle].closesAfterFlush = true
                markDirty(handle)
            }
            return
        }
        share(handle)
        if http2[codec].streamCount == 0 {
            let timeout = pools[pool].idleTimeoutMilliseconds
            setDeadline(handle, timeout == 0 ? .max : now &+ timeout)
        }
    }

    /// The endpoint has not looked at the request: it goes elsewhere, whatever its method.
    mutating func streamRefused(_ exchange: Handle) {
        guard exchanges[exchange].responseState == .none, !exchanges[exchange].replayOverflowed,
            exchanges[exchange].staleAttempts < 3, exchanges[exchange].leader.isNone
        else { return attemptFailed(exchange, .streamRefused) }
        exchanges[exchange].staleAttempts &+= 1
        exchanges[exchange].requestState = .waiting
        tryAgain(exchange)
    }
}
