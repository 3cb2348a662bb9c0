internal import EventLoop
internal import HTTP2
internal import Memory
internal import Telemetry

/// What a worker's buffers may hold, all connections and streams together (`WorkerSettings.bufferBytes`).
///
/// Windows and one buffer for each direction bound what one connection makes us keep; many of them together do it here.
/// From three quarters on, no connections are accepted and new requests are answered 503 (flag OM, as Envoy's overload manager
/// does). When all is in use, new streams are reset unseen (REFUSED_STREAM: they may be sent elsewhere), and connections whose
/// bytes would have to wait here are not read: they wait in the kernel's buffers, and then at their sender. What is under way
/// goes on and makes room.
extension Worker where Wire: ~Copyable {
    /// How long listeners are left alone.
    private static var acceptPauseMilliseconds: UInt64 { 100 }

    /// No new work any more.
    @inline(__always)
    var isTight: Bool { buffers.held >= settings.bufferBytes &- settings.bufferBytes / 4 }

    @inline(__always)
    var isFull: Bool { buffers.held >= settings.bufferBytes }

    /// Nothing is read from the connection until there is room again.
    mutating func park(_ handle: Handle) {
        warnOfMemory()
        guard !connections[handle].isParked else { return }
        connections[handle].isParked = true
        parked.append(handle)
    }

    /// Takes up those that were not read, once there is an eighth of room again.
    mutating func unpark() {
        guard !parked.isEmpty, buffers.held < settings.bufferBytes &- settings.bufferBytes / 8 else { return }
        while let handle = parked.popLast() {
            guard connections.contains(handle), connections[handle].isParked else { continue }
            connections[handle].isParked = false
            resumeLater(handle)
        }
    }

    /// Connections wait in the kernel's queue for as long.
    mutating func pauseForMemory(_ slot: Int) {
        warnOfMemory()
        listeners[slot].isPaused = true
        transport.unwatch(listeners[slot].socket)
        _ = timers.schedule(
            TimerWheel.Payload(kind: Self.acceptTimer, bits: UInt64(slot)), at: now &+ Self.acceptPauseMilliseconds)
    }

    /// A request that has come when there is little room. True: it was answered.
    @inline(__always)
    mutating func refusesForMemory(_ handle: Handle, _ exchange: Handle) -> Bool {
        guard isTight, !connections[handle].isInternal else { return false }
        warnOfMemory()
        metrics.http[httpStatistics(exchange)].overloads &+= 1
        exchanges[exchange].details = CodeDetails.overload
        exchanges[exchange].keepsAlive = false
        reply(exchange, 503, "envoy overloaded", .overloadManager)
        return true
    }

    /// A stream that has come when there is no room.
    mutating func resetForMemory(_ handle: Handle, _ exchange: Handle) {
        warnOfMemory()
        metrics.http[httpStatistics(exchange)].overloads &+= 1
        exchanges[exchange].flags.insert(.overloadManager)
        exchanges[exchange].details = CodeDetails.overload
        record(exchange)
        let codec = connections[handle].http2
        let stream = exchanges[exchange].downstreamStream
        http2[codec].reset(stream: stream, .refusedStream, output: &connections[handle].output)
        freeExchange(exchange)
        markDirty(handle)
        streamEnded(handle)
    }

    private mutating func warnOfMemory() {
        guard now >= memoryWarningAt else { return }
        memoryWarningAt = now &+ 10_000
        settings.warn?(
            "the buffers of a worker hold \(buffers.held >> 20) MiB of \(settings.bufferBytes >> 20): what readers do not take "
                + "waits there; new requests are refused and new connections wait (--buffer-megabytes)")
    }
}
