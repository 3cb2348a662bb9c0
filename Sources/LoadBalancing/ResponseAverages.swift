/// Peak-sensitive moving averages of response times: a slower answer counts at once, a faster one by and by, and without
/// answers the value sinks, so that an endpoint that was slow once is asked again (Finagle's PeakEwma).
struct ResponseAverages: Sendable {
    /// Microseconds, as of `stamps`.
    private var values: [Double]
    /// Milliseconds.
    private var stamps: [UInt64]
    /// Milliseconds.
    private let decay: Double
    private let initial: Double

    init(_ policy: BalancerSpec.Policy, hostCount: Int) {
        guard case .peakEWMA(let decay, let initial) = policy else {
            (values, stamps, self.decay, self.initial) = ([], [], 1, 0)
            return
        }
        self.decay = max(1, Double(decay) / 1_000_000)
        self.initial = Double(initial) / 1_000
        values = [Double](repeating: -1, count: hostCount)
        stamps = [UInt64](repeating: 0, count: hostCount)
    }

    mutating func observe(_ host: Int, microseconds: UInt64, now: UInt64) {
        guard host < values.count else { return }
        let sample = Double(microseconds)
        if values[host] < 0 || sample > values[host] {
            values[host] = sample
        } else {
            let share = exponential(-Double(now &- min(now, stamps[host])) / decay)
            values[host] = values[host] * share + sample * (1 - share)
        }
        stamps[host] = now
    }

    /// Microseconds; at least 1, so that requests in progress count.
    func value(of host: Int, now: UInt64) -> Double {
        guard values[host] >= 0 else { return max(1, initial) }
        let idle = Double(now &- min(now, stamps[host]))
        return max(1, idle == 0 ? values[host] : values[host] * exponential(-idle / decay))
    }

    /// Takes over what is known about a host.
    mutating func adopt(_ host: Int, from old: ResponseAverages, _ oldHost: Int) {
        guard host < values.count, oldHost < old.values.count else { return }
        values[host] = old.values[oldHost]
        stamps[host] = old.stamps[oldHost]
    }
}

extension Balancer {
    /// Takes over what an earlier balancer of the cluster has learned about a host.
    package mutating func adopt(_ host: Int, from old: borrowing Balancer, _ oldHost: Int, now: UInt64) {
        averages.adopt(host, from: old.averages, oldHost)
        guard !startedAt.isEmpty, !old.startedAt.isEmpty else { return }
        startedAt[host] = old.startedAt[oldHost]
    }

    /// Ends a series of `adopt` and `startSlowly`.
    package mutating func settle(now: UInt64) { refresh(now: now) }
}
