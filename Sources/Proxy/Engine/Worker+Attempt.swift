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

/// Why an attempt at an endpoint ended without a response.
enum AttemptFailure {
    case connectFailure, connectTimeout
    /// The TLS handshake failed, or our own certificate is not there yet.
    case transportFailure
    case connectionReset
    /// The endpoint ended the connection.
    case connectionTermination
    case protocolError
    case perTryTimeout
    /// The endpoint reset the stream.
    case streamReset
    /// The endpoint would not have the stream.
    case streamRefused
}

extension Worker where Wire: ~Copyable {
    /// Reads the retry policy that the route names into the exchange, and what the request asks for beside it.
    @inline(__always)
    mutating func setRetries(_ exchange: Handle, _ route: RouteEntry, _ asked: AskedOfRouter) {
        let snapshot = generations[exchanges[exchange].generation].snapshot
        let policies = snapshot.retryPolicies
        let index = Int(route.retryPolicy)
        guard index < policies.count else {
            if asked.asksForRetries { setRetries(exchange, RetryPolicy(), nil, asked) }
            return
        }
        exchanges[exchange].retryPolicy = route.retryPolicy
        let headers = index < snapshot.retryHeaders.count ? snapshot.retryHeaders[index] : nil
        setRetries(exchange, policies[index], headers, asked)
        exchanges[exchange].avoidsTried = policies[index].avoidsPreviousHosts
        exchanges[exchange].tried.redraws = policies[index].hostSelectionAttempts
        exchanges[exchange].priorityUpdates = policies[index].priorityUpdateFrequency
        exchanges[exchange].tryIdleMilliseconds = TimeoutPlan.milliseconds(policies[index].perTryIdleTimeout)
        exchanges[exchange].tryTimeout = policies[index].perTryTimeout
    }

    @inline(__always)
    private mutating func setRetries(
        _ exchange: Handle, _ policy: RetryPolicy, _ headers: RetryHeaders?, _ asked: AskedOfRouter
    ) {
        var policy = policy
        policy.conditions.formUnion(asked.conditions)
        if let headers, !headers.request.isEmpty, !exchanges[exchange].mayRepeat(headers) { policy.conditions = [] }
        if !policy.conditions.isEmpty, let retries = asked.retries { policy.retries = retries }
        if !asked.statusCodes.isEmpty {
            exchanges[exchange].readStatusCodes(asked.statusCodes, into: &policy.statusCodes)
        }
        exchanges[exchange].retry = RetryState(policy)
    }

    /// Picks an endpoint and gets a connection to it: an idle one, a new one, or a place in the queue.
    mutating func startAttempt(_ exchange: Handle) {
        let generation = exchanges[exchange].generation
        let cluster = exchanges[exchange].cluster
        exchanges[exchange].attempts &+= 1
        exchanges[exchange].requestState = .waiting
        exchanges[exchange].replaySent = 0
        // What an endpoint before has answered, and was not wanted, is not this one's.
        exchanges[exchange].responseEnded = false
        exchanges[exchange].isResponseQueued = false
        exchanges[exchange].hasResponseTrailers = false
        buffers.reclaim(&exchanges[exchange].responseQueue)
        guard let pool = choosePool(exchange, generation, cluster) else {
            metrics.clusters[generations[generation].clusters[cluster].statistics].noHealthyUpstream &+= 1
            exchanges[exchange].details = "no_healthy_upstream"
            return fail(exchange, 503, "no healthy upstream", .noHealthyUpstream)
        }
        exchanges[exchange].pool = pool
        pools[pool].active &+= 1
        if exchanges[exchange].attempts > 1 { countDown(exchange) }
        if exchanges[exchange].tryTimeoutMilliseconds > 0 {
            exchanges[exchange].tryDeadline = now &+ exchanges[exchange].tryTimeoutMilliseconds
            armExchange(exchange)
        }
        let ratio = generations[generation].clusters[cluster].preconnectRatio
        if exchanges[exchange].tryIdleMilliseconds > 0 {
            exchanges[exchange].tryIdleDeadline = now &+ exchanges[exchange].tryIdleMilliseconds
            armExchange(exchange)
        }
        if pools[pool].key.upstream != .http1, !pools[pool].isHTTP1 {
            if let connection = takeShared(pool) { return sendStreamRequest(exchange, connection) }
            if pools[pool].opening > 0 {
                guard becomePending(exchange, pool) else { return overflow(exchange) }
                return enqueue(exchange, pool)
            }
        }
        if let connection = takeIdle(pool) {
            attach(exchange, connection)
            sendRequest(exchange, connection)
        } else {
            connect(exchange, pool)
        }
        if ratio > 1 { preconnect(pool, generation, cluster, ratio) }
    }

