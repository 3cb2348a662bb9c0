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
    /// Takes a downstream connection as far as its bytes and its room allow.
    mutating func advanceDownstream(_ handle: Handle, wrote: Bool) {
        switch connections[handle].phase {
        case .inspecting: inspect(handle)
        case .handshaking: handshakeDownstream(handle)
        case .http:
            if connections[handle].isHTTP2 { advanceHTTP2(handle) } else { advanceHTTP(handle) }
        case .tcp: advanceTunnel(handle)
        case .lingering: linger(handle)
        case .asking: watchAsking(handle)
        case .connecting, .requesting, .idle: break
        }
    }

    @inline(__always)
    private mutating func advanceHTTP(_ handle: Handle) {
        while connections.contains(handle), connections[handle].phase == .http, !connections[handle].isHTTP2 {
            if !connections[handle].output.isEmpty || !connections[handle].cipherOutput.isEmpty {
                switch flush(handle) {
                case .done: break
                case .blocked:
                    // The client is slow: nothing more is read for it until it has taken what there is.
                    if tunnels(handle) { break }
                    // The request goes on all the same: an endpoint may read it to the end before it writes more.
                    let exchange = connections[handle].exchange
                    if exchanges.contains(exchange), exchanges[exchange].requestState == .body {
                        return advanceRequest(handle, exchange)
                    }
                    return watchWhileBlocked(handle)
                case .failed: return abandonDownstream(handle)
                }
            }
            let exchange = connections[handle].exchange
            guard exchanges.contains(exchange) else {
                if connections[handle].closesAfterFlush { return startLingering(handle) }
                guard readHead(handle) else { return }
                continue
            }
            if exchanges[exchange].requestState == .head {
                guard readHead(handle) else { return }
                continue
            }
            if exchanges[exchange].responseState != .none {
                let upstream = exchanges[exchange].upstream
                if exchanges[exchange].isResponseQueued || connections.contains(upstream) {
                    if exchanges[exchange].isResponseQueued {
                        drainResponse(exchange)
                    } else {
                        advanceResponse(upstream)
                    }
                    guard exchanges.contains(exchange), connections.contains(handle) else { continue }
                }
            }
            return advanceRequest(handle, exchange)
        }
    }

    /// A tunnel's two directions do not wait for each other.
    private func tunnels(_ handle: Handle) -> Bool {
        let exchange = connections[handle].exchange
        return exchanges.contains(exchange) && exchanges[exchange].isTunnel
    }

    /// The output is stuck; still notice when the client is gone.
    private mutating func watchWhileBlocked(_ handle: Handle) {
        if connections[handle].peerClosed, connections[handle].sawEnd { abandonDownstream(handle) }
    }

    /// Reads until there is a whole request head, and starts it. False: nothing to do until something happens.
    private mutating func readHead(_ handle: Handle) -> Bool {
        if connections[handle].input.isEmpty {
            if isFull {
                park(handle)
                return false
            }
            switch fill(handle) {
            case .bytes: break
            case .blocked, .full:
                buffers.reclaimIfEmpty(&connections[handle].input)
                if isDraining, now >= drainGraceEnd { close(handle) }
                return false
            case .end, .failed:
                abandonDownstream(handle)
                return false
            }
        }
        rebind(handle)
        if !exchanges.contains(connections[handle].exchange) { beginExchange(handle) }
        let exchange = connections[handle].exchange
        while true {
            switch parseHead(handle, exchange) {
            case .complete(let head):
                connections[handle].scannedHead = 0
                startRequest(handle, exchange, head)
                return true
            case .invalid(.http2Preface) where startsHTTP2(handle, exchange): return true
            case .invalid(let error):
                refuse(handle, exchange, error)
                return true
            case .incomplete: break
            }
            if connections[handle].input.room == 0 {
                connections[handle].input.compact()
                connections[handle].input.reserve(BufferPool.bufferSize)
                buffers.recount(&connections[handle].input)
            }
            switch fill(handle) {
            case .bytes, .full: continue
            case .blocked: return false
            case .end, .failed:
                abandonDownstream(handle)
                return false
            }
        }
    }

    /// A client that begins with the preface of HTTP/2 (prior knowledge) is spoken to in HTTP/2 where that is allowed.
    private mutating func startsHTTP2(_ handle: Handle, _ exchange: Handle) -> Bool {
        let manager = httpManager(exchange)
        guard manager.codec == .auto, connections[handle].requests == 0 else { return false }
        connections[handle].scannedHead = 0
        freeExchange(exchange)
        setIdleDeadline(handle, manager)
        startHTTP2(handle, .server, manager.http2)
        resumable.append(handle)
        return true
    }

    /// Parses, unless so little has come since the last time that it cannot be complete: a client that sends its head byte
    /// by byte costs linear work.
    private mutating func parseHead(_ handle: Handle, _ exchange: Handle) -> HeadResult {
        let count = connections[handle].input.count
        let scanned = connections[handle].scannedHead
        if scanned > 0, count < scanned &* 2, count < limits.headBytes,
            !containsHeadEnd(connections[handle].input.bytes, from: scanned &- 3)
        {
            return .incomplete
        }
        var limits = limits
        limits.headBytes = httpManager(exchange).maxRequestHeadBytes
        let result = exchanges[exchange].parseRequest(&connections[handle].input, limits)
        if result == .incomplete { connections[handle].scannedHead = count }
        if case .complete = result, exchanges[exchange].request.count > httpManager(exchange).maxRequestFields {
            return .invalid(.tooManyFields)
        }
        return result
    }

    private func containsHeadEnd(_ bytes: borrowing Span<UInt8>, from start: Int) -> Bool {
        var index = max(0, start)
        while index &+ 3 < bytes.count {
            if bytes[index] == 0x0d, bytes[index &+ 1] == 0x0a, bytes[index &+ 2] == 0x0d, bytes[index &+ 3] == 0x0a {
                return true
            }
            index &+= 1
        }
        return false
    }

    private mutating func beginExchange(_ handle: Handle) {
        let exchange = exchanges.insert()
        connections[handle].exchange = exchange
        exchanges[exchange].downstream = handle
        exchanges[exchange].generation = connections[handle].generation
        exchanges[exchange].chain = connections[handle].chain
        retainGeneration(connections[handle].generation)
        exchanges[exchange].startedAt = transport.microseconds
        let timeouts = httpManager(exchange).timeouts
        // A head that never ends is a stream on which nothing moves.
        let timeout =
            timeouts.requestHeadMilliseconds > 0 ? timeouts.requestHeadMilliseconds : timeouts.streamIdleMilliseconds
        setDeadline(handle, timeout == 0 ? .max : now &+ UInt64(timeout))
    }

    /// The client is gone: what it asked for is dropped.
    mutating func abandonDownstream(_ handle: Handle) {
        let exchange = connections[handle].exchange
        if exchanges.contains(exchange) {
            if exchanges[exchange].requestState != .head {
                exchanges[exchange].flags.insert(.downstreamConnectionTermination)
                if exchanges[exchange].responseState != .complete {
                    exchanges[exchange].details = "downstream_remote_disconnect"
                }
                record(exchange)
            }
            dropUpstream(exchange)
            freeExchange(exchange)
        }
        close(handle)
    }

    /// Moves the connection to the newest snapshot when its chain is still there; otherwise it serves its last request.
    @inline(__always)
    mutating func rebind(_ handle: Handle) {
        if connections[handle].generation != current { rebindSlow(handle) }
    }

    private mutating func rebindSlow(_ handle: Handle) {
        let old = connections[handle].generation
        guard let chain = findChain(like: connections[handle].chain, of: old) else {
            connections[handle].isDraining = true
            return
        }
        retainGeneration(current)
        connections[handle].generation = current
        connections[handle].chain = chain
        releaseGeneration(old)
    }

    // MARK: Lingering

    /// Ends our side and waits a moment for the client to end its own: closing at once while it still sends would reset the
    /// connection and lose the response.
    mutating func startLingering(_ handle: Handle) {
        if connections[handle].sawEnd { return close(handle) }
        connections[handle].phase = .lingering
        if connections[handle].isTLS { connections[handle].sealEnd() }
        _ = flush(handle)
        transport.shutdownWrite(connections[handle].socket)
        connections[handle].isTLS = false
        let manager = generations[connections[handle].generation].chains[connections[handle].chain].http
        let patience = manager?.timeouts.delayedCloseMilliseconds ?? 0
        // Our side is closed already: without a configured time, the wait only guards what the client still sends.
        setDeadline(handle, now &+ (patience > 0 ? UInt64(patience) : 1_000))
        linger(handle)
    }

    private mutating func linger(_ handle: Handle) {
        var rounds = 0
        while rounds < 64 {
            connections[handle].input.clear()
            switch fill(handle) {
            case .bytes, .full: rounds &+= 1
            case .blocked:
                buffers.reclaim(&connections[handle].input)
                return
            case .end, .failed: return close(handle)
            }
        }
        close(handle)
    }
}
