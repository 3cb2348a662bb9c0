internal import LoadBalancing
internal import Resilience

/// Choosing among a cluster's endpoints, and what is learned by doing so.
extension Generation.Cluster {
    /// Subset numbers beside the indices of `subsets`.
    static var allHosts: Int32 { -1 }
    static var noHosts: Int32 { -2 }

    /// The host that balancing chooses; -1 is none. It counts as busy until `finish`.
    ///
    /// - Parameter criteria: the route's `metadataMatch`.
    @inline(__always)
    mutating func pick(
        random: UInt64, hash: UInt64?, tried: TriedHosts, now: UInt64, criteria: UInt32 = .max
    ) -> Int {
        if let health, health.version != seenHealth { adoptHealth(health, now: now) }
        if isChecked, !hasTraffic {
            hasTraffic = true
            health?.hasTraffic = true
        }
        var counts: [UInt32] = []
        swap(&counts, &active)
        let host: Int
        if subsets.isEmpty, subsetOfNone == Self.allHosts {
            host = balancer?.pick(random: random, hash: hash, active: counts.span, tried: tried, now: now).host ?? -1
        } else {
            let subset = criteria < UInt32(subsetOf.count) ? subsetOf[Int(criteria)] : subsetOfNone
            switch subset {
            case Self.noHosts: host = -1
            case Self.allHosts:
                host =
                    balancer?.pick(random: random, hash: hash, active: counts.span, tried: tried, now: now).host ?? -1
            default:
                host =
                    subsets[Int(subset)]
                    .pick(random: random, hash: hash, active: counts.span, tried: tried, now: now).host
            }
        }
        swap(&counts, &active)
        if host >= 0 { active[host] &+= 1 }
        return host
    }

    /// Health has changed, here or at another worker.
    mutating func adoptHealth(_ health: EndpointHealth, now: UInt64) {
        seenHealth = health.version
        balancer?.setHealth(now: now) { health.isHealthy($0) }
        for index in subsets.indices { subsets[index].setHealth(now: now) { health.isHealthy($0) } }
    }

    /// Tells outlier detection how an attempt went. `now` in milliseconds.
    @inline(__always)
    mutating func report(
        _ endpoint: Int, _ result: OutlierDetector.Result, now: UInt64, random: UInt64
    ) -> OutlierEvent? {
        guard detects, let health else { return nil }
        let host = endpoint &- firstEndpoint
        if result == .success {
            if !health.succeed(host, now: now &* 1_000_000), host < successes.count { successes[host] &+= 1 }
            return nil
        }
        return health.record(host, result, now: now &* 1_000_000, random: random)
    }

    /// What is due from time to time: hosts come back, hosts are compared.
    mutating func sweep(now: UInt64, random: UInt64, events: inout [OutlierEvent], returning: inout [Int]) {
        guard detects, let health else { return }
        if successes.contains(where: { $0 > 0 }) {
            health.addSuccesses(successes.span)
            for host in successes.indices { successes[host] = 0 }
        }
        health.sweep(now: now &* 1_000_000, random: random, events: &events, returning: &returning)
    }
}