    /// The pool of the endpoint that balancing chooses; nil when there is none.
    @inline(__always)
    private mutating func choosePool(_ exchange: Handle, _ generation: Int, _ cluster: Int) -> Int? {
        if generations[generation].clusters[cluster].discovery == .originalDestination {
            return destinationPool(exchange, generation, cluster)
        }
        let tried = exchanges[exchange].avoidsTried ? exchanges[exchange].tried : triedPriorities(exchange)
        let time = now
        let random = transport.random()
        let pick = generations[generation].clusters[cluster].pick(
            random: random, hash: exchanges[exchange].hash, tried: tried, now: time,
            criteria: exchanges[exchange].endpointCriteria)
        guard pick >= 0 else { return nil }
        rememberTry(exchange, generation, cluster, pick)
        let endpoint = generations[generation].clusters[cluster].firstEndpoint &+ pick
        exchanges[exchange].endpoint = endpoint
        if exchanges[exchange].endsConnect { return plainPool(exchange, generation, cluster, endpoint) }
        let alternate = generations[generation].endpoints[endpoint].alternatePool
        if alternate >= 0, takesAlternate(exchange, generation, cluster) { return alternate }
        return endpointPool(exchange, generation, cluster, endpoint)
    }

    private mutating func destinationPool(_ exchange: Handle, _ generation: Int, _ cluster: Int) -> Int? {
        let downstream = exchanges[exchange].downstream
        guard connections.contains(downstream) else { return nil }
        let original = connections[downstream].wantsDestination ? connections[downstream].local : nil
        guard let address = destination(exchange, generation, cluster, original) else { return nil }
        let version = generations[generation].clusters[cluster].upstream
        return onDemandPool(
            generation, cluster, address,
            takesAlternate(exchange, generation, cluster) ? version.alternate : version.first)
    }

    /// A request that goes by the other of an endpoint's two pools: HTTP/2 clients where the client's protocol is kept;
    /// upgrades where HTTP/2 is only the way between proxies.
    private func takesAlternate(_ exchange: Handle, _ generation: Int, _ cluster: Int) -> Bool {
        switch generations[generation].clusters[cluster].upstream {
        case .downstream: exchanges[exchange].downstreamStream != 0
        case .auto: exchanges[exchange].upgrade != .none
        case .http1, .http2: false
        }
    }

    /// The request has more fields than fit behind what was added to it: without them it is another request.
    mutating func refuseOverflow(_ exchange: Handle) {
        exchanges[exchange].details = "http.too_many_fields"
        fail(exchange, 431, "", [])
    }

    private mutating func overflow(_ exchange: Handle) {
        exchanges[exchange].details = "upstream_reset_before_response_started{overflow}"
        fail(exchange, 503, Self.overflowText, .upstreamOverflow)
    }

    /// Opens a connection for the exchange, or queues it when the cluster may have no more.
    private mutating func connect(_ exchange: Handle, _ pool: Int) {
        guard becomePending(exchange, pool) else { return overflow(exchange) }
        guard admitConnection(pool) else { return enqueue(exchange, pool) }
        let connection = openConnection(pool, connectTimeout: connectTimeout(exchange))
        guard let connection else {
            exchanges[exchange].upstreamAddress = pools[pool].key.address
            pools[pool].breaker?.release(.connection)
            return attemptFailed(exchange, .connectFailure)
        }
        attach(exchange, connection)
    }

    private func connectTimeout(_ exchange: Handle) -> UInt64 {
        generations[exchanges[exchange].generation].clusters[exchanges[exchange].cluster].connectTimeoutMilliseconds
    }

    /// Joins an exchange and an upstream connection.
    @inline(__always)
    mutating func attach(_ exchange: Handle, _ connection: Handle) {
        exchanges[exchange].upstream = connection
        // Whoever reads the log wants to know which endpoint was tried, whatever became of it.
        exchanges[exchange].upstreamAddress = connections[connection].remote
        connections[connection].exchange = exchange
    }

