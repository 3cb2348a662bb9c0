/// Once an interval hosts are compared with each other: by success rate, and by share of failures.
extension OutlierDetector {
    /// Judges the interval that ends, and begins the next; found hosts are appended to `events`.
    package mutating func compare(now: UInt64, random: UInt64, events: inout [OutlierEvent]) {
        guard policy.compares else { return }
        compare(\.external, isLocal: false, now, random, &events)
        if policy.splitsLocalErrors { compare(\.local, isLocal: true, now, random, &events) }
        for index in hosts.indices {
            let volume = policy.successRate.requestVolume
            hosts[index].lastRate = hosts[index].external.total >= volume ? hosts[index].external.rate : -1
            hosts[index].lastLocalRate = hosts[index].local.total >= volume ? hosts[index].local.rate : -1
            hosts[index].external = Tally()
            hosts[index].local = Tally()
        }
    }

    private mutating func compare(
        _ tally: KeyPath<Host, Tally>, isLocal: Bool, _ now: UInt64, _ random: UInt64, _ events: inout [OutlierEvent]
    ) {
        let rates = policy.successRate
        let enforcingRate = isLocal ? rates.enforcingLocal : rates.enforcing
        if enforcingRate > 0, let threshold = successThreshold(tally) {
            for index in hosts.indices where hosts[index][keyPath: tally].total >= max(1, rates.requestVolume) {
                guard hosts[index][keyPath: tally].rate < threshold else { continue }
                let event = judge(index, isLocal ? .localSuccessRate : .successRate, enforcingRate, now, random)
                if let event { events.append(event) }
            }
        }
        let failures = policy.failurePercentage
        let enforcing = isLocal ? failures.enforcingLocal : failures.enforcing
        let valid = hosts.indices.filter { hosts[$0][keyPath: tally].total >= max(1, failures.requestVolume) }
        guard enforcing > 0, valid.count >= max(1, failures.minimumHosts) else { return }
        for index in valid where 100 - hosts[index][keyPath: tally].rate >= Double(policy.failureThreshold) {
            let reason = isLocal ? OutlierEvent.Reason.localFailurePercentage : .failurePercentage
            if let event = judge(index, reason, enforcing, now, random) { events.append(event) }
        }
    }

    /// The mean less a multiple of the standard deviation; nil when too few hosts had enough requests.
    private func successThreshold(_ tally: KeyPath<Host, Tally>) -> Double? {
        var count = 0.0
        var sum = 0.0
        var squares = 0.0
        for host in hosts where host[keyPath: tally].total >= max(1, policy.successRate.requestVolume) {
            let rate = host[keyPath: tally].rate
            count += 1
            sum += rate
            squares += rate * rate
        }
        guard count >= Double(max(1, policy.successRate.minimumHosts)) else { return nil }
        let mean = sum / count
        let deviation = max(0, squares / count - mean * mean).squareRoot()
        return mean - deviation * Double(policy.deviationFactor) / 1000
    }
}
