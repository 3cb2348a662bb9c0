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
    mutating func fireTimers() {
        while let payload = timers.popExpired(now: now) {
            switch payload.kind {
            case Self.connectionTimer:
                let handle = Handle(bits: payload.bits)
                if connections.contains(handle) { connectionTimerFired(handle) }
            case Self.retryTimer:
                let handle = Handle(bits: payload.bits)
                if exchanges.contains(handle), exchanges[handle].retryAt <= now {
                    exchanges[handle].retryAt = .max
                    startAttempt(handle)
                }
            case Self.filterTimer: filterTimerFired(Handle(bits: payload.bits))
            case Self.keepaliveTimer:
                let handle = Handle(bits: payload.bits)
                if connections.contains(handle), connections[handle].isHTTP2 { keepaliveTimerFired(handle) }
            case Self.exchangeTimer:
                let handle = Handle(bits: payload.bits)
                if exchanges.contains(handle) { exchangeTimerFired(handle) }
            case Self.logTimer:
                accessLog.flush()
                _ = timers.schedule(payload, at: now + settings.logFlushMilliseconds)
            case Self.drainTimer:
                guard isDraining else { break }
                if payload.bits == 1 { closeIdle() }
                if drainDeadline <= now { isStopped = true }
            case Self.noticeTimer:
                let handle = Handle(bits: payload.bits)
                guard connections.contains(handle), connections[handle].isHTTP2 else { break }
                connections[handle].noticeTimer = TimerWheel.none
                endGracefully(handle)
            case Self.acceptTimer: resumeAccepting(Int(payload.bits))
            case Self.healthTimer: watchHealth()
            default: break
            }
            runReady()
        }
    }

    private mutating func connectionTimerFired(_ handle: Handle) {
        connections[handle].timer = TimerWheel.none
        connections[handle].timerAt = .max
        let deadline = connections[handle].deadline
        if deadline > now {
            if deadline != .max { setDeadline(handle, deadline) }
            return
        }
        connections[handle].deadline = .max
        switch connections[handle].role {
        case .downstream: downstreamExpired(handle)
        case .upstream: upstreamExpired(handle)
        }
    }

    private mutating func downstreamExpired(_ handle: Handle) {
        let exchange = connections[handle].exchange
        switch connections[handle].phase {
        case .http where connections[handle].isHTTP2: http2Expired(handle)
        case .http where exchanges.contains(exchange): exchangeExpired(exchange)
        case .inspecting: inspectionExpired(handle)
        case .tcp: closeTunnel(handle)
        default: close(handle)
        }
    }

    private mutating func upstreamExpired(_ handle: Handle) {
        switch connections[handle].phase {
        case .connecting, .handshaking:
            metrics.clusters[pools[connections[handle].pool].statistics].connectTimeouts &+= 1
            upstreamFailed(handle, .connectTimeout)
        case .requesting: tunnelConnectFailed(handle)
        case .tcp: closeTunnel(handle)
        case .idle:
            metrics.clusters[pools[connections[handle].pool].statistics].idleTimeouts &+= 1
            close(handle)
        case .http where connections[handle].isHTTP2: http2Expired(handle)
        default: break
        }
    }

    /// Sets the downstream connection's timer to the next thing that may expire in its exchange.
    @inline(__always)
    mutating func armExchange(_ handle: Handle) {
        let next = min(
            exchanges[handle].routeDeadline, exchanges[handle].tryDeadline, exchanges[handle].idleDeadline,
            exchanges[handle].requestDeadline, exchanges[handle].tryIdleDeadline, exchanges[handle].durationDeadline)
        if exchanges[handle].downstreamStream == 0 {
            setDeadline(exchanges[handle].downstream, next)
        } else {
            setExchangeDeadline(handle, next)
        }
    }

    /// As `setDeadline`, for an exchange that shares its connection with others.
    private mutating func setExchangeDeadline(_ handle: Handle, _ deadline: UInt64) {
        exchanges[handle].deadline = deadline
        if deadline < exchanges[handle].timerAt {
            timers.cancel(exchanges[handle].timer)
            exchanges[handle].timerAt = deadline
            exchanges[handle].timer = timers.schedule(
                TimerWheel.Payload(kind: Self.exchangeTimer, bits: handle.bits), at: deadline)
        }
    }

    private mutating func exchangeTimerFired(_ handle: Handle) {
        exchanges[handle].timer = TimerWheel.none
        exchanges[handle].timerAt = .max
        let deadline = exchanges[handle].deadline
        if deadline > now {
            if deadline != .max { setExchangeDeadline(handle, deadline) }
            return
        }
        exchanges[handle].deadline = .max
        exchangeExpired(handle)
    }

    private mutating func exchangeExpired(_ handle: Handle) {
        if exchanges[handle].requestState == .head {
            // What was read of the head is not the request: its offsets are of the connection's buffer.
            exchanges[handle].request.reset()
            buffers.lend(&exchanges[handle].arena)
            exchanges[handle].details = "request_header_timeout"
            exchanges[handle].keepsAlive = false
            return reply(handle, 408, "request header timeout", [])
        }
        if exchanges[handle].durationDeadline <= now { return durationExpired(handle) }
        if exchanges[handle].routeDeadline <= now {
            exchanges[handle].routeDeadline = .max
            exchanges[handle].tryDeadline = .max
            if exchangeStatistics(handle) >= 0 { metrics.clusters[exchangeStatistics(handle)].requestTimeouts &+= 1 }
            exchanges[handle].details = "response_timeout"
            return fail(
                handle, exchanges[handle].answersTimeoutsWith204 ? 204 : 504, "upstream request timeout",
                .upstreamRequestTimeout)
        }
        if exchanges[handle].tryDeadline <= now {
            exchanges[handle].tryDeadline = .max
            if exchangeStatistics(handle) >= 0 { metrics.clusters[exchangeStatistics(handle)].perTryTimeouts &+= 1 }
            if exchanges[handle].hedgesTries, hedge(handle) { return armExchange(handle) }
            return attemptFailed(handle, .perTryTimeout)
        }
        if exchanges[handle].tryIdleDeadline <= now {
            exchanges[handle].tryIdleDeadline = .max
            if exchangeStatistics(handle) >= 0 {
                metrics.clusters[exchangeStatistics(handle)].perTryIdleTimeouts &+= 1
            }
            return attemptFailed(handle, .perTryTimeout)
        }
        if exchanges[handle].requestDeadline <= now {
            exchanges[handle].requestDeadline = .max
            exchanges[handle].details = "request_overall_timeout"
            return fail(handle, 408, "request timeout", [])
        }
        if exchanges[handle].idleDeadline <= now {
            exchanges[handle].idleDeadline = .max
            exchanges[handle].details = "stream_idle_timeout"
            return fail(
                handle, exchanges[handle].requestState == .sent ? 504 : 408, "stream timeout", .streamIdleTimeout)
        }
        armExchange(handle)
    }
}
