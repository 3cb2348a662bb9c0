/// Counts results per endpoint and says who goes out and who comes back. A value; time and random bits are passed in.
///
/// A host is `in` -> (a run of failures reaches a limit or it compares badly with the others, and the share of ejected
/// hosts allows it) -> `out` until its time is over -> `in`. The n-th ejection lasts n times the base; every interval spent
/// in lowers n by one. All rules are those of Envoy's outlier detector.
package struct OutlierDetector: Sendable {
    package enum Result: UInt8, Sendable {
        case success
        /// 5xx that is no gateway error.
        case serverError
        /// 502, 503, 504.
        case gatewayError
        /// Connection failed, reset or timed out: nothing the upstream answered.
        case localFailure

        /// The result of a response.
        package static func response(_ status: UInt16) -> Result {
            switch status {
            case 502...504: .gatewayError
            case 500...599: .serverError
            default: .success
            }
        }
    }

    /// Requests of one interval.
    struct Tally: Sendable {
        var total: UInt32 = 0
        var successes: UInt32 = 0

        /// Percent.
        var rate: Double { total == 0 ? 0 : Double(successes) * 100 / Double(total) }
    }

    struct Host: Sendable {
        var run5xx: UInt32 = 0
        var runGateway: UInt32 = 0
        var runLocal: UInt32 = 0
        var ejections: UInt32 = 0
        /// 0 = in.
        var ejectedUntil: UInt64 = 0
        /// What the upstream answered (with our own failures, unless split), and our own failures when split.
        var external = Tally()
        var local = Tally()
        /// Percent of the last interval; negative when there were too few requests.
        var lastRate = -1.0
        var lastLocalRate = -1.0
    }

    package let policy: OutlierPolicy
    var hosts: [Host]
    package private(set) var ejectedCount = 0

    package init(_ policy: OutlierPolicy, hostCount: Int) {
        self.policy = policy
        hosts = [Host](repeating: Host(), count: hostCount)
    }

    package var hostCount: Int { hosts.count }

    package func isEjected(_ host: Int) -> Bool { hosts[host].ejectedUntil != 0 }

    /// How often the host has been ejected lately: the factor of its next ejection's time.
    package func ejections(_ host: Int) -> UInt32 { hosts[host].ejections }

    /// Percent of requests that succeeded in the last interval; nil when they were too few to tell.
    package func successRate(_ host: Int, local: Bool = false) -> Double? {
        let rate = local ? hosts[host].lastLocalRate : hosts[host].lastRate
        return rate < 0 ? nil : rate
    }

    /// Takes over what is known about a host from the detector of an earlier set of endpoints.
    package mutating func adopt(_ host: Int, from old: OutlierDetector, _ oldHost: Int) {
        if hosts[host].ejectedUntil != 0 { ejectedCount -= 1 }
        hosts[host] = old.hosts[oldHost]
        if hosts[host].ejectedUntil != 0 { ejectedCount += 1 }
    }

    /// Whether a success would change nothing but tallies.
    package func isClean(_ host: Int) -> Bool {
        hosts[host].run5xx == 0 && hosts[host].runGateway == 0 && hosts[host].runLocal == 0
    }

    /// Adds successes that were counted elsewhere, for the comparisons.
    package mutating func addSuccesses(_ host: Int, _ count: UInt32) {
        hosts[host].external.total &+= count
        hosts[host].external.successes &+= count
        guard policy.splitsLocalErrors else { return }
        hosts[host].local.total &+= count
        hosts[host].local.successes &+= count
    }

    /// Records a result. A returned event says that a limit was reached, and what came of it.
    ///
    /// - Parameter random: fresh random bits, for the enforcing share and the jitter.
    package mutating func record(_ host: Int, _ result: Result, now: UInt64, random: UInt64 = 0) -> OutlierEvent? {
        tally(host, result)
        let isLocal = result == .localFailure && policy.splitsLocalErrors
        if !isLocal { hosts[host].runLocal = 0 }
        switch result {
        case .success:
            hosts[host].run5xx = 0
            hosts[host].runGateway = 0
            return nil
        case .serverError:
            hosts[host].run5xx &+= 1
            hosts[host].runGateway = 0
        case .localFailure where isLocal: hosts[host].runLocal &+= 1
        case .gatewayError, .localFailure:
            hosts[host].run5xx &+= 1
            hosts[host].runGateway &+= 1
        }
        // The gateway's limit is the narrower one: it speaks first, and both may speak.
        var event: OutlierEvent?
        if hosts[host].runGateway >= max(1, policy.consecutiveGatewayErrors), policy.consecutiveGatewayErrors > 0 {
            hosts[host].runGateway = 0
            event = judge(host, .consecutiveGatewayErrors, policy.enforcingGatewayErrors, now, random)
        }
        if hosts[host].run5xx >= max(1, policy.consecutive5xx), policy.consecutive5xx > 0 {
            hosts[host].run5xx = 0
            event = stronger(event, judge(host, .consecutive5xx, policy.enforcing5xx, now, random))
        }
        if hosts[host].runLocal >= max(1, policy.consecutiveLocalFailures), policy.consecutiveLocalFailures > 0 {
            hosts[host].runLocal = 0
            event = stronger(event, judge(host, .consecutiveLocalFailures, policy.enforcingLocalFailures, now, random))
        }
        return event
    }

    private mutating func tally(_ host: Int, _ result: Result) {
        if policy.splitsLocalErrors {
            hosts[host].local.total &+= 1
            if result == .localFailure { return }
            hosts[host].local.successes &+= 1
        }
        hosts[host].external.total &+= 1
        if result == .success { hosts[host].external.successes &+= 1 }
    }

    private func stronger(_ first: OutlierEvent?, _ second: OutlierEvent?) -> OutlierEvent? {
        first?.outcome == .ejected ? first : second ?? first
    }

    /// To be called every `interval`: answers the hosts that come back, into `returning` (cleared first).
    package mutating func sweep(now: UInt64, returning: inout [Int]) {
        returning.removeAll(keepingCapacity: true)
        for index in hosts.indices {
            if hosts[index].ejectedUntil == 0 {
                if hosts[index].ejections > 0 { hosts[index].ejections -= 1 }
            } else if hosts[index].ejectedUntil <= now {
                bringBack(index)
                returning.append(index)
            }
        }
    }

    /// The host passed its active health check; true when it comes back by that.
    package mutating func passedHealthCheck(_ host: Int) -> Bool {
        guard policy.healthCheckReturns, isEjected(host) else { return false }
        bringBack(host)
        return true
    }

    private mutating func bringBack(_ host: Int) {
        hosts[host].ejectedUntil = 0
        hosts[host].run5xx = 0
        hosts[host].runGateway = 0
        hosts[host].runLocal = 0
        ejectedCount -= 1
    }

    /// A host was found wanting: out it goes, unless the enforcing share or the limit of ejections spares it.
    mutating func judge(
        _ host: Int, _ reason: OutlierEvent.Reason, _ enforcing: UInt32, _ now: UInt64, _ random: UInt64
    ) -> OutlierEvent? {
        guard !isEjected(host) else { return nil }
        guard random % 100 < UInt64(enforcing) else {
            return OutlierEvent(host: host, reason: reason, outcome: .spared)
        }
        let allows =
            ejectedCount * 100 < Int(min(100, policy.maximumPercent)) * hosts.count
            || policy.alwaysEjectsOne && ejectedCount == 0
        guard allows else { return OutlierEvent(host: host, reason: reason, outcome: .overflow) }
        eject(host, now: now, random: random / 100)
        return OutlierEvent(host: host, reason: reason, outcome: .ejected)
    }

    private mutating func eject(_ host: Int, now: UInt64, random: UInt64) {
        hosts[host].ejections += 1
        let (time, overflows) = policy.baseEjection.multipliedReportingOverflow(by: UInt64(hosts[host].ejections))
        let limit = max(policy.baseEjection, policy.maximumEjection)
        let jitter = policy.ejectionJitter == 0 ? 0 : random % (policy.ejectionJitter &+ 1)
        hosts[host].ejectedUntil = max(1, now &+ min(overflows ? .max : time, limit) &+ jitter)
        hosts[host].run5xx = 0
        hosts[host].runGateway = 0
        hosts[host].runLocal = 0
        ejectedCount += 1
    }
}
