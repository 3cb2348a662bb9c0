internal import EventLoop
internal import LoadBalancing
internal import Memory
internal import Resilience
internal import Routing
internal import Telemetry

/// Outlier detection, and what follows from the health of endpoints.
extension Worker where Wire: ~Copyable {
    /// Tells outlier detection and response times about a response head.
    @inline(__always)
    mutating func reportResponse(_ exchange: Handle, _ status: UInt16) {
        let endpoint = exchanges[exchange].endpoint
        let generation = exchanges[exchange].generation
        let cluster = exchanges[exchange].cluster
        guard endpoint >= 0, cluster >= 0 else { return }
        if generations[generation].clusters[cluster].observesTimes {
            let host = endpoint &- generations[generation].clusters[cluster].firstEndpoint
            let elapsed = transport.microseconds &- exchanges[exchange].upstreamSentAt
            let time = now
            generations[generation].clusters[cluster].balancer?.observe(host, microseconds: elapsed, now: time)
        }
        report(exchange, .response(status))
    }

    /// Tells outlier detection how an attempt went.
    @inline(__always)
    mutating func report(_ exchange: Handle, _ result: OutlierDetector.Result) {
        let endpoint = exchanges[exchange].endpoint
        let generation = exchanges[exchange].generation
        let cluster = exchanges[exchange].cluster
        guard endpoint >= 0, cluster >= 0 else { return }
        if result == .localFailure, generations[generation].clusters[cluster].observesTimes {
            // No answer at all is as bad as a very slow one.
            let host = endpoint &- generations[generation].clusters[cluster].firstEndpoint
            let time = now
            generations[generation].clusters[cluster].balancer?.observe(host, microseconds: 1_000_000, now: time)
        }
        guard generations[generation].clusters[cluster].detects else { return }
        let time = now
        let random = transport.random()
        let event = generations[generation].clusters[cluster].report(endpoint, result, now: time, random: random)
        if let event { count(event, generations[generation].clusters[cluster].statistics) }
    }

    /// Tells outlier detection how connecting went for a TCP proxy.
    mutating func reportTunnel(_ handle: Handle, _ pool: Int, _ result: OutlierDetector.Result) {
        let generation = connections[handle].generation
        let cluster = connections[handle].tunnelCluster
        guard cluster >= 0, generation >= 0, generations[generation].clusters[cluster].detects else { return }
        let first = generations[generation].clusters[cluster].firstEndpoint
        let end = first + generations[generation].clusters[cluster].active.count
        var endpoint = first
        while endpoint < end, generations[generation].endpoints[endpoint].pool != pool { endpoint += 1 }
        guard endpoint < end else { return }
        let time = now
        let random = transport.random()
        let event = generations[generation].clusters[cluster].report(endpoint, result, now: time, random: random)
        if let event { count(event, generations[generation].clusters[cluster].statistics) }
    }

    private mutating func count(_ event: OutlierEvent, _ statistic: Int) {
        let reason = Int(event.reason.rawValue)
        metrics.clusters[statistic].outliers[detected: reason] &+= 1
        switch event.outcome {
        case .ejected:
            metrics.clusters[statistic].outliers[ejected: reason] &+= 1
            metrics.clusters[statistic].outliers.enforced &+= 1
            metrics.clusters[statistic].outliers.active &+= 1
        case .overflow: metrics.clusters[statistic].outliers.overflows &+= 1
        case .spared: break
        }
    }

    /// Looks after health as long as some cluster needs it.
    mutating func startWatchingHealth() {
        guard !isHealthTimerSet, let period = healthPeriod else { return }
        isHealthTimerSet = true
        _ = timers.schedule(TimerWheel.Payload(kind: Self.healthTimer, bits: 0), at: now &+ period)
    }

    /// How often hosts are looked at, milliseconds; nil when no cluster needs it.
    private var healthPeriod: UInt64? {
        var period: UInt64?
        for cluster in generations[current].clusters where cluster.detects || cluster.closesOnHealthFailure {
            let interval = (cluster.health?.policy?.interval ?? 1_000_000_000) / 4_000_000
            period = min(period ?? 500, max(20, interval))
        }
        return period
    }

    mutating func watchHealth() {
        isHealthTimerSet = false
        for cluster in generations[current].clusters.indices where generations[current].clusters[cluster].exists {
            if generations[current].clusters[cluster].detects { sweepOutliers(cluster) }
            if generations[current].clusters[cluster].closesOnHealthFailure { closeUnhealthy(cluster) }
        }
        startWatchingHealth()
    }

