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
    /// Moves request body bytes from the client to the endpoint, and notices a client that goes away.
    mutating func advanceRequest(_ handle: Handle, _ exchange: Handle) {
        if exchanges[exchange].reframesRequest { return advanceStreamedRequest(handle, exchange) }
        var rounds = 0
        while exchanges.contains(exchange), connections.contains(handle) {
            switch exchanges[exchange].requestState {
            case .head: return
            case .waiting where exchanges[exchange].filters.collects: return collectMore(handle, exchange)
            case .waiting, .sent: return watchClient(handle)
            case .body: break
            }
            rounds &+= 1
            if rounds > Self.roundsPerTurn { return resumeLater(handle) }
            let upstream = exchanges[exchange].upstream
            guard connections.contains(upstream) else { return }
            let hasReplay = exchanges[exchange].replaySent < exchanges[exchange].replay.count
            let isComplete = exchanges[exchange].requestBody.isComplete
            if !connections[upstream].output.isEmpty || !connections[upstream].cipherOutput.isEmpty {
                // One gathered write when there is body to go with it.
                if hasReplay || isComplete || connections[handle].input.isEmpty || !connections[upstream].canWrite {
                    switch flush(upstream) {
                    case .done: break
                    case .blocked: return
                    case .failed: return upstreamFailed(upstream, .connectionReset)
                    }
                }
            }
            if hasReplay {
                guard sendReplay(exchange, upstream) else { return }
            } else if isComplete {
                requestSent(exchange, upstream)
            } else {
                if connections[handle].input.isEmpty, !readBody(handle, exchange) { return }
                guard forwardBody(handle, exchange, upstream) else { return }
            }
        }
    }

    /// Reads more body. False: wait, or the exchange is over.
    mutating func readBody(_ handle: Handle, _ exchange: Handle) -> Bool {
        sendContinue(handle, exchange)
        switch fill(handle) {
        case .bytes, .full:
            touch(exchange)
            return true
        case .blocked:
            buffers.reclaimIfEmpty(&connections[handle].input)
            return false
        case .end where exchanges[exchange].isTunnel:
            endTunnelRequest(exchange)
            return false
        case .end, .failed:
            abandonDownstream(handle)
            return false
        }
    }

    /// One stretch of body. False: wait, or the exchange is over.
    private mutating func forwardBody(_ handle: Handle, _ exchange: Handle, _ upstream: Handle) -> Bool {
        let step = exchanges[exchange].scanRequestBody(&connections[handle].input, limits)
        if let error = step.error {
            refuseBody(exchange, error)
            return false
        }
        if step.consumed == 0 {
            connections[handle].input.compact()
            return readBody(handle, exchange)
        }
        keepForReplay(handle, exchange, step.consumed)
        switch relay(upstream, from: handle, count: step.consumed) {
        case .done: return true
        case .blocked: return false
        case .failed:
            upstreamFailed(upstream, .connectionReset)
            return false
        }
    }

    /// Keeps a copy of body bytes on their way, as long as they are few enough to be sent again.
    private mutating func keepForReplay(_ handle: Handle, _ exchange: Handle, _ count: Int) {
        guard !exchanges[exchange].replayOverflowed else { return }
        guard exchanges[exchange].replay.count &+ count <= settings.replayBytes, !isFull else {
            exchanges[exchange].replayOverflowed = true
            exchanges[exchange].replaySent = 0
            buffers.reclaim(&exchanges[exchange].replay)
            return
        }
        buffers.lend(&exchanges[exchange].replay)
        exchanges[exchange].keepForReplay(&connections[handle].input, count: count)
        buffers.recount(&exchanges[exchange].replay)
    }

    /// Sends kept body bytes in another attempt. False: wait, or the attempt is over.
    private mutating func sendReplay(_ exchange: Handle, _ upstream: Handle) -> Bool {
        buffers.lend(&connections[upstream].output)
        exchanges[exchange].writeReplay(to: &connections[upstream].output)
        switch flush(upstream) {
        case .done: return true
        case .blocked: return false
        case .failed:
            upstreamFailed(upstream, .connectionReset)
            return false
        }
    }

    /// Nothing is to be read from the client now: only its going away is of interest.
    mutating func watchClient(_ handle: Handle) {
        guard connections[handle].peerClosed, !connections[handle].sawEnd else { return }
        let exchange = connections[handle].exchange
        guard !exchanges[exchange].isTunnel else { return }
        // As Envoy does: a client that ends its side of the connection has given up its request. What it sent before is
        // looked at first: there may be another request in front of the end.
        if exchanges[exchange].requestBody.isComplete, connections[handle].input.isEmpty {
            switch fill(handle) {
            case .bytes, .full, .blocked: return
            case .end, .failed: abandonDownstream(handle)
            }
        }
    }

    mutating func requestSent(_ exchange: Handle, _ upstream: Handle) {
        exchanges[exchange].requestState = .sent
        startRouteTime(exchange)
        armExchange(exchange)
        exchanges[exchange].upstreamSentAt = transport.microseconds
        exchanges[exchange].bytesReceived = exchanges[exchange].requestBody.payloadBytes
        sendMirrors(exchange)
        if exchanges[exchange].downstreamStream == 0 {
            buffers.reclaimIfEmpty(&connections[exchanges[exchange].downstream].input)
        }
    }

    /// `Expect: 100-continue` is answered here, when the body is wanted; it is not forwarded.
    private mutating func sendContinue(_ handle: Handle, _ exchange: Handle) {
        guard exchanges[exchange].requestHead.expectsContinue, !exchanges[exchange].sentContinue,
            exchanges[exchange].requestBody.payloadBytes == 0, exchanges[exchange].responseState == .none,
            !httpManager(exchange).passesInterimResponses
        else { return }
        exchanges[exchange].sentContinue = true
        buffers.lend(&connections[handle].output)
        connections[handle].output.append("HTTP/1.1 100 Continue\r\n\r\n")
        _ = flush(handle)
    }

    /// Something moved: the stream is not idle.
    @inline(__always)
    mutating func touch(_ exchange: Handle) {
        let idle = exchanges[exchange].idleTimeoutMilliseconds
        if idle > 0 { exchanges[exchange].idleDeadline = now &+ idle }
        if exchanges[exchange].tryIdleDeadline != .max {
            exchanges[exchange].tryIdleDeadline = now &+ exchanges[exchange].tryIdleMilliseconds
        }
    }

    /// Moves `count` bytes from one connection's input to another's output.
    mutating func moveInput(of source: Handle, toOutputOf target: Handle, count: Int) {
        var bytes = ByteBuffer()
        swap(&bytes, &connections[source].input)
        buffers.lend(&connections[target].output)
        connections[target].output.append(from: bytes, offset: bytes.start, count: count)
        bytes.consume(count)
        // Who waits for a slow reader keeps no empty buffer beside a full one.
        buffers.reclaimIfEmpty(&bytes)
        swap(&bytes, &connections[source].input)
    }
}
