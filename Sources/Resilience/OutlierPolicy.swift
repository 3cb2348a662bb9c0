/// When endpoints are taken out of balancing for misbehaving (envoy.config.cluster.v3.OutlierDetection), with Envoy's
/// defaults. Times in nanoseconds, enforcing shares in percent: 0 only counts, 100 always ejects.
package struct OutlierPolicy: Sendable, Hashable {
    /// A comparison of the hosts of a cluster, made once an interval.
    package struct Comparison: Sendable, Hashable {
        /// Fewer hosts with enough requests are not compared.
        package var minimumHosts: UInt32 = 5
        /// Requests that a host needs in the interval.
        package var requestVolume: UInt32
        package var enforcing: UInt32
        package var enforcingLocal: UInt32
    }

    /// Consecutive 5xx; 0 = off.
    package var consecutive5xx: UInt32 = 5
    package var enforcing5xx: UInt32 = 100
    /// Consecutive 502, 503, 504 and failed connections; 0 = off.
    package var consecutiveGatewayErrors: UInt32 = 5
    package var enforcingGatewayErrors: UInt32 = 0
    /// Consecutive failures of our own side, counted apart when `splitsLocalErrors`; 0 = off.
    package var consecutiveLocalFailures: UInt32 = 5
    package var enforcingLocalFailures: UInt32 = 100
    /// Failed connections and timeouts are not counted as 5xx.
    package var splitsLocalErrors = false
    package var interval: UInt64 = 10_000_000_000
    package var baseEjection: UInt64 = 30_000_000_000
    package var maximumEjection: UInt64 = 300_000_000_000
    /// Up to this is added to each ejection.
    package var ejectionJitter: UInt64 = 0
    /// No further host goes out once this share of them is out.
    package var maximumPercent: UInt32 = 10
    /// One host may be out whatever `maximumPercent` says.
    package var alwaysEjectsOne = false
    /// Out goes who succeeds less often than the mean less `deviationFactor` / 1000 standard deviations.
    package var successRate = Comparison(requestVolume: 100, enforcing: 100, enforcingLocal: 100)
    package var deviationFactor: UInt32 = 1900
    /// Out goes who fails in at least `failureThreshold` percent of requests.
    package var failurePercentage = Comparison(requestVolume: 50, enforcing: 0, enforcingLocal: 0)
    package var failureThreshold: UInt32 = 85
    /// A host that passes its active health check comes back before its time.
    package var healthCheckReturns = true

    package init() {}

    /// Whether successes have to be counted too.
    package var compares: Bool {
        successRate.enforcing > 0 || failurePercentage.enforcing > 0
            || splitsLocalErrors && (successRate.enforcingLocal > 0 || failurePercentage.enforcingLocal > 0)
    }
}

/// What outlier detection found about a host.
package struct OutlierEvent: Sendable, Equatable {
    package enum Reason: UInt8, Sendable {
        case consecutive5xx, consecutiveGatewayErrors, consecutiveLocalFailures
        case successRate, localSuccessRate, failurePercentage, localFailurePercentage
    }
    package enum Outcome: UInt8, Sendable {
        case ejected
        /// The enforcing share spared it.
        case spared
        /// Too many hosts are out already.
        case overflow
    }

    package var host: Int
    package var reason: Reason
    package var outcome: Outcome

    package init(host: Int, reason: Reason, outcome: Outcome) {
        self.host = host
        self.reason = reason
        self.outcome = outcome
    }
}
