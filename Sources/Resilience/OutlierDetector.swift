/// When endpoints are taken out of balancing for misbehaving (envoy.config.cluster.v3.OutlierDetection). Times in
/// nanoseconds.
package struct OutlierPolicy: Sendable, Hashable {
    /// Consecutive 5xx; 0 = off.
    package var consecutive5xx: UInt32 = 5
    /// Consecutive 502, 503, 504 and failed connections; 0 = off.
    package var consecutiveGatewayErrors: UInt32 = 0
    /// Consecutive failures of our own side, counted apart when `splitsLocalErrors`; 0 = off.
    package var consecutiveLocalFailures: UInt32 = 5
    /// Failed connections and timeouts are not counted as 5xx.
    package var splitsLocalErrors = false
    package var interval: UInt64 = 10_000_000_000
    package var baseEjection: UInt64 = 30_000_000_000
    package var maximumEjection: UInt64 = 300_000_000_000
    /// At most this share of the hosts is out, but one may always be.
    package var maximumPercent: UInt32 = 10

    package init() {}
}

/// Counts results per endpoint and says who goes out and who comes back. A value; time is passed in.
///
/// A host is `in` -> (a run of failures reaches a limit, and the share of ejected hosts allows it) -> `out` until its
/// time is over -> `in`. The n-th ejection lasts n times the base; every interval spent in lowers n by one.
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
    package enum Reason: UInt8, Sendable { case consecutive5xx, consecutiveGatewayErrors, consecutiveLocalFailures }

    private struct Host: Sendable {
        var run5xx: UInt32 = 0
        var runGateway: UInt32 = 0
        var runLocal: UInt32 = 0
        var ejections: UInt32 = 0
        /// 0 = in.
        var ejectedUntil: UInt64 = 0
    }

    private let policy: OutlierPolicy
    private var hosts: [Host]
    package private(set) var ejectedCount = 0

    package init(_ policy: OutlierPolicy, hostCount: Int) {
        self.policy = policy
        hosts = [Host](repeating: Host(), count: hostCount)
    }

    package func isEjected(_ host: Int) -> Bool { hosts[host].ejectedUntil != 0 }

    /// How often the host has been ejected lately: the factor of its next ejection's time.
    package func ejections(_ host: Int) -> UInt32 { hosts[host].ejections }

    /// Takes over what is known about a host from the detector of an earlier set of endpoints.
    package mutating func adopt(_ host: Int, from old: OutlierDetector, _ oldHost: Int) {
        if hosts[host].ejectedUntil != 0 { ejectedCount -= 1 }
        hosts[host] = old.hosts[oldHost]
        if hosts[host].ejectedUntil != 0 { ejectedCount += 1 }
    }

    /// Records a result. A returned reason says that the host is out from now on.
    package mutating func record(_ host: Int, _ result: Result, now: UInt64) -> Reason? {
        switch result {
        case .success:
            hosts[host].run5xx = 0
            hosts[host].runGateway = 0
            hosts[host].runLocal = 0
            return nil
        case .serverError:
            hosts[host].run5xx += 1
            hosts[host].runGateway = 0
        case .gatewayError:
            hosts[host].run5xx += 1
            hosts[host].runGateway += 1
        case .localFailure:
            if policy.splitsLocalErrors {
                hosts[host].runLocal += 1
            } else {
                hosts[host].run5xx += 1
                hosts[host].runGateway += 1
            }
        }
        guard let reason = reason(host), !isEjected(host), mayEject else { return nil }
        eject(host, now: now)
        return reason
    }

    /// To be called every `interval`: answers the hosts that come back, into `returning` (cleared first).
    package mutating func sweep(now: UInt64, returning: inout [Int]) {
        returning.removeAll(keepingCapacity: true)
        for index in hosts.indices {
            if hosts[index].ejectedUntil == 0 {
                if hosts[index].ejections > 0 { hosts[index].ejections -= 1 }
            } else if hosts[index].ejectedUntil <= now {
                hosts[index].ejectedUntil = 0
                ejectedCount -= 1
                returning.append(index)
            }
        }
    }

    private func reason(_ host: Int) -> Reason? {
        let counts = hosts[host]
        if policy.consecutiveGatewayErrors > 0, counts.runGateway >= policy.consecutiveGatewayErrors {
            return .consecutiveGatewayErrors
        }
        if policy.consecutive5xx > 0, counts.run5xx >= policy.consecutive5xx { return .consecutive5xx }
        if policy.splitsLocalErrors, policy.consecutiveLocalFailures > 0,
            counts.runLocal >= policy.consecutiveLocalFailures
        {
            return .consecutiveLocalFailures
        }
        return nil
    }

    /// One host may always be ejected; further ones while the ejected share stays below the limit.
    private var mayEject: Bool {
        ejectedCount == 0 || (ejectedCount + 1) * 100 <= Int(policy.maximumPercent) * hosts.count
    }

    private mutating func eject(_ host: Int, now: UInt64) {
        hosts[host].ejections += 1
        let (time, overflows) = policy.baseEjection.multipliedReportingOverflow(by: UInt64(hosts[host].ejections))
        let limit = max(policy.baseEjection, policy.maximumEjection)
        hosts[host].ejectedUntil = max(1, now &+ min(overflows ? .max : time, limit))
        hosts[host].run5xx = 0
        hosts[host].runGateway = 0
        hosts[host].runLocal = 0
        ejectedCount += 1
    }
}