    /// The connection is ready: writes the head, and as much of the body as there is.
    mutating func sendRequest(_ exchange: Handle, _ connection: Handle) {
        let cluster = exchanges[exchange].cluster
        let generation = exchanges[exchange].generation
        endPending(exchange)
        connections[connection].phase = .http
        connections[connection].requests &+= 1
        if exchanges[exchange].endsConnect { return beginPlainTunnel(exchange, connection) }
        buffers.lend(&connections[connection].output)
        if exchanges[exchange].rewritesHostToEndpoint { setEndpointHost(exchange, generation, cluster) }
        let attempts = exchanges[exchange].sendsAttemptCount ? exchanges[exchange].attempts : 0
        if exchanges[exchange].reframesRequest { chooseRequestRelay(exchange) }
        if exchanges[exchange].isExtendedConnect { addWebSocketKey(exchange) }
        if exchanges[exchange].request.hasOverflowed { return refuseOverflow(exchange) }
        exchanges[exchange].writeRequestHead(to: &connections[connection].output, attempts: attempts)
        // The head does not wait for a body that may be long in coming.
        if exchanges[exchange].reframesRequest { markDirty(connection) }
        exchanges[exchange].requestState = .body
        exchanges[exchange].upstreamSentAt = transport.microseconds
        advanceRequest(exchanges[exchange].downstream, exchange)
    }

    /// `auto_host_rewrite`: the authority becomes the name of the chosen endpoint, when it has one.
    mutating func setEndpointHost(_ exchange: Handle, _ generation: Int, _ cluster: Int) {
        let host = exchanges[exchange].endpoint - generations[generation].clusters[cluster].firstEndpoint
        guard let endpoints = generations[generation].snapshot.clusters[cluster]?.endpoints,
            endpoints.indices.contains(host),
            !endpoints[host].hostname.isEmpty
        else { return }
        let isFirst = exchanges[exchange].attempts == 1
        if isFirst, !httpManager(exchange).suppressesEnvoyHeaders {
            let original = exchanges[exchange].request.authority
            exchanges[exchange].addField(.xEnvoyOriginalHost, copying: original)
        }
        setAuthority(exchange, Array(endpoints[host].hostname.utf8))
    }

    /// Unties an exchange from its connection and its endpoint's counts; the connection goes on without it.
    mutating func endAttempt(_ exchange: Handle) {
        let connection = exchanges[exchange].upstream
        let stream = exchanges[exchange].upstreamStream
        exchanges[exchange].upstream = .none
        exchanges[exchange].upstreamStream = 0
        exchanges[exchange].waitsForUpstream = false
        exchanges[exchange].isWoken = false
        exchanges[exchange].wakeFailure = nil
        if connections.contains(connection) {
            if stream == 0 { connections[connection].exchange = .none } else { leaveStream(connection, stream) }
        }
        if exchanges[exchange].isQueued { dequeue(exchange) }
        endPending(exchange)
        let pool = exchanges[exchange].pool
        guard pool >= 0 else { return }
        exchanges[exchange].pool = -1
        pools[pool].active &-= 1
        let endpoint = exchanges[exchange].endpoint
        if endpoint >= 0 {
            generations[exchanges[exchange].generation].finish(exchanges[exchange].cluster, endpoint)
        }
        if pools[pool].references == 0, pools[pool].active == 0 { freePoolIfUnused(pool) }
    }

    /// Drops the attempt and its connection: the answer is no longer wanted, or is half read.
    mutating func dropUpstream(_ exchange: Handle) {
        let connection = exchanges[exchange].upstream
        let isStream = exchanges[exchange].upstreamStream != 0
        endAttempt(exchange)
        if !isStream { close(connection) }
    }

    /// An upstream connection is of no more use. Its exchange, if any, may try again elsewhere.
    mutating func upstreamFailed(_ connection: Handle, _ failure: AttemptFailure) {
        guard connections.contains(connection) else { return }
        let exchange = connections[connection].exchange
        let isReused = connections[connection].isReused
        let reason = connections[connection].session?.failure
        if connections[connection].phase == .tcp { return closeTunnel(connection) }
        if connections[connection].isOpening { connections[connection].openFailure = failure }
        if connections.contains(connections[connection].peer) { return tunnelConnectFailed(connection) }
        guard exchanges.contains(exchange) else { return close(connection) }
        if let reason { exchanges[exchange].transportFailure = reason }
        // Whoever reads the log wants to know which endpoint failed.
        exchanges[exchange].upstreamAddress = connections[connection].remote
        exchanges[exchange].onReusedConnection = isReused
        attemptFailed(exchange, failure)
    }

