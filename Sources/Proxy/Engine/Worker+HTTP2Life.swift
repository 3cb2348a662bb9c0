internal import EventLoop
internal import HTTP2
internal import Memory
internal import Resilience

/// Signs of life on connections that speak HTTP/2, and their ends in good order.
extension Worker where Wire: ~Copyable {
    // MARK: Keepalive

    static var keepalivePing: UInt64 { 1 }

    mutating func scheduleKeepalive(_ handle: Handle, _ milliseconds: UInt32) {
        guard milliseconds > 0 else { return }
        _ = timers.schedule(
            TimerWheel.Payload(kind: Self.keepaliveTimer, bits: handle.bits), at: now &+ UInt64(milliseconds))
    }

    private func http2Options(_ handle: Handle) -> HTTP2Options {
        if connections[handle].role == .upstream { return pools[connections[handle].pool].http2 }
        return generations[connections[handle].generation].chains[connections[handle].chain].http?.http2 ?? .server
    }

    /// Asks for a sign of life, or looks whether it has come.
    mutating func keepaliveTimerFired(_ handle: Handle) {
        let options = http2Options(handle)
        if connections[handle].hasPinged {
            if connections[handle].awaitsPong { return connectionLost(handle, .connectionReset) }
            connections[handle].hasPinged = false
            let rest = Int(options.keepaliveMilliseconds) - Int(options.keepaliveTimeoutMilliseconds)
            return scheduleKeepalive(handle, UInt32(max(1, rest)))
        }
        connections[handle].hasPinged = true
        connections[handle].awaitsPong = true
        let codec = connections[handle].http2
        buffers.lend(&connections[handle].output)
        http2[codec].ping(data: Self.keepalivePing, output: &connections[handle].output)
        markDirty(handle)
        scheduleKeepalive(handle, max(1, options.keepaliveTimeoutMilliseconds))
    }

    // MARK: End

    /// Downstream: no new requests from now on; those under way are answered.
    mutating func drainHTTP2(_ handle: Handle) {
        guard !connections[handle].isEnding else { return }
        connections[handle].isEnding = true
        let codec = connections[handle].http2
        buffers.lend(&connections[handle].output)
        http2[codec].announceEnd(output: &connections[handle].output)
        http2[codec].ping(data: 0x6d61_7274, output: &connections[handle].output)
        markDirty(handle)
        // A client that does not answer has had `drain_timeout` to notice.
        let patience = downstreamManager(handle).timeouts.drainMilliseconds
        connections[handle].noticeTimer = timers.schedule(
            TimerWheel.Payload(kind: Self.noticeTimer, bits: handle.bits), at: now &+ UInt64(patience))
    }

    /// The connection manager of an HTTP connection of a client.
    func downstreamManager(_ handle: Handle) -> HTTPConnectionManager {
        generations[connections[handle].generation].chains[connections[handle].chain].http ?? .refusing
    }

    /// The client has heard that the end is near: requests that come now were sent in spite of it.
    mutating func finishAnnouncedEnd(_ handle: Handle) {
        guard connections[handle].isEnding, connections[handle].role == .downstream else { return }
        endGracefully(handle)
    }

    mutating func endGracefully(_ handle: Handle) {
        connections[handle].isEnding = true
        let codec = connections[handle].http2
        guard !http2[codec].sentGoAway else { return }
        buffers.lend(&connections[handle].output)
        http2[codec].endGracefully(output: &connections[handle].output)
        if !hasStreams(handle) { connections[handle].closesAfterFlush = true }
        markDirty(handle)
    }

    /// A stream of a downstream connection has ended.
    mutating func streamEnded(_ handle: Handle) {
        guard connections.contains(handle), connections[handle].isHTTP2 else { return }
        let codec = connections[handle].http2
        guard !hasStreams(handle) else { return }
        if http2[codec].sentGoAway || http2[codec].sawGoAway {
            connections[handle].closesAfterFlush = true
            setDeadline(handle, now &+ 30_000)
            return markDirty(handle)
        }
        let idle = UInt64(downstreamManager(handle).timeouts.idleMilliseconds)
        connections[handle].deadline = .max
        if idle > 0 { setDeadline(handle, now &+ idle) }
    }

    /// An HTTP/2 connection had nothing to do for too long.
    mutating func http2Expired(_ handle: Handle) {
        guard !hasStreams(handle) else { return }
        if connections[handle].closesAfterFlush { return close(handle) }
        guard connections[handle].role == .downstream else { return close(handle) }
        endGracefully(handle)
        connections[handle].closesAfterFlush = true
        setDeadline(handle, now &+ 5_000)
    }
}
