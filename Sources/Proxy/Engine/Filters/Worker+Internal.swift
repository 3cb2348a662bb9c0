internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Resilience
internal import Routing
internal import Telemetry

/// What a request that no client sent is for.
enum InternalPurpose: UInt8 {
    case none
    /// A copy of a client's request for another cluster; nobody reads the answer.
    case mirror
    /// A question to an authorization service about `FilterState.parent`.
    case authorization
    /// A question to an authorization service about the connection `FilterState.parent`.
    case connectionAuthorization
    /// Fetches the keys of an issuer of tokens (`Worker.keyFetches`).
    case keys
}

/// Requests that the proxy itself sends, over the worker's own pools. Such a request is an exchange like any other; its
/// client is a connection without a socket, whose input holds the whole request and whose output nobody sends.
extension Worker where Wire: ~Copyable {
    /// The most of an answer that is kept.
    static var internalAnswerBytes: Int { 256 * 1024 }

    /// A connection without a socket, in whose input the caller writes an HTTP/1.1 request.
    mutating func openInternal(for parent: Handle) -> Handle {
        openInternal(
            of: exchanges[parent].downstream, generation: exchanges[parent].generation, chain: exchanges[parent].chain)
    }

    /// The same for a client's connection.
    mutating func openInternal(of client: Handle, generation: Int, chain: Int) -> Handle {
        let handle = connections.insert()
        connections[handle].role = .downstream
        connections[handle].phase = .http
        connections[handle].isInternal = true
        connections[handle].canWrite = true
        // Nothing follows what is in the input.
        connections[handle].sawEnd = true
        connections[handle].generation = generation
        connections[handle].chain = chain
        retainGeneration(generation)
        if connections.contains(client) {
            connections[handle].remote = connections[client].remote
            connections[handle].proxyPeer = connections[client].proxyPeer
            connections[handle].local = connections[client].local
            connections[handle].wantsDestination = connections[client].wantsDestination
        }
        buffers.lend(&connections[handle].input)
        return handle
    }

    /// Sends the request in the input of `handle` to a cluster; false when it cannot be sent: the connection is gone then.
    @discardableResult
    mutating func launchInternal(
        _ handle: Handle, _ purpose: InternalPurpose, for parent: Handle, cluster: Int, timeoutMilliseconds: UInt64
    ) -> Bool {
        let generation = connections[handle].generation
        guard cluster >= 0, cluster < generations[generation].clusters.count,
            generations[generation].clusters[cluster].exists
        else {
            close(handle)
            return false
        }
        let exchange = exchanges.insert()
        connections[handle].exchange = exchange
        exchanges[exchange].downstream = handle
        exchanges[exchange].generation = generation
        exchanges[exchange].chain = connections[handle].chain
        retainGeneration(generation)
        exchanges[exchange].startedAt = transport.microseconds
        exchanges[exchange].startedWall = transport.wallMicroseconds
        exchanges[exchange].filters.purpose = purpose
        exchanges[exchange].filters.parent = parent
        var limits = limits
        limits.headBytes = 1 << 20
        guard case .complete(let head) = exchanges[exchange].parseRequest(&connections[handle].input, limits) else {
            return dropInternal(handle, exchange)
        }
        exchanges[exchange].takeRequestHead(&connections[handle].input, &buffers, length: head.length)
        exchanges[exchange].requestHead = head
        exchanges[exchange].requestBody = BodyDecoder(head.framing)
        exchanges[exchange].requestState = .waiting
        exchanges[exchange].isHead = exchanges[exchange].request.knownMethod == .head
        exchanges[exchange].keepsAlive = false
        // The answer's body is kept without its framing.
        exchanges[exchange].request.version = .http10
        exchanges[exchange].cluster = cluster
        guard clusterBreaker(exchange)?.acquire(.request) ?? true else {
            metrics.clusters[generations[generation].clusters[cluster].statistics].overflows &+= 1
            return dropInternal(handle, exchange)
        }
        exchanges[exchange].isAdmitted = true
        exchanges[exchange].reframesRequest = generations[generation].clusters[cluster].mayStream
        exchanges[exchange].routeTimeoutMilliseconds = timeoutMilliseconds
        if exchanges[exchange].requestBody.isComplete { startRouteTime(exchange) }
        let statistic = generations[generation].clusters[cluster].statistics
        metrics.clusters[statistic].activeRequests &+= 1
        metrics.clusters[statistic].requests &+= 1
        armExchange(exchange)
        startAttempt(exchange)
        return true
    }

    private mutating func dropInternal(_ handle: Handle, _ exchange: Handle) -> Bool {
        exchanges[exchange].filters.purpose = .none
        freeExchange(exchange)
        close(handle)
        return false
    }

    /// What would go to a client's socket stays in the output, up to a bound, for who waits for the answer.
    mutating func absorb(_ handle: Handle) -> FlushResult {
        let exchange = connections[handle].exchange
        let isWanted = exchanges.contains(exchange) && exchanges[exchange].filters.purpose != .mirror
        if !isWanted || connections[handle].output.count > Self.internalAnswerBytes {
            buffers.reclaim(&connections[handle].output)
        }
        return .done
    }

    /// An exchange of the proxy's own is over: tells who waits for it.
    mutating func endInternal(_ exchange: Handle) {
        let parent = exchanges[exchange].filters.parent
        let purpose = exchanges[exchange].filters.purpose
        exchanges[exchange].filters.purpose = .none
        if purpose == .connectionAuthorization { return takeConnectionAnswer(exchange, for: parent) }
        if purpose == .keys { return takeKeys(exchange) }
        guard purpose == .authorization, exchanges.contains(parent),
            exchanges[parent].filters.child == exchanges[exchange].downstream
        else { return }
        takeAuthorizationAnswer(exchange, for: parent)
    }

    /// A client's exchange is over: what it waits for is not wanted any more.
    mutating func dropChild(_ exchange: Handle) {
        let child = exchanges[exchange].filters.child
        guard !child.isNone else { return }
        exchanges[exchange].filters.child = .none
        guard connections.contains(child) else { return }
        abandonDownstream(child)
    }
}
