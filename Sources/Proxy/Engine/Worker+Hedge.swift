internal import EventLoop
internal import HTTP1
internal import HTTP2
internal import HeaderBlock
internal import Memory
internal import Resilience
internal import Telemetry

/// Hedging on the per-try timeout: a try that takes too long goes on while another one begins, and the first good answer
/// counts.
///
/// The earlier try becomes an exchange of its own, a hedge: it has the connection or stream, its place in the pool and a
/// permit of the cluster, but no client; `leader` is the exchange that it answers for. What comes of it:
/// - a good answer: it moves to the leader as if the leader's own try had brought it; all other tries end;
/// - a bad answer or none: it is dropped while another try is on its way or to come; the last one's outcome is the
///   request's.
/// As with Envoy, a hedge is not tried again, and a leader whose tries are used up waits for its hedges.
extension Worker where Wire: ~Copyable {
    /// The current try takes too long. False: it has to end, as nobody has been asked anything yet.
    mutating func hedge(_ exchange: Handle) -> Bool {
        let connection = exchanges[exchange].upstream
        guard exchanges[exchange].retry != nil, exchanges[exchange].requestState == .sent,
            exchanges[exchange].responseState == .none, exchanges[exchange].upgrade == .none,
            exchanges[exchange].cluster >= 0, connections.contains(connection)
        else { return false }
        report(exchange, .localFailure)
        // Without what was sent there is no other try; this one goes on alone, as it does when no retry is left.
        guard !exchanges[exchange].replayOverflowed else { return true }
        guard clusterBreaker(exchange)?.acquire(.request) ?? true else {
            exchanges[exchange].flags.insert(.upstreamOverflow)
            return true
        }
        guard retry(exchange, AttemptOutcome(.slow), canRepeat: true) else {
            clusterBreaker(exchange)?.release(.request)
            return true
        }
        detach(exchange, connection)
        return true
    }

    /// Makes a hedge of the exchange's try.
    private mutating func detach(_ exchange: Handle, _ connection: Handle) {
        let generation = exchanges[exchange].generation
        let cluster = exchanges[exchange].cluster
        let names = exchanges[exchange].retriableNames
        var named = names.isEmpty ? [] : exchanges[exchange].bytes(names)
        let stream = exchanges[exchange].upstreamStream
        let hedge = exchanges.insert()
        retainGeneration(generation)
        exchanges[hedge].leader = exchange
        exchanges[hedge].nextHedge = exchanges[exchange].firstHedge
        exchanges[exchange].firstHedge = hedge
        exchanges[hedge].generation = generation
        exchanges[hedge].chain = exchanges[exchange].chain
        exchanges[hedge].cluster = cluster
        exchanges[hedge].isHighPriority = exchanges[exchange].isHighPriority
        exchanges[hedge].isAdmitted = true
        exchanges[hedge].retry = exchanges[exchange].retry
        exchanges[hedge].retryPolicy = exchanges[exchange].retryPolicy
        exchanges[hedge].isHead = exchanges[exchange].isHead
        exchanges[hedge].requestBody = BodyDecoder(.none)
        exchanges[hedge].requestEnded = true
        exchanges[hedge].requestState = .sent
        exchanges[hedge].reframesRequest = exchanges[exchange].reframesRequest
        exchanges[hedge].startedAt = exchanges[exchange].startedAt
        exchanges[hedge].upstreamSentAt = exchanges[exchange].upstreamSentAt
        buffers.lend(&exchanges[hedge].arena)
        if !named.isEmpty { exchanges[hedge].retriableNames = exchanges[hedge].append(&named) }
        metrics.clusters[generations[generation].clusters[cluster].statistics].activeRequests &+= 1
        moveTry(from: exchange, to: hedge, connection, stream)
    }

    /// Gives a try, with its connection or stream and what it counts in, to another exchange.
    private mutating func moveTry(from: Handle, to: Handle, _ connection: Handle, _ stream: UInt32) {
        exchanges[to].upstream = connection
        exchanges[to].upstreamStream = stream
        exchanges[to].pool = exchanges[from].pool
        exchanges[to].endpoint = exchanges[from].endpoint
        exchanges[from].upstream = .none
        exchanges[from].upstreamStream = 0
        exchanges[from].pool = -1
        if stream == 0 {
            connections[connection].exchange = to
        } else {
            _ = http2[connections[connection].http2].setToken(to.bits, stream: stream)
        }
    }

    /// The exchange's own tries are over: the earlier ones go on.
    mutating func awaitHedges(_ exchange: Handle) {
        exchanges[exchange].awaitsHedges = true
        exchanges[exchange].requestState = .waiting
        exchanges[exchange].tryDeadline = .max
        exchanges[exchange].tryIdleDeadline = .max
        // The timer that ended the try may have been the only one.
        armExchange(exchange)
    }

