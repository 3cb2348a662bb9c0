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

/// What reading more bytes came to.
enum FillResult {
    case bytes
    /// Nothing now; an event follows.
    case blocked
    /// The buffer is full.
    case full
    /// The peer ended its side in good order.
    case end
    case failed
}

/// What writing came to.
enum FlushResult { case done, blocked, failed }

extension Worker where Wire: ~Copyable {
    /// Receives into the connection's input, through TLS where there is TLS.
    @inline(__always)
    mutating func fill(_ handle: Handle) -> FillResult {
        buffers.lend(&connections[handle].input)
        if connections[handle].input.room == 0 {
            connections[handle].input.compact()
            if connections[handle].input.room == 0 { return .full }
        }
        if connections[handle].isTLS { return fillDecrypted(handle) }
        guard connections[handle].canRead else { return connections[handle].sawEnd ? .end : .blocked }
        let socket = connections[handle].socket
        let room = connections[handle].input.room
        let count = transport.receive(socket, into: &connections[handle].input)
        if count > 0 {
            connections[handle].wireReceived &+= UInt64(truncatingIfNeeded: count)
            // A short read has emptied the socket: the next event comes when there is more.
            if count < room, !connections[handle].peerClosed { connections[handle].canRead = false }
            return .bytes
        }
        return noBytes(handle, count)
    }

    mutating func noBytes(_ handle: Handle, _ count: Int) -> FillResult {
        if count == 0 {
            connections[handle].canRead = false
            connections[handle].sawEnd = true
            return .end
        }
        if count == IOCode.wouldBlock {
            connections[handle].canRead = false
            return .blocked
        }
        return count == IOCode.interrupted ? .blocked : .failed
    }

    private mutating func fillDecrypted(_ handle: Handle) -> FillResult {
        while true {
            buffers.lend(&connections[handle].cipherOutput)
            let step = connections[handle].decrypt()
            buffers.reclaimIfEmpty(&connections[handle].cipherOutput)
            if step.count > 0 {
                buffers.reclaimIfEmpty(&connections[handle].cipherInput)
                return .bytes
            }
            switch step.status {
            case .done: return .full
            case .closed:
                // close_notify: the end in good order, whatever follows.
                connections[handle].sawEnd = true
                return .end
            case .failed:
                _ = flushCipher(handle)
                return .failed
            case .wantsOutput:
                switch flushCipher(handle) {
                case .done: continue
                case .blocked: return .blocked
                case .failed: return .failed
                }
            case .wantsInput: break
            }
            let received = fillCipher(handle)
            if received == .bytes { continue }
            buffers.reclaimIfEmpty(&connections[handle].cipherInput)
            // A connection that ends without close_notify may have been cut short by an attacker; framing decides.
            return received
        }
    }

    /// Receives ciphertext.
    mutating func fillCipher(_ handle: Handle) -> FillResult {
        guard connections[handle].canRead else { return connections[handle].sawEnd ? .end : .blocked }
        buffers.lend(&connections[handle].cipherInput)
        if connections[handle].cipherInput.room == 0 {
            connections[handle].cipherInput.compact()
            if connections[handle].cipherInput.room == 0 { return .failed }
        }
        let socket = connections[handle].socket
        let room = connections[handle].cipherInput.room
        let count = transport.receive(socket, into: &connections[handle].cipherInput)
        if count > 0 {
            connections[handle].wireReceived &+= UInt64(truncatingIfNeeded: count)
            if count < room, !connections[handle].peerClosed { connections[handle].canRead = false }
            return .bytes
        }
        return noBytes(handle, count)
    }

    /// Sends what is in the connection's output.
    @inline(__always)
    mutating func flush(_ handle: Handle) -> FlushResult {
        if connections[handle].isTLS { return flushSealed(handle) }
        if connections[handle].isInternal { return absorb(handle) }
        while !connections[handle].output.isEmpty {
            guard connections[handle].canWrite else { return .blocked }
            let count = connections[handle].sendOutput(&transport)
            guard count > 0 else { return cannotWrite(handle, count) }
            connections[handle].output.consume(count)
        }
        buffers.reclaim(&connections[handle].output)
        return .done
    }

    mutating func cannotWrite(_ handle: Handle, _ count: Int) -> FlushResult {
        if count == IOCode.wouldBlock || count == 0 {
            connections[handle].canWrite = false
            return .blocked
        }
        return count == IOCode.interrupted ? .blocked : .failed
    }

    private mutating func flushSealed(_ handle: Handle) -> FlushResult {
        while true {
            switch flushCipher(handle) {
            case .done: break
            case .blocked: return .blocked
            case .failed: return .failed
            }
            if connections[handle].output.isEmpty {
                buffers.reclaim(&connections[handle].output)
                return .done
            }
            buffers.lend(&connections[handle].cipherOutput)
            if connections[handle].encrypt(empty, count: 0) < 0 { return .failed }
            if connections[handle].cipherOutput.isEmpty { return .failed }
        }
    }

