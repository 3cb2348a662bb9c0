/// How a cluster chooses among its endpoints (envoy.config.cluster.v3.Cluster.lb_policy and its options).
package struct BalancerSpec: Sendable, Hashable {
    package enum Policy: Sendable, Hashable {
        /// By weight, in turns.
        case roundRobin
        /// The least loaded of `choices` (2...8) random endpoints.
        case leastRequest(choices: UInt8)
        case random
        /// Ketama-like ring over xxHash; sizes are numbers of points.
        case ringHash(minimumSize: UInt32, maximumSize: UInt32)
        /// `tableSize` is prime.
        case maglev(tableSize: UInt32)
    }

    package var policy: Policy
    /// Below this share of healthy hosts (percent) health is ignored; 0 = never. Envoy's default is 50, Istio sets 0.
    package var panicThresholdPercent: UInt8 = 50
    /// Health above this share counts as full: Envoy's 140 %.
    package var overprovisioningPercent: UInt16 = 140
    /// Traffic is shared among localities by their weights, then among a locality's endpoints by theirs.
    package var localityWeighted = false

    package init(policy: Policy = .roundRobin) { self.policy = policy }
}

/// One endpoint as balancing sees it. Its index in the list is its name.
package struct BalancerHost: Sendable, Hashable {
    /// At least 1.
    package var weight: UInt32
    /// Lower is preferred; priorities may have gaps.
    package var priority: UInt32
    /// Endpoints with equal numbers share a locality.
    package var locality: UInt32
    /// Of the locality, when balancing is locality weighted.
    package var localityWeight: UInt32
    /// What places the host on a hash ring: its address as text.
    package var hashKey: String
    package var isHealthy: Bool

    package init(
        weight: UInt32 = 1, priority: UInt32 = 0, locality: UInt32 = 0, localityWeight: UInt32 = 1,
        hashKey: String = "", isHealthy: Bool = true
    ) {
        self.weight = max(1, weight)
        self.priority = priority
        self.locality = locality
        self.localityWeight = localityWeight
        self.hashKey = hashKey
        self.isHealthy = isHealthy
    }
}

/// The endpoint a balancer chose, and why.
package struct BalancerPick: Sendable, Equatable {
    package enum Reason: UInt8, Sendable {
        case chosen
        /// Too few healthy hosts: health was ignored.
        case panic
        /// All hosts were excluded or unhealthy; `host` is -1.
        case noHealthyHost
        /// The cluster has no host; `host` is -1.
        case noHost
    }
    /// Index of the host; -1 = none.
    package var host: Int
    package var reason: Reason

    package init(host: Int, reason: Reason) {
        self.host = host
        self.reason = reason
    }
}

/// Hosts a request has tried, for retries that go elsewhere. Remembers the first eight.
package struct TriedHosts: Sendable {
    private var hosts = InlineArray<8, Int32>(repeating: -1)
    package private(set) var count = 0

    package init() {}

    package mutating func insert(_ host: Int) {
        if count < 8 { hosts[count] = Int32(truncatingIfNeeded: host) }
        count += 1
    }

    @inline(__always)
    package func contains(_ host: Int) -> Bool {
        for index in 0..<min(count, 8) where Int(hosts[index]) == host { return true }
        return false
    }
}
