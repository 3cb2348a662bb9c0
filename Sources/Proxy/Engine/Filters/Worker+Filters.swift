internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// The HTTP filters in front of the router. The route is looked for first, because routes switch filters and change what
/// they do; a filter that waits leaves the exchange in its state `waiting`, in which no body is read.
extension Worker where Wire: ~Copyable {
    static var filterTimer: UInt8 { 5 }

    /// A request head is ready for the filters: finds the route, and runs them all, or as far as they go without waiting.
    mutating func startFilters(_ exchange: Handle) {
        exchanges[exchange].filters.random = transport.random()
        let manager = httpManager(exchange)
        findRoute(exchange, manager)
        startDuration(exchange, manager)
        // Without a route there is nothing to be upgraded: the router says so.
        if exchanges[exchange].upgrade != .none, let decision = exchanges[exchange].decision, decision.route != .max,
            !admitsUpgrade(exchange, manager)
        {
            exchanges[exchange].details = "upgrade_failed"
            return reply(exchange, 403, "", [])
        }
        runFilters(exchange, manager)
    }

    /// A filter that waited is done.
    mutating func resumeFilters(_ exchange: Handle) {
        exchanges[exchange].filters.dueAt = .max
        runFilters(exchange, httpManager(exchange))
    }

    @inline(__always)
    private mutating func runFilters(_ exchange: Handle, _ manager: HTTPConnectionManager) {
        while exchanges[exchange].filters.next < manager.httpFilters.count {
            let index = exchanges[exchange].filters.next
            exchanges[exchange].filters.next = index &+ 1
            switch runFilter(exchange, manager, index) {
            case .next: continue
            case .answered, .waiting: return
            }
        }
        route(exchange, manager)
    }

    @inline(__always)
    private mutating func runFilter(
        _ exchange: Handle, _ manager: HTTPConnectionManager, _ index: Int
    ) -> FilterStep {
        guard let filter = filter(exchange, manager, index) else { return .next }
        switch filter {
        case .rbac(let authorizer):
            return authorize(exchanges[exchange].downstream, exchange, authorizer) ? .next : .answered
        case .answer(let path, let status, let body):
            guard exchanges[exchange].requestPathEquals(path) else { return .next }
            exchanges[exchange].details = "direct_response"
            reply(exchange, status, body, [])
            return .answered
        case .cors(let policy): return startCORS(exchange, policy)
        case .fault(let fault): return injectFault(exchange, fault)
        case .headerMutation(let mutations):
            mutateRequest(exchange, mutations, routeEntry(exchange, manager, index))
            return .next
        case .jwt(let filter): return authenticate(exchange, filter, routeEntry(exchange, manager, index))
        case .localRateLimit(let limiter): return limitRate(exchange, limiter)
        case .externalAuthorization(let service):
            return authorizeExternally(exchange, service, routeEntry(exchange, manager, index))
        case .jwtRequirement, .checkSettings, .off: return .next
        }
    }

    /// A filter as it applies to this request's route; nil when it is switched off.
    @inline(__always)
    func filter(_ exchange: Handle, _ manager: HTTPConnectionManager, _ index: Int) -> HTTPFilter? {
        guard index < manager.filterPlaces.count else { return manager.httpFilters[index] }
        guard let entry = routeEntry(exchange, manager, index) else {
            return manager.filterPlaces[index].startsDisabled ? nil : manager.httpFilters[index]
        }
        if entry.isDisabled { return nil }
        switch (manager.httpFilters[index], entry.configuration) {
        // What stands under the name of a filter and is not meant for its kind changes nothing: it must not switch it off.
        case (.rbac, .rbac?), (.rbac, .off(.rbac)?), (.cors, .cors?), (.fault, .fault?),
            (.localRateLimit, .localRateLimit?):
            return entry.configuration
        default: return manager.httpFilters[index]
        }
    }

    /// What the route says about a filter.
    @inline(__always)
    func routeEntry(_ exchange: Handle, _ manager: HTTPConnectionManager, _ index: Int) -> RouteFilters.Entry? {
        guard let attachment = exchanges[exchange].decision?.attachment, attachment != .max else { return nil }
        let filters = generations[exchanges[exchange].generation].snapshot.routeFilters
        guard Int(attachment) < filters.count else { return nil }
        return filters[Int(attachment)].entry(for: manager.filterPlaces[index].number)
    }

    /// Waits for some time before the next filter runs.
    mutating func pauseFilters(_ exchange: Handle, milliseconds: UInt64) {
        let due = now &+ milliseconds
        exchanges[exchange].filters.dueAt = due
        _ = timers.schedule(TimerWheel.Payload(kind: Self.filterTimer, bits: exchange.bits), at: due)
    }

    mutating func filterTimerFired(_ exchange: Handle) {
        guard exchanges.contains(exchange), exchanges[exchange].filters.dueAt <= now else { return }
        resumeFilters(exchange)
    }

    /// An exchange is over: gives back what filters hold for it.
    @inline(__always)
    mutating func endFilters(_ exchange: Handle) {
        if exchanges[exchange].filters.purpose != .none { endInternal(exchange) }
        if !exchanges[exchange].filters.child.isNone { dropChild(exchange) }
        if let fault = exchanges[exchange].filters.fault {
            fault.end()
            exchanges[exchange].filters.fault = nil
        }
    }

    // MARK: Response

    /// A response, of the endpoint or of the proxy's own, is about to go to the client: changes its head as the route
    /// and the filters say.
    mutating func filterResponse(_ exchange: Handle) {
        if exchanges[exchange].filters.purpose != .none { return }
        if let decision = exchanges[exchange].decision, !decision.responseMutations.isEmpty,
            let table = generations[exchanges[exchange].generation].snapshot.routeTables[exchanges[exchange].routeTable]
        {
            exchanges[exchange].filters.isAtRoute = true
            for index in decision.responseMutations.indices {
                mutateResponse(exchange, table, table.mutation(index))
            }
            exchanges[exchange].filters.isAtRoute = false
        }
        let manager = httpManager(exchange)
        appendVia(exchange, manager)
        var index = manager.httpFilters.count
        while index > 0 {
            index &-= 1
            switch manager.httpFilters[index] {
            case .cors: permitOrigin(exchange)
            case .headerMutation(let mutations):
                if filter(exchange, manager, index) != nil {
                    mutateResponse(exchange, mutations, routeEntry(exchange, manager, index))
                }
            case .localRateLimit: addRateLimitHeaders(exchange)
            case .externalAuthorization: addApprovedHeaders(exchange)
            case .rbac, .answer, .fault, .jwt, .jwtRequirement, .checkSettings, .off: break
            }
        }
    }
}