    private mutating func sweepOutliers(_ cluster: Int) {
        outlierEvents.removeAll(keepingCapacity: true)
        returningHosts.removeAll(keepingCapacity: true)
        let time = now
        let random = transport.random()
        generations[current].clusters[cluster].sweep(
            now: time, random: random, events: &outlierEvents, returning: &returningHosts)
        let statistic = generations[current].clusters[cluster].statistics
        for event in outlierEvents { count(event, statistic) }
        metrics.clusters[statistic].outliers.active &-= UInt64(returningHosts.count)
    }

    /// `close_connections_on_host_health_failure`.
    private mutating func closeUnhealthy(_ cluster: Int) {
        guard let health = generations[current].clusters[cluster].health else { return }
        for host in 0..<health.hostCount where !health.isHealthy(host) {
            guard let descriptor = generations[current].snapshot.clusters[cluster],
                descriptor.endpoints.indices.contains(host)
            else { continue }
            // An endpoint may have several pools: by protocol, by priority, by server name.
            for pool in pools.indices where !pools[pool].isFree && pools[pool].connections > 0 {
                let key = pools[pool].key
                guard key.address == descriptor.endpoints[host].address, key.cluster == descriptor.name else {
                    continue
                }
                closeConnections(of: pool)
            }
        }
    }

    private mutating func closeConnections(of pool: Int) {
        for slot in 0..<connections.capacity {
            guard let handle = connections.occupant(at: slot), connections[handle].role == .upstream,
                connections[handle].pool == pool
            else { continue }
            if connections[handle].phase == .idle { close(handle) } else { connectionLost(handle, .connectionReset) }
        }
    }

    // MARK: What a cluster begins with

    /// Takes over a descriptor's options.
    mutating func takeOptions(
        _ cluster: inout Generation.Cluster, _ descriptor: ClusterDescriptor, _ snapshot: RuntimeSnapshot
    ) {
        cluster.breaker = descriptor.breaker
        cluster.highBreaker = descriptor.highBreaker
        cluster.health = descriptor.health
        cluster.detects = descriptor.outliers != nil
        cluster.isChecked = descriptor.health.isChecked
        cluster.closesOnHealthFailure = descriptor.options.closesOnHealthFailure
        cluster.autoSNI = descriptor.options.autoSNI
        cluster.preconnectRatio = descriptor.options.preconnectRatio
        if case .peakEWMA = descriptor.balancer.spec.policy { cluster.observesTimes = true }
        if descriptor.outliers?.compares == true {
            cluster.successes = Array(repeating: 0, count: descriptor.endpoints.count)
        }
        guard let subsets = descriptor.subsets else { return }
        for table in subsets.tables { cluster.subsets.append(Balancer(table, seed: transport.random())) }
        func number(_ criteria: [String: String]) -> Int32 {
            switch subsets.find(criteria) {
            case .subset(let number): Int32(number)
            case .all: Generation.Cluster.allHosts
            case .nothing: Generation.Cluster.noHosts
            }
        }
        cluster.subsetOfNone = number([:])
        cluster.subsetOf = snapshot.endpointCriteria.map(number)
    }

    /// What was learned about endpoints outlives a new list of them; the others begin slowly.
    func begin(_ cluster: inout Generation.Cluster, _ descriptor: ClusterDescriptor, _ old: Int?, of previous: Int) {
        if let health = cluster.health { cluster.adoptHealth(health, now: now) }
        let isSlow = descriptor.balancer.spec.slowStart != nil
        guard isSlow || cluster.observesTimes else { return }
        let before = old.flatMap { generations[previous].clusters[$0].balancer }
        var numbers: [SocketAddress: Int] = [:]
        let known = old.flatMap { generations[previous].snapshot.clusters[$0]?.endpoints } ?? []
        for (number, endpoint) in known.enumerated() { numbers[endpoint.address] = number }
        for (host, endpoint) in descriptor.endpoints.enumerated() {
            if let before, let number = numbers[endpoint.address] {
                cluster.balancer?.adopt(host, from: before, number, now: now)
            } else {
                cluster.balancer?.startSlowly(host, at: now, now: now)
                for subset in cluster.subsets.indices { cluster.subsets[subset].startSlowly(host, at: now, now: now) }
            }
        }
        cluster.balancer?.settle(now: now)
    }
}
