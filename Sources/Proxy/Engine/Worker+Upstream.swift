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
    /// Takes an upstream connection as far as its bytes and its room allow.
    mutating func advanceUpstream(_ handle: Handle, wrote: Bool) {
        switch connections[handle].phase {
        case .connecting:
            finishConnecting(handle)
            readEarly(handle)
        case .handshaking:
            handshakeUpstream(handle)
            readEarly(handle)
        case .http where connections[handle].isHTTP2: advanceHTTP2(handle)
        case .http:
            let exchange = connections[handle].exchange
            guard exchanges.contains(exchange) else { return close(handle) }
            if wrote, exchanges[exchange].requestState == .body {
                advanceRequest(exchanges[exchange].downstream, exchange)
                guard connections.contains(handle), connections[handle].exchange == exchange else { return }
            }
            if wrote, exchanges[exchange].reframesRequest,
                !connections[handle].output.isEmpty
                    || !connections[handle].cipherOutput.isEmpty
            {
                // The end of a reframed request may be in the output when the request counts as sent.
                flushOutput(handle)
                guard connections.contains(handle), connections[handle].exchange == exchange else { return }
            }
            advanceResponse(handle)
        case .requesting: advanceTunnelRequest(handle)
        case .tcp: advanceTunnel(handle)
        case .idle:
            watchIdle(handle)
        case .inspecting, .asking, .lingering: close(handle)
        }
    }

    /// What came with the event that made the connection ready: an endpoint may answer before it is asked, and its bytes
    /// are announced only once.
    private mutating func readEarly(_ handle: Handle) {
        guard connections.contains(handle), connections[handle].phase == .http else { return }
        if connections[handle].isHTTP2 {
            // Its settings may be here already, or its end.
            if connections[handle].hasInput() { advanceHTTP2(handle) }
            return
        }
        guard connections[handle].canRead, exchanges.contains(connections[handle].exchange) else { return }
        advanceResponse(handle)
    }

    /// Begins a connection to a pool's endpoint; nil when that fails at once.
    mutating func openConnection(_ pool: Int, connectTimeout: UInt64) -> Handle? {
        let address = pools[pool].key.address
        // What goes to the application itself bears the next mark: capture rules must not lead it back here.
        let isHandedOver = pools[pool].isInbound && settings.socketMark != 0
        let socket = transport.connect(
            address, mark: settings.socketMark &+ (isHandedOver ? 1 : 0), options: pools[pool].socketOptions)
        guard socket >= 0 else { return nil }
        let handle = connections.insert()
        connections[handle].socket = socket
        connections[handle].role = .upstream
        connections[handle].phase = .connecting
        connections[handle].pool = pool
        connections[handle].remote = address
        connections[handle].isTLS = pools[pool].key.isTLS
        connections[handle].isOpening = true
        pools[pool].opening &+= 1
        pools[pool].connections &+= 1
        metrics.clusters[pools[pool].statistics].connections &+= 1
        metrics.clusters[pools[pool].statistics].activeConnections &+= 1
        guard transport.watch(socket, token: handle.bits, isListener: false) else {
            // The permit is given back by the caller.
            pools[pool].connections &-= 1
            pools[pool].opening &-= 1
            metrics.clusters[pools[pool].statistics].activeConnections &-= 1
            connections[handle].pool = -1
            close(handle)
            return nil
        }
        connections[handle].acceptedAt = now
        if let keepalive = pools[pool].keepalive {
            transport.keepAlive(
                socket, probes: keepalive.probes, idleSeconds: keepalive.idleSeconds,
                intervalSeconds: keepalive.intervalSeconds)
        }
        setDeadline(handle, connectTimeout == 0 ? .max : now &+ connectTimeout)
        return handle
    }

    private mutating func finishConnecting(_ handle: Handle) {
        guard connections[handle].canWrite else { return }
        let error = transport.connectError(connections[handle].socket)
        guard error == 0 else {
            let exchange = connections[handle].exchange
            if exchanges.contains(exchange) { exchanges[exchange].connectError = error }
            let peer = connections[handle].peer
            if connections.contains(peer) { return tunnelConnectFailed(handle) }
            return upstreamFailed(handle, .connectFailure)
        }
        connections[handle].local = transport.localAddress(connections[handle].socket) ?? connections[handle].local
        announceClient(handle)
        guard connections[handle].isTLS else { return upstreamReady(handle) }
        let pool = connections[handle].pool
        guard let context = pools[pool].context else { return transportFailed(handle) }
        let name = pools[pool].key.serverName
        do {
            connections[handle].session = try TLSSession(
                context, serverName: name.isEmpty ? nil : name, protocols: pools[pool].offeredProtocols)
        } catch {
            return transportFailed(handle)
        }
        connections[handle].phase = .handshaking
        handshakeUpstream(handle)
    }

    private mutating func handshakeUpstream(_ handle: Handle) {
        while true {
            buffers.lend(&connections[handle].cipherOutput)
            let status = connections[handle].continueHandshake()
            if flushCipher(handle) == .failed { return transportFailed(handle) }
            switch status {
            case .done:
                buffers.reclaimIfEmpty(&connections[handle].cipherInput)
                metrics.clusters[pools[connections[handle].pool].statistics].handshakes &+= 1
                connections[handle].peerCertificate = connections[handle].session?.peer
                guard certificateNamesServer(handle) else { return transportFailed(handle) }
                return upstreamReady(handle)
            case .wantsInput:
                switch fillCipher(handle) {
                case .bytes: continue
                case .blocked:
                    buffers.reclaimIfEmpty(&connections[handle].cipherInput)
                    return
                case .full, .end, .failed: return transportFailed(handle)
                }
            case .wantsOutput: continue
            case .closed, .failed: return transportFailed(handle)
            }
        }
    }

    private mutating func transportFailed(_ handle: Handle) {
        metrics.clusters[pools[connections[handle].pool].statistics].transportFailures &+= 1
        if connections.contains(connections[handle].peer) { return tunnelConnectFailed(handle) }
        upstreamFailed(handle, .transportFailure)
    }

    /// Connected, and secured where it is to be.
    private mutating func upstreamReady(_ handle: Handle) {
        connections[handle].deadline = .max
        markOpened(handle)
        if connections.contains(connections[handle].peer) { return tunnelReady(handle) }
        if speaksHTTP2(handle) { return startUpstreamHTTP2(handle) }
        let pool = connections[handle].pool
        if pools[pool].key.upstream == .auto, !pools[pool].isHTTP1 {
            // The endpoint does not speak HTTP/2: who waits for this connection needs one of its own.
            pools[pool].isHTTP1 = true
            while let waiting = popQueued(pool) { tryAgain(waiting) }
        }
        let exchange = connections[handle].exchange
        guard exchanges.contains(exchange) else { return makeIdle(handle) }
        sendRequest(exchange, handle)
    }

    private mutating func markOpened(_ handle: Handle) {
        guard connections[handle].isOpening else { return }
        connections[handle].isOpening = false
        pools[connections[handle].pool].opening &-= 1
    }

    /// Whatever an endpoint says without being asked, the connection cannot be used any more, except what TLS says to itself
    /// (session tickets).
    private mutating func watchIdle(_ handle: Handle) {
        guard connections[handle].canRead else { return }
        guard connections[handle].isTLS, !connections[handle].peerClosed, fill(handle) == .blocked else {
            return close(handle)
        }
        buffers.reclaimIfEmpty(&connections[handle].input)
    }

    // MARK: Pool

    /// An idle connection of the pool, the one used last; none when there is none.
    @inline(__always)
    mutating func takeIdle(_ pool: Int) -> Handle? {
        while !pools[pool].idle.isNone {
            let handle = pools[pool].idle
            unlinkIdle(handle)
            connections[handle].deadline = .max
            // An end that was announced and not yet handled.
            if connections[handle].canRead {
                connections[handle].phase = .http
                close(handle)
                continue
            }
            if expiry(handle, pool) <= now {
                connections[handle].phase = .http
                close(handle)
                continue
            }
            connections[handle].isReused = connections[handle].requests > 0
            return handle
        }
        return nil
    }

    /// A connection has done its work: the next waiting request gets it, or it waits itself.
    mutating func makeIdle(_ handle: Handle) {
        let pool = connections[handle].pool
        if isSpent(handle, pool) { return close(handle) }
        if let exchange = popQueued(pool) {
            connections[handle].isReused = connections[handle].requests > 0
            attach(exchange, handle)
            return sendRequest(exchange, handle)
        }
        if pools[pool].references == 0, !pools[pool].isOnDemand { return close(handle) }
        connections[handle].phase = .idle
        buffers.reclaimIfEmpty(&connections[handle].input)
        let head = pools[pool].idle
        connections[handle].previousIdle = .none
        connections[handle].nextIdle = head
        if !head.isNone { connections[head].previousIdle = handle }
        pools[pool].idle = handle
        pools[pool].idleCount &+= 1
        let timeout = pools[pool].idleTimeoutMilliseconds
        setDeadline(handle, min(timeout == 0 ? .max : now &+ timeout, expiry(handle, pool)))
    }

    @inline(__always)
    private mutating func unlinkIdle(_ handle: Handle) {
        let pool = connections[handle].pool
        let next = connections[handle].nextIdle
        let previous = connections[handle].previousIdle
        if !next.isNone { connections[next].previousIdle = previous }
        if previous.isNone { pools[pool].idle = next } else { connections[previous].nextIdle = next }
        connections[handle].nextIdle = .none
        connections[handle].previousIdle = .none
        pools[pool].idleCount &-= 1
    }

    /// A connection of a pool is being closed: whoever waits for one may open another.
    mutating func leavePool(_ handle: Handle) {
        let pool = connections[handle].pool
        guard pool >= 0 else { return }
        if connections[handle].phase == .idle { unlinkIdle(handle) }
        unshare(handle)
        let failure = connections[handle].isOpening ? connections[handle].openFailure : nil
        markOpened(handle)
        connections[handle].pool = -1
        pools[pool].connections &-= 1
        metrics.clusters[pools[pool].statistics].activeConnections &-= 1
        metrics.clusters[pools[pool].statistics].destroyedConnections &+= 1
        pools[pool].breaker?.release(.connection)
        if pools[pool].connections == 0 {
            wakeQueued(pool, failure: failure)
        } else if let exchange = popQueued(pool) {
            tryAgain(exchange)
        }
        freePoolIfUnused(pool)
    }

    // MARK: Queue

    /// The exchange waits until a connection of the pool is free.
    mutating func enqueue(_ exchange: Handle, _ pool: Int) {
        exchanges[exchange].isQueued = true
        exchanges[exchange].nextQueued = .none
        let last = pools[pool].lastQueued
        if last.isNone { pools[pool].firstQueued = exchange } else { exchanges[last].nextQueued = exchange }
        pools[pool].lastQueued = exchange
    }

    mutating func popQueued(_ pool: Int) -> Handle? {
        let first = pools[pool].firstQueued
        guard !first.isNone else { return nil }
        dequeue(first)
        return first
    }

    /// Takes an exchange out of its pool's queue.
    mutating func dequeue(_ exchange: Handle) {
        let pool = exchanges[exchange].pool
        var previous = Handle.none
        var handle = pools[pool].firstQueued
        while !handle.isNone, handle != exchange {
            previous = handle
            handle = exchanges[handle].nextQueued
        }
        guard handle == exchange else { return }
        let next = exchanges[exchange].nextQueued
        if previous.isNone { pools[pool].firstQueued = next } else { exchanges[previous].nextQueued = next }
        if next.isNone { pools[pool].lastQueued = previous }
        exchanges[exchange].isQueued = false
        exchanges[exchange].nextQueued = .none
    }
}
