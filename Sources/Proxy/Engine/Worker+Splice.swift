internal import EventLoop
internal import Memory

/// What moving bytes through a pipe came to.
enum SpliceResult {
    case moved
    /// Nothing to be had, or no room; an event follows.
    case blocked
    case end
    case failed
    /// Copy instead.
    case unfit
}

/// Large flows between two plain TCP sockets go through a pipe, without being copied (splice(2)): half the CPU. What comes in
/// small pieces is copied, which costs less than pages do.
extension Worker where Wire: ~Copyable {
    /// Reads in a row that filled a buffer make a flow a large one, and so many moves of less than a buffer make it small again.
    private static var largeAfter: UInt8 { 4 }
    private static var smallAfter: UInt8 { 8 }

    /// What one read brought.
    @inline(__always)
    mutating func noteRead(_ source: Handle) {
        if connections[source].input.count < BufferPool.bufferSize {
            connections[source].largeReads = 0
        } else if connections[source].largeReads < Self.largeAfter {
            connections[source].largeReads &+= 1
        }
    }

    /// Whether a pipe should take what comes next, all that came before having been passed on.
    @inline(__always)
    func splices(from source: Handle, to target: Handle) -> Bool {
        if connections[source].inPipe > 0 { return true }
        return connections[source].largeReads >= Self.largeAfter && connections[source].input.isEmpty
            && pipes.isUsable && connections[source].mayUsePipe && connections[target].mayUsePipe
    }

    /// Fills the pipe of `source` and empties it into `target`, once.
    mutating func splice(from source: Handle, to target: Handle) -> SpliceResult {
        if connections[source].inPipe == 0 {
            buffers.reclaimIfEmpty(&connections[source].input)
            guard connections[source].canRead else {
                releasePipe(source)
                return connections[source].sawEnd ? .end : .blocked
            }
            if connections[source].pipe == nil { connections[source].pipe = pipes.take(&transport) }
            guard let pipe = connections[source].pipe else {
                connections[source].largeReads = 0
                return .unfit
            }
            let count = transport.fill(pipe, from: connections[source].socket)
            guard count > 0 else {
                releasePipe(source)
                return nothingToSplice(source, count)
            }
            connections[source].wireReceived &+= UInt64(truncatingIfNeeded: count)
            connections[source].inPipe = count
            connections[source].forwarded &+= count
            if count >= BufferPool.bufferSize {
                connections[source].largeReads = Self.largeAfter &+ Self.smallAfter
            } else {
                connections[source].largeReads &-= 1
            }
        }
        guard let pipe = connections[source].pipe else { return .failed }
        while connections[source].inPipe > 0 {
            guard connections[target].canWrite else { return .blocked }
            let count = transport.drain(pipe, count: connections[source].inPipe, to: connections[target].socket)
            if count == IOCode.interrupted { continue }
            guard count > 0 else { return cannotWrite(target, count) == .failed ? .failed : .blocked }
            connections[target].wireSent &+= UInt64(truncatingIfNeeded: count)
            connections[source].inPipe &-= count
        }
        return .moved
    }

    private mutating func nothingToSplice(_ source: Handle, _ count: Int) -> SpliceResult {
        if IOCode.isUnsupported(count) {
            pipes.isUsable = false
            return .unfit
        }
        if count == IOCode.interrupted { return .moved }
        switch noBytes(source, count) {
        case .end: return .end
        case .failed: return .failed
        case .bytes, .full, .blocked: return .blocked
        }
    }

    /// Gives up the pipe of a connection, with what is in it.
    mutating func releasePipe(_ handle: Handle) {
        guard let pipe = connections[handle].pipe else { return }
        pipes.giveBack(pipe, isEmpty: connections[handle].inPipe == 0, &transport)
        connections[handle].pipe = nil
        connections[handle].inPipe = 0
    }
}

extension Connection {
    /// Its bytes are those of a TCP socket, as they are.
    var mayUsePipe: Bool {
        guard !isTLS, !isInternal, case .ip = remote else { return false }
        return true
    }
}
