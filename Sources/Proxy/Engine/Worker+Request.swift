internal import Authorization
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
    static var overflowText: StaticString {
        "upstream connect error or disconnect/reset before headers. reset reason: overflow"
    }

    /// The connection manager of an exchange.
    @inline(__always)
    func httpManager(_ exchange: Handle) -> HTTPConnectionManager {
        generations[exchanges[exchange].generation].chains[exchanges[exchange].chain].http ?? .refusing
    }

    /// A request head is complete: takes it over, decides about it and sends it on its way.
    mutating func startRequest(_ handle: Handle, _ exchange: Handle, _ head: MessageHead) {
        exchanges[exchange].takeRequestHead(&connections[handle].input, &buffers, length: head.length)
        exchanges[exchange].requestHead = head
        beginRequest(handle, exchange)
    }

    /// The request's head is in the exchange: decides about it and sends it on its way.
    mutating func beginRequest(_ handle: Handle, _ exchange: Handle) {
        let head = exchanges[exchange].requestHead
        let manager = httpManager(exchange)
        exchanges[exchange].startedWall = transport.wallMicroseconds
        exchanges[exchange].requestBody = BodyDecoder(head.framing)
        exchanges[exchange].requestState = .waiting
        exchanges[exchange].isHead = exchanges[exchange].request.knownMethod == .head
        exchanges[exchange].keepsAlive = head.keepsAlive && !isDraining && !connections[handle].isDraining
        exchanges[exchange].request.scheme = connections[handle].isTLS ? .https : .http
        if exchanges[exchange].downstreamStream != 0 { exchanges[exchange].noteGRPC() }
        connections[handle].requests &+= 1
        let most = manager.timeouts.maxRequests
        if most > 0, connections[handle].requests >= most { exchanges[exchange].keepsAlive = false }
        let age = UInt64(manager.timeouts.maxConnectionMilliseconds)
        if age > 0, now &- connections[handle].acceptedAt >= age { exchanges[exchange].keepsAlive = false }
        let receive = UInt64(manager.timeouts.requestMilliseconds)
        if receive > 0, head.framing != .none { exchanges[exchange].requestDeadline = now &+ receive }
        let idle = UInt64(manager.timeouts.streamIdleMilliseconds)
        exchanges[exchange].idleTimeoutMilliseconds = idle
        exchanges[exchange].idleDeadline = idle == 0 ? .max : now &+ idle
        if refusesForMemory(handle, exchange) { return }

        if exchanges[exchange].request.version == .http10, !manager.acceptsHTTP10 {
            exchanges[exchange].details = "low_version"
            return reply(exchange, 426, "Upgrade Required", [])
        }
        if exchanges[exchange].request.knownMethod == .connect {
            exchanges[exchange].upgrade = .connect
        } else if head.asksForUpgrade {
            if asksForCleartextHTTP2(exchange) {
                exchanges[exchange].request.removeAll(.http2Settings)
            } else {
                exchanges[exchange].upgrade = .switchProtocols
            }
        }
        if exchanges[exchange].request.authority.isEmpty, !manager.defaultHostForHTTP10.isEmpty {
            setAuthority(exchange, manager.defaultHostForHTTP10)
        }
        if exchanges[exchange].request.authority.isEmpty, exchanges[exchange].request.first(.host) == nil {
            // HTTP/1.1 without Host is refused by its parser; this is one of HTTP/1.0 or HTTP/2.
            exchanges[exchange].details = "missing_host_header"
            exchanges[exchange].keepsAlive = false
            return reply(exchange, 400, "", [])
        }
        if manager.stripsHostPort { stripHostPort(exchange) }
        if exchanges[exchange].requestPathHasFragment {
            // A fragment is the client's own business (RFC 9112 section 3.2); backends read it in different ways.
            exchanges[exchange].details = "path_normalization_failed"
            exchanges[exchange].keepsAlive = false
            return reply(exchange, 400, "", [])
        }
        removeRequestHopByHop(exchange)
        guard applyHeadOptions(handle, exchange, manager) else { return }
        if manager.normalizesPath || manager.mergesSlashes, exchanges[exchange].upgrade != .connect {
            guard
                exchanges[exchange].normalizePath(
                    dots: manager.normalizesPath, merging: manager.mergesSlashes, scratch: &scratch)
            else {
                exchanges[exchange].details = "path_normalization_failed"
                exchanges[exchange].keepsAlive = false
                return reply(exchange, 400, "", [])
            }
        }
        exchanges[exchange].joinForwardedFor(&scratch)
        findClient(handle, exchange, manager)
        prepareHeaders(handle, exchange, manager)
        startFilters(exchange)
    }

    /// Finds the route: the decision is there for the filters, and for the router behind them.
    mutating func findRoute(_ exchange: Handle, _ manager: HTTPConnectionManager) {
        let generation = exchanges[exchange].generation
        guard let index = manager.routeTable, index < generations[generation].snapshot.routeTables.count,
            let table = generations[generation].snapshot.routeTables[index]
        else { return }
        exchanges[exchange].routeTable = index
        exchanges[exchange].decision = exchanges[exchange].decide(
            table, of: generations[generation].snapshot, random: exchanges[exchange].filters.random)
    }

    /// Does what the route says.
    mutating func route(_ exchange: Handle, _ manager: HTTPConnectionManager) {
        guard let decision = exchanges[exchange].decision,
            let table = generations[exchanges[exchange].generation].snapshot.routeTables[exchanges[exchange].routeTable]
        else {
            exchanges[exchange].details = "route_not_found"
            return reply(exchange, 404, "", .noRouteFound)
        }
        switch decision.outcome {
        case .noVirtualHost, .noRoute:
            exchanges[exchange].details = "route_not_found"
            reply(exchange, 404, "", .noRouteFound)
        case .redirect, .requireTLS: redirect(exchange, table, decision)
        case .directResponse:
            let route = table.route(decision.route)
            exchanges[exchange].details = "direct_response"
            reply(exchange, route.status, table, route.body)
        case .forward: forward(exchange, table, decision, cluster: Int(decision.cluster.index))
        case .forwardByHeader:
            let cluster = clusterNamed(exchange, table, decision)
            forward(exchange, table, decision, cluster: cluster)
        }
    }

    private mutating func redirect(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision) {
        scratch.removeAll(keepingCapacity: true)
        exchanges[exchange].writeRedirect(table, decision, into: &scratch)
        let status = decision.outcome == .requireTLS ? 301 : table.route(decision.route).status
        exchanges[exchange].details = "direct_response"
        replyRedirect(exchange, status)
    }

    private func clusterNamed(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision) -> Int {
        let name = HeaderName(table.string(table.route(decision.route).clusterHeader.name))
        guard let value = exchanges[exchange].requestHeader(name) else { return .max }
        let text = String(decoding: value, as: UTF8.self)
        let clusters = generations[exchanges[exchange].generation].snapshot.clusters
        return clusters.firstIndex { $0?.name == text } ?? .max
    }

    /// The request goes to a cluster: sets its times, changes its headers, and starts the first attempt.
    private mutating func forward(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision, cluster: Int) {
        let generation = exchanges[exchange].generation
        let route = table.route(decision.route)
        guard cluster < generations[generation].clusters.count, generations[generation].clusters[cluster].exists else {
            exchanges[exchange].details = "cluster_not_found"
            return reply(exchange, route.status, "", .noClusterFound)
        }
        exchanges[exchange].cluster = cluster
        let statistic = generations[generation].clusters[cluster].statistics
        exchanges[exchange].returnsAttemptCount = route.returnsAttemptCount
        exchanges[exchange].isHighPriority = route.highPriority
        exchanges[exchange].endpointCriteria = decision.metadataMatch
        guard clusterBreaker(exchange)?.acquire(.request) ?? true else {
            metrics.clusters[statistic].overflows &+= 1
            exchanges[exchange].details = "upstream_reset_before_response_started{overflow}"
            return reply(exchange, 503, Self.overflowText, .upstreamOverflow)
        }
        exchanges[exchange].isAdmitted = true
        exchanges[exchange].reframesRequest =
            exchanges[exchange].downstreamStream != 0 || generations[generation].clusters[cluster].mayStream
        if exchanges[exchange].reframesRequest { unchunkCollected(exchange) }
        setTimes(exchange, route)
        applyRoute(exchange, table, decision, route)
        if !route.hashPolicies.isEmpty { hashRequest(exchange, table, decision) }
        metrics.clusters[statistic].activeRequests &+= 1
        metrics.clusters[statistic].requests &+= 1
        armExchange(exchange)
        startAttempt(exchange)
    }

    @inline(__always)
    private mutating func setTimes(_ exchange: Handle, _ route: RouteEntry) {
        // What others have asked is gone.
        let asked = exchanges[exchange].mayAsk ? exchanges[exchange].takeAsked() : AskedOfRouter()
        setRetries(exchange, route, asked)
        exchanges[exchange].hedgesTries = asked.hedges ?? route.hedges
        let plan = exchanges[exchange].timeoutPlan(route, asked)
        exchanges[exchange].routeTimeoutMilliseconds = TimeoutPlan.milliseconds(plan.total)
        exchanges[exchange].tryTimeoutMilliseconds = TimeoutPlan.milliseconds(plan.perTry)
        // The route's time begins when the request is complete.
        if exchanges[exchange].requestBody.isComplete { startRouteTime(exchange) }
        if route.idleTimeoutNanoseconds != .max {
            let idle = route.idleTimeoutNanoseconds / 1_000_000
            exchanges[exchange].idleTimeoutMilliseconds = idle
            exchanges[exchange].idleDeadline = idle == 0 ? .max : now &+ idle
        }
    }

    /// The request is complete: from now on the response is awaited.
    mutating func startRouteTime(_ exchange: Handle) {
        exchanges[exchange].requestDeadline = .max
        let timeout = exchanges[exchange].routeTimeoutMilliseconds
        if timeout > 0, exchanges[exchange].routeDeadline == .max { exchanges[exchange].routeDeadline = now &+ timeout }
    }
}
