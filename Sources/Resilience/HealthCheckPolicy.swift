/// How endpoints are asked whether they are well (envoy.config.core.v3.HealthCheck). Times in milliseconds.
package struct HealthCheckPolicy: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case http(HTTPCheck)
        /// Connects; sends `payload` when there is one, and waits until each of `expected` has come, in order.
        case tcp(payload: [UInt8], expected: [[UInt8]])
        /// grpc.health.v1.Health/Check; `authority` empty = the cluster's name.
        case grpc(service: String, authority: String)
    }

    package struct HTTPCheck: Sendable, Hashable {
        /// Empty = the cluster's name.
        package var host = ""
        package var path = "/"
        package var method = "GET"
        package var headers: [Header] = []
        package var removedHeaders: [String] = []
        /// Half-open ranges; empty = 200 only.
        package var expected: [Range<Int>] = []
        /// Failures with these statuses count towards the threshold; others end a host's health at once.
        package var retriable: [Range<Int>] = []

        package init() {}

        package func isExpected(_ status: Int) -> Bool {
            expected.isEmpty ? status == 200 : expected.contains { $0.contains(status) }
        }
    }

    package struct Header: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package var kind: Kind
    package var timeout: UInt64 = 1_000
    package var interval: UInt64 = 5_000
    package var initialJitter: UInt64 = 0
    package var intervalJitter: UInt64 = 0
    package var intervalJitterPercent: UInt32 = 0
    package var unhealthyThreshold: UInt32 = 1
    package var healthyThreshold: UInt32 = 1
    /// While the cluster has not been used.
    package var noTrafficInterval: UInt64 = 60_000
    package var noTrafficHealthyInterval: UInt64?
    /// While a host is unhealthy; nil = `interval`, as for those below.
    package var unhealthyInterval: UInt64?
    /// After the first failure of a healthy host, and until it is unhealthy.
    package var unhealthyEdgeInterval: UInt64?
    /// After the first success of an unhealthy host, and until it is healthy.
    package var healthyEdgeInterval: UInt64?

    package init(kind: Kind) { self.kind = kind }
}

/// What a check came to.
package enum HealthCheckResult: Sendable, Equatable {
    case success
    /// No connection, no answer in time, or an answer that may be a passing trouble.
    case failure
    /// An answer that says no: the threshold is not waited for.
    case refusal
}

/// The health of one host by its checks. A value: results in, health and the time to the next check out.
///
/// pending -> (success) healthy, (failure) unhealthy; healthy -> (`unhealthyThreshold` failures in a row, or a refusal)
/// unhealthy -> (`healthyThreshold` successes in a row) healthy.
package struct HealthCheckState: Sendable {
    package private(set) var isHealthy = false
    package private(set) var isPending = true
    private var failures: UInt32 = 0
    private var successes: UInt32 = 0

    package init() {}

    /// The wait before the first check.
    package static func firstDelay(_ policy: HealthCheckPolicy, random: UInt64) -> UInt64 {
        policy.initialJitter == 0 ? 0 : random % (policy.initialJitter + 1)
    }

    /// - Returns: whether the health changed by this (the first result always does).
    package mutating func receive(_ result: HealthCheckResult, _ policy: HealthCheckPolicy) -> Bool {
        let wasHealthy = isHealthy
        let wasPending = isPending
        isPending = false
        switch result {
        case .success:
            failures = 0
            successes += 1
            if !isHealthy, wasPending || successes >= policy.healthyThreshold { isHealthy = true }
        case .failure, .refusal:
            successes = 0
            failures += 1
            if isHealthy, result == .refusal || failures >= policy.unhealthyThreshold { isHealthy = false }
        }
        return wasPending || wasHealthy != isHealthy
    }

    /// Milliseconds until the next check, after the result before.
    package func nextDelay(_ policy: HealthCheckPolicy, hasTraffic: Bool, random: UInt64) -> UInt64 {
        let base =
            if !hasTraffic {
                isHealthy ? policy.noTrafficHealthyInterval ?? policy.noTrafficInterval : policy.noTrafficInterval
            } else if isHealthy {
                failures > 0
                    ? policy.unhealthyEdgeInterval ?? policy.unhealthyInterval ?? policy.interval
                    : policy.interval
            } else {
                successes > 0
                    ? policy.healthyEdgeInterval ?? policy.interval : policy.unhealthyInterval ?? policy.interval
            }
        var jitter = policy.intervalJitter == 0 ? 0 : random % policy.intervalJitter
        let share = base * UInt64(policy.intervalJitterPercent) / 100
        if share > 0 { jitter += random % share }
        return base + jitter
    }
}
