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
        endAttempt(exchange)
        exchanges[exchange].attempts &-= 1
        retryable.append(exchange)
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
    }

    // MARK: Requests

    /// Opens a stream for the exchange: writes the head, and as much of the body as there is.
    mutating func sendStreamRequest(_ exchange: Handle, _ handle: Handle) {
        let codec = connections[handle].http2
        let cluster = exchanges[exchange].cluster
        let generation = exchanges[exchange].generation
        guard let stream = http2[codec].openStream(token: exchange.bits) else {
            unshare(handle)
            return tryAgain(exchange)
        }
        endPending(exchange)
        exchanges[exchange].upstream = handle
        exchanges[exchange].upstreamStream = stream
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
        if !http2[codec].hasEndedSending(stream: stream) || !http2[codec].hasEndedReceiving(stream: stream) {
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
            exchanges[exchange].staleAttempts < 3
        else { return attemptFailed(exchange, .streamRefused) }
        exchanges[exchange].staleAttempts &+= 1
        exchanges[exchange].requestState = .waiting
        tryAgain(exchange)
    }
}