    /// A hedge has the head of a response. True: it is the leader's answer now, and its body follows on the connection.
    mutating func hedgeAnswered(_ handle: Handle, _ hedge: Handle, _ status: UInt16) -> Bool {
        let leader = exchanges[hedge].leader
        guard exchanges.contains(leader), exchanges[leader].responseState == .none else {
            dropUpstream(hedge)
            freeHedge(hedge)
            return false
        }
        let isBad = exchanges[hedge].retry?.wants(outcome(of: hedge, status)) ?? false
        let isLast =
            exchanges[leader].awaitsHedges && exchanges[leader].firstHedge == hedge
            && exchanges[hedge].nextHedge.isNone
        if isBad, !isLast {
            discard(handle, hedge)
            freeHedge(hedge)
            return false
        }
        return promote(hedge, leader, handle)
    }

    /// A hedge's try ended without a response.
    mutating func hedgeFailed(_ hedge: Handle, _ failure: AttemptFailure) {
        let leader = exchanges[hedge].leader
        recordFailure(hedge, failure)
        dropUpstream(hedge)
        freeHedge(hedge)
        guard exchanges.contains(leader), exchanges[leader].awaitsHedges, exchanges[leader].firstHedge.isNone,
            exchanges[leader].responseState == .none
        else { return }
        exchanges[leader].awaitsHedges = false
        replyToFailure(leader, failure)
    }

    /// The hedge's response, whose head has come, is the leader's.
    private mutating func promote(_ hedge: Handle, _ leader: Handle, _ connection: Handle) -> Bool {
        unlinkHedge(hedge)
        dropHedges(leader)
        exchanges[leader].retryAt = .max
        exchanges[leader].retry = nil
        exchanges[leader].awaitsHedges = false
        dropUpstream(leader)
        let stream = exchanges[hedge].upstreamStream
        moveTry(from: hedge, to: leader, connection, stream)
        exchanges[leader].requestState = .sent
        exchanges[leader].upstreamSentAt = exchanges[hedge].upstreamSentAt
        exchanges[leader].responseHead = exchanges[hedge].responseHead
        exchanges[leader].responseBody = exchanges[hedge].responseBody
        exchanges[leader].responseEnded = exchanges[hedge].responseEnded
        exchanges[leader].isResponseQueued = exchanges[hedge].isResponseQueued
        moveResponseHead(from: hedge, to: leader)
        freeExchange(hedge)
        guard acceptResponse(connection, leader, isTunnel: false) else { return false }
        guard stream != 0, exchanges.contains(leader) else { return true }
        // The head does not wait for a body that may be long in coming.
        markDirty(exchanges[leader].downstream)
        drainResponse(leader)
        return false
    }

    /// The table goes over with its bytes, which get another place.
    private mutating func moveResponseHead(from hedge: Handle, to leader: Handle) {
        var bytes = ByteBuffer()
        var table = HeaderTable()
        swap(&bytes, &exchanges[hedge].arena)
        swap(&table, &exchanges[hedge].response)
        let offset = exchanges[leader].arena.end &- bytes.start
        exchanges[leader].arena.append(from: bytes, offset: bytes.start, count: bytes.count)
        table.move(by: offset)
        swap(&table, &exchanges[leader].response)
        swap(&bytes, &exchanges[hedge].arena)
    }

    /// Takes a hedge out of its leader's list.
    private mutating func unlinkHedge(_ hedge: Handle) {
        let leader = exchanges[hedge].leader
        exchanges[hedge].leader = .none
        guard exchanges.contains(leader) else { return }
        let next = exchanges[hedge].nextHedge
        if exchanges[leader].firstHedge == hedge {
            exchanges[leader].firstHedge = next
            return
        }
        var previous = exchanges[leader].firstHedge
        while !previous.isNone, exchanges[previous].nextHedge != hedge { previous = exchanges[previous].nextHedge }
        if !previous.isNone { exchanges[previous].nextHedge = next }
    }

    private mutating func freeHedge(_ hedge: Handle) {
        unlinkHedge(hedge)
        freeExchange(hedge)
    }

    /// Ends all earlier tries: there is an answer, or nobody waits for one.
    mutating func dropHedges(_ exchange: Handle) {
        while exchanges.contains(exchanges[exchange].firstHedge) {
            let hedge = exchanges[exchange].firstHedge
            unlinkHedge(hedge)
            dropUpstream(hedge)
            freeExchange(hedge)
        }
        exchanges[exchange].firstHedge = .none
    }
}
