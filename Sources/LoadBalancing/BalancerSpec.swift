/// How a cluster chooses among its endpoints (envoy.config.cluster.v3.Cluster.lb_policy and its options, or
/// load_balancing_policy).
package struct BalancerSpec: Sendable, Hashable {
    package enum Policy: Sendable, Hashable {
        /// By weight, in turns.
        case roundRobin
        /// The least loaded of `choices` random endpoints.
        case leastRequest(choices: UInt8)
        case random
        /// Ketama-like ring; sizes are numbers of points.
        case ringHash(minimumSize: UInt32, maximumSize: UInt32)
        /// `tableSize` is prime.
        case maglev(tableSize: UInt32)
        /// Of two random endpoints the one with the lower product of response time and load. The response time is an average
        /// that rises with each worse answer at once and forgets over the decay time (nanoseconds); `initial` stands for
        /// endpoints that have not answered yet.
        case peakEWMA(decay: UInt64, initial: UInt64)
    }

    package enum HashFunction: UInt8, Sendable, Hashable { case xxHash, murmur2 }

    /// New endpoints get their full share only after a while.
    package struct SlowStart: Sendable, Hashable {
        /// Milliseconds.
        package var window: UInt64
        /// 1 is linear; above 1 the share grows fast at first.
        package var aggression: Double
        /// Share at the beginning.
        package var minimumPercent: Double

        package init(window: UInt64, aggression: Double = 1, minimumPercent: Double = 10) {
            self.window = window
            self.aggression = aggression
            self.minimumPercent = minimumPercent
        }

        /// The part of its weight that an endpoint of this age (milliseconds) has.
        package func factor(age: UInt64) -> Double {
            guard age < window, window > 0 else { return 1 }
            let time = Double(max(1, age)) / Double(window)
            let share = aggression == 1 ? time : power(time, 1 / max(0.01, aggression))
            return min(1, max(minimumPercent / 100, share))
        }
    }

    package var policy: Policy
    package var hashFunction = HashFunction.xxHash
    /// How much requests in progress count against weights, for least request; 0 = not at all.
    package var activeRequestBias = 1.0
    package var slowStart: SlowStart?
    /// Below this share of healthy hosts (percent) health is ignored; 0 = never. Envoy's default is 50, Istio sets 0.
    package var panicThresholdPercent: UInt8 = 50
    /// Instead of ignoring health, nobody gets traffic.
    package var failsTrafficOnPanic = false
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
    /// Healthy, but used only for what the fully healthy ones cannot take.
    package var isDegraded: Bool

    package init(
        weight: UInt32 = 1, priority: UInt32 = 0, locality: UInt32 = 0, localityWeight: UInt32 = 1,
        hashKey: String = "", isHealthy: Bool = true, isDegraded: Bool = false
    ) {
        self.weight = max(1, weight)
        self.priority = priority
        self.locality = locality
        self.localityWeight = localityWeight
        self.hashKey = hashKey
        self.isHealthy = isHealthy
        self.isDegraded = isDegraded
    }
}

/// The endpoint a balancer chose, and why.
package struct BalancerPick: Sendable, Equatable {
    package enum Reason: UInt8, Sendable {
        case chosen
        /// Too few healthy hosts: health was ignored.
        case panic
        /// The healthy hosts are not enough: a degraded one was chosen.
        case degraded
        /// All hosts were excluded or unhealthy; `host` is -1.
        case noHealthyHost
        /// Too few healthy hosts, and the cluster refuses to go on then; `host` is -1.
        case panicRefused
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

/// Hosts a request has tried, for retries that go elsewhere. Remembers the first eight, and the first 32 priorities.
package struct TriedHosts: Sendable {
    private var hosts = InlineArray<8, Int32>(repeating: -1)
    package private(set) var count = 0
    /// A bit for each of the balancer's levels that retries shall leave alone.
    package var avoidedLevels: UInt32 = 0
    /// How often a tried host is drawn again before it is taken after all (`host_selection_retry_max_attempts`).
    package var redraws: UInt32 = 5

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
