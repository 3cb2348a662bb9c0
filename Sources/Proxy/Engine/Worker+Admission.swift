internal import EventLoop
internal import HeaderBlock
internal import LoadBalancing
internal import Memory
internal import Resilience
internal import Routing
internal import Telemetry

/// What a cluster's circuit breakers and pools let through.
extension Worker where Wire: ~Copyable {
    /// The breaker that the request counts in.
    @inline(__always)
    func clusterBreaker(_ exchange: Handle) -> CircuitBreaker? {
        let cluster = exchanges[exchange].cluster
        guard cluster >= 0 else { return nil }
        return exchanges[exchange].isHighPriority
            ? generations[exchanges[exchange].generation].clusters[cluster].highBreaker
            : generations[exchanges[exchange].generation].clusters[cluster].breaker
    }

    /// A request without a ready connection is pending until it has one, as Envoy counts; false when there are too many.
    mutating func becomePending(_ exchange: Handle, _ pool: Int) -> Bool {
        guard pools[pool].breaker?.acquire(.pendingRequest) ?? true else {
            metrics.clusters[pools[pool].statistics].overflows &+= 1
            return false
        }
        exchanges[exchange].isPending = true
        // Who was sent back into the queue is the same pending request.
        if !exchanges[exchange].wasPending { metrics.clusters[pools[pool].statistics].pendingRequests &+= 1 }
        exchanges[exchange].wasPending = false
        metrics.clusters[pools[pool].statistics].activePendingRequests &+= 1
        return true
    }

    @inline(__always)
    mutating func endPending(_ exchange: Handle) {
        exchanges[exchange].wasPending = false
        guard exchanges[exchange].isPending else { return }
        exchanges[exchange].isPending = false
        let pool = exchanges[exchange].pool
        guard pool >= 0 else { return }
        pools[pool].breaker?.release(.pendingRequest)
        metrics.clusters[pools[pool].statistics].activePendingRequests &-= 1
    }

    /// Whether the pool may open a connection; it counts then. A pool without any may always have one (as Envoy's), or the
    /// connections of another worker could keep its requests waiting for ever.
    mutating func admitConnection(_ pool: Int) -> Bool {
        guard let breaker = pools[pool].breaker else { return true }
        if breaker.acquire(.connection) { return true }
        metrics.clusters[pools[pool].statistics].connectionOverflows &+= 1
        guard pools[pool].connections == 0 else { return false }
        _ = breaker.force(.connection)
        return true
    }

    /// Opens connections ahead of requests, as `per_upstream_preconnect_ratio` says.
    mutating func preconnect(_ pool: Int, _ generation: Int, _ cluster: Int, _ ratio: Double) {
        let wanted = Int((Double(pools[pool].active) * ratio).rounded(.up))
        let timeout = generations[generation].clusters[cluster].connectTimeoutMilliseconds
        // Few at a time: the next request goes on where this one stopped.
        var room = 3
        while pools[pool].connections < wanted, room > 0 {
            room -= 1
            guard pools[pool].breaker?.acquire(.connection) ?? true else { return }
            if openConnection(pool, connectTimeout: timeout) == nil {
                pools[pool].breaker?.release(.connection)
                return
            }
        }
    }

    // MARK: Age

    /// Whether a connection may carry no further request.
    func isSpent(_ handle: Handle, _ pool: Int) -> Bool {
        let most = pools[pool].maxRequestsPerConnection
        return most > 0 && connections[handle].requests >= most || expiry(handle, pool) <= now
    }

    /// When a connection has reached its age.
    @inline(__always)
    func expiry(_ handle: Handle, _ pool: Int) -> UInt64 {
        let age = pools[pool].maxConnectionMilliseconds
        return age == 0 ? .max : connections[handle].acceptedAt &+ age
    }

    // MARK: Retries elsewhere

    /// The priorities that a retry leaves alone.
    func triedPriorities(_ exchange: Handle) -> TriedHosts {
        var tried = TriedHosts()
        tried.avoidedLevels = exchanges[exchange].tried.avoidedLevels
        return tried
    }

    /// Keeps in mind where an attempt goes, for the ones that may follow.
    mutating func rememberTry(_ exchange: Handle, _ generation: Int, _ cluster: Int, _ host: Int) {
        if exchanges[exchange].avoidsTried { exchanges[exchange].tried.insert(host) }
        let frequency = exchanges[exchange].priorityUpdates
        guard frequency > 0,
            let level = generations[generation].clusters[cluster].balancer?.level(of: host)
        else { return }
        exchanges[exchange].triedLevels |= Balancer.bit(level)
        if exchanges[exchange].attempts % frequency == 0 {
            exchanges[exchange].tried.avoidedLevels = exchanges[exchange].triedLevels
        }
    }

    /// The pool of an endpoint whose TLS names the request's host (`auto_sni`). It lives as long as its connections.
    private mutating func namedPool(_ exchange: Handle, _ generation: Int, _ cluster: Int, _ endpoint: Int) -> Int {
        let usual = generations[generation].endpoints[endpoint].pool
        let host = endpoint - generations[generation].clusters[cluster].firstEndpoint
        guard let descriptor = generations[generation].snapshot.clusters[cluster],
            descriptor.endpoints.indices.contains(host), let tls = descriptor.endpoints[host].tls,
            let name = exchanges[exchange].hostName
        else { return usual }
        let made = pool(
            for: descriptor.endpoints[host].address, tls, descriptor,
            generations[generation].clusters[cluster].statistics, generations[generation].snapshot,
            descriptor.upstream.first, isHigh: exchanges[exchange].isHighPriority,
            proxyProtocol: descriptor.endpoints[host].proxyProtocol,
            serverName: name)
        pools[made].isOnDemand = true
        return made
    }

    /// The pool of an endpoint for this request.
    @inline(__always)
    mutating func endpointPool(_ exchange: Handle, _ generation: Int, _ cluster: Int, _ endpoint: Int) -> Int {
        if generations[generation].clusters[cluster].autoSNI {
            return namedPool(exchange, generation, cluster, endpoint)
        }
        guard exchanges[exchange].isHighPriority else { return generations[generation].endpoints[endpoint].pool }
        let known = generations[generation].endpoints[endpoint].highPool
        if known >= 0 { return known }
        let host = endpoint - generations[generation].clusters[cluster].firstEndpoint
        guard let descriptor = generations[generation].snapshot.clusters[cluster],
            descriptor.endpoints.indices.contains(host)
        else { return generations[generation].endpoints[endpoint].pool }
        let target = descriptor.endpoints[host]
        let made = pool(
            for: target.address, target.tls, descriptor, generations[generation].clusters[cluster].statistics,
            generations[generation].snapshot, descriptor.upstream.first, isHigh: true,
            proxyProtocol: target.proxyProtocol)
        pools[made].references += 1
        generations[generation].endpoints[endpoint].highPool = made
        return made
    }
}

extension Exchange {
    /// The request's host without port, when it is a name and not an address.
    fileprivate var hostName: String? {
        guard request.authority.count > 0 else { return nil }
        var text = self.text(request.authority)
        if text.hasPrefix("[") { return nil }
        if let colon = text.lastIndex(of: ":") { text = String(text[..<colon]) }
        return IPAddress(text) == nil ? text : nil
    }
}