    /// An attempt is over without a response: again, or the end.
    mutating func attemptFailed(_ exchange: Handle, _ failure: AttemptFailure) {
        if !exchanges[exchange].leader.isNone { return hedgeFailed(exchange, failure) }
        let responded = exchanges[exchange].responseState != .none
        // An endpoint that closed the connection before the request arrived says so within a round trip.
        let elapsed = transport.microseconds &- exchanges[exchange].upstreamSentAt
        let isStale = exchanges[exchange].onReusedConnection && !responded && elapsed < Self.staleMicroseconds
        exchanges[exchange].onReusedConnection = false
        let requestSent = exchanges[exchange].requestState == .sent || exchanges[exchange].requestState == .body
        recordFailure(exchange, failure)
        dropUpstream(exchange)
        if responded { return abortResponse(exchange, failure) }
        let canRepeat = !exchanges[exchange].replayOverflowed
        if isStale, canRepeat, exchanges[exchange].staleAttempts < 3, isRepeatable(exchange),
            failure == .connectionTermination || failure == .connectionReset
        {
            // The endpoint closed an idle connection while the request was on its way: nothing was done about it yet, or
            // the method may be repeated (RFC 9110 section 9.2.2). This is no retry in the sense of the policy.
            exchanges[exchange].staleAttempts &+= 1
            exchanges[exchange].attempts &-= 1
            exchanges[exchange].requestState = .waiting
            wake(exchange)
            return
        }
        let kind: AttemptOutcome.Kind =
            switch failure {
            case .connectFailure, .connectTimeout, .transportFailure: .connectFailure
            case .perTryTimeout: .perTryTimeout
            case .connectionReset, .connectionTermination: requestSent ? .reset : .resetBeforeRequest
            case .protocolError, .streamReset: .reset
            case .streamRefused: .resetBeforeRequest
            }
        if retry(exchange, AttemptOutcome(kind), canRepeat: canRepeat) { return }
        if !exchanges[exchange].firstHedge.isNone { return awaitHedges(exchange) }
        replyToFailure(exchange, failure)
    }

    /// The longest time in which the end of a connection that was kept too long becomes known.
    private static var staleMicroseconds: UInt64 { 250_000 }

    /// Methods that may be sent twice without the client asking.
    private func isRepeatable(_ exchange: Handle) -> Bool {
        switch exchanges[exchange].request.knownMethod {
        case .get, .head, .options, .put, .delete, .trace: true
        case .post, .patch, .connect, .other: exchanges[exchange].upstreamSentAt == 0
        }
    }

    /// Asks the policy; true when another attempt is on its way.
    mutating func retry(_ exchange: Handle, _ outcome: AttemptOutcome, canRepeat: Bool) -> Bool {
        guard var state = exchanges[exchange].retry else { return false }
        let cluster = exchanges[exchange].cluster
        let generation = exchanges[exchange].generation
        let breaker = clusterBreaker(exchange)
        let statistic = generations[generation].clusters[cluster].statistics
        let isFirst = !exchanges[exchange].countsAsRetry
        let allowed = !isFirst || (breaker?.acquire(.retry) ?? true)
        let decision = state.decide(after: outcome, canRepeat: canRepeat, allowed: allowed, random: transport.random())
        exchanges[exchange].retry = state
        if case .retry(let delay) = decision {
            exchanges[exchange].countsAsRetry = true
            metrics.clusters[statistic].retries &+= 1
            exchanges[exchange].requestState = .waiting
            exchanges[exchange].tryDeadline = .max
            exchanges[exchange].tryIdleDeadline = .max
            exchanges[exchange].retryAt = now &+ delay / 1_000_000
            _ = timers.schedule(
                TimerWheel.Payload(kind: Self.retryTimer, bits: exchange.bits), at: exchanges[exchange].retryAt)
            return true
        }
        if isFirst, allowed { breaker?.release(.retry) }
        if decision == .exhausted {
            exchanges[exchange].flags.insert(.upstreamRetryLimitExceeded)
            metrics.clusters[statistic].retriesExhausted &+= 1
        }
        if decision == .overflow {
            exchanges[exchange].flags.insert(.upstreamOverflow)
            metrics.clusters[statistic].retriesOverflowed &+= 1
        }
        return false
    }

    /// Outlier detection hears of an attempt that failed on the way.
    mutating func recordFailure(_ exchange: Handle, _ failure: AttemptFailure) {
        let endpoint = exchanges[exchange].endpoint
        let cluster = exchanges[exchange].cluster
        guard endpoint >= 0, cluster >= 0 else { return }
        report(exchange, .localFailure)
        let statistic = generations[exchanges[exchange].generation].clusters[cluster].statistics
        switch failure {
        case .connectFailure, .connectTimeout, .transportFailure: metrics.clusters[statistic].connectFailures &+= 1
        default: metrics.clusters[statistic].resets &+= 1
        }
    }
}