    /// Sends sealed bytes.
    mutating func flushCipher(_ handle: Handle) -> FlushResult {
        while !connections[handle].cipherOutput.isEmpty {
            guard connections[handle].canWrite else { return .blocked }
            let count = connections[handle].sendCipher(&transport)
            guard count > 0 else { return cannotWrite(handle, count) }
            connections[handle].cipherOutput.consume(count)
        }
        buffers.reclaim(&connections[handle].cipherOutput)
        return .done
    }

    /// Sends the output of `handle` and behind it the first `count` bytes of the input of `source`, gathered. All `count`
    /// bytes are taken from `source`: what the socket did not take waits in the output, which the caller lets drain before
    /// it relays more.
    @inline(__always)
    mutating func relay(_ handle: Handle, from source: Handle, count: Int) -> FlushResult {
        if connections[handle].isTLS { return relaySealed(handle, from: source, count: count) }
        if connections[handle].isInternal {
            moveInput(of: source, toOutputOf: handle, count: count)
            return absorb(handle)
        }
        var left = count
        while left > 0 {
            guard connections[handle].canWrite else { break }
            let head = connections[handle].output.count
            var body = ByteBuffer()
            swap(&body, &connections[source].input)
            let sent = connections[handle].send(body, count: left, &transport)
            swap(&body, &connections[source].input)
            guard sent > 0 else {
                if cannotWrite(handle, sent) == .failed { return drop(left, of: source) }
                break
            }
            let fromHead = min(head, sent)
            connections[handle].output.consume(fromHead)
            connections[source].input.consume(sent &- fromHead)
            left &-= sent &- fromHead
        }
        if left > 0 {
            moveInput(of: source, toOutputOf: handle, count: left)
            return .blocked
        }
        return flush(handle)
    }

    private mutating func relaySealed(_ handle: Handle, from source: Handle, count: Int) -> FlushResult {
        var left = count
        while left > 0 {
            switch flushCipher(handle) {
            case .done: break
            case .blocked:
                moveInput(of: source, toOutputOf: handle, count: left)
                return .blocked
            case .failed: return drop(left, of: source)
            }
            buffers.lend(&connections[handle].cipherOutput)
            let taken = seal(handle, from: source, count: left)
            if taken < 0 || connections[handle].cipherOutput.isEmpty { return drop(left, of: source) }
            connections[source].input.consume(taken)
            left &-= taken
        }
        return flush(handle)
    }

    /// A relay failed: the framing has counted these bytes already, so they must not be taken for what follows them. Left
    /// where they are, the rest of a body would be read as the client's next request.
    private mutating func drop(_ count: Int, of source: Handle) -> FlushResult {
        connections[source].input.consume(count)
        return .failed
    }

    /// Encrypting reads one connection and changes another of the same slab: the source's buffer is taken out meanwhile.
    private mutating func seal(_ handle: Handle, from source: Handle, count: Int) -> Int {
        var body = ByteBuffer()
        swap(&body, &connections[source].input)
        let taken = connections[handle].encrypt(body, count: count)
        swap(&body, &connections[source].input)
        return taken
    }

    /// Closes a socket and frees its connection. Who refers to it finds its handle stale.
    mutating func close(_ handle: Handle, abort: Bool = false) {
        guard connections.contains(handle) else { return }
        if !connections[handle].question.isNone { dropQuestion(handle) }
        if connections[handle].isHTTP2, hasStreams(handle) {
            // Nobody may be left with a stream of a connection that is no more.
            endStreams(handle, .connectionTermination)
            guard connections.contains(handle) else { return }
        }
        if connections[handle].isTLS, !abort, connections[handle].session?.isEstablished == true {
            if connections[handle].cipherOutput.isEmpty, connections[handle].canWrite {
                connections[handle].sealEnd()
                _ = flushCipher(handle)
            }
        }
        if !connections[handle].isInternal { transport.close(connections[handle].socket, abort: abort) }
        timers.cancel(connections[handle].timer)
        timers.cancel(connections[handle].noticeTimer)
        releasePipe(handle)
        buffers.reclaim(&connections[handle].input)
        buffers.reclaim(&connections[handle].output)
        buffers.reclaim(&connections[handle].cipherInput)
        buffers.reclaim(&connections[handle].cipherOutput)
        if connections[handle].isHTTP2 { http2.remove(connections[handle].http2) }
        countWire(handle)
        if connections[handle].role == .downstream {
            if !connections[handle].isInternal { countClosed(handle) }
            releaseGeneration(connections[handle].generation)
        } else {
            leavePool(handle)
        }
        connections.remove(handle)
    }

    /// Wakes the connection at `deadline` at the latest. Putting off costs a store; the timer is looked at when it fires.
    @inline(__always)
    mutating func setDeadline(_ handle: Handle, _ deadline: UInt64) {
        connections[handle].deadline = deadline
        if deadline < connections[handle].timerAt {
            timers.cancel(connections[handle].timer)
            connections[handle].timerAt = deadline
            connections[handle].timer = timers.schedule(
                TimerWheel.Payload(kind: Self.connectionTimer, bits: handle.bits), at: deadline)
        }
    }
}
