import Resilience
import Testing

@Suite("Active health checks")
struct HealthCheckTests {
    private var policy: HealthCheckPolicy {
        var policy = HealthCheckPolicy(kind: .tcp(payload: [], expected: []))
        policy.interval = 1_000
        policy.unhealthyThreshold = 3
        policy.healthyThreshold = 2
        policy.unhealthyInterval = 5_000
        policy.unhealthyEdgeInterval = 200
        return policy
    }

    @Test("the first answer decides at once, later ones by their thresholds")
    func thresholds() {
        var state = HealthCheckState()
        #expect(state.receive(.success, policy) && state.isHealthy)
        #expect(!state.receive(.failure, policy) && state.isHealthy)
        #expect(!state.receive(.failure, policy) && state.isHealthy)
        #expect(state.receive(.failure, policy) && !state.isHealthy)
        #expect(!state.receive(.success, policy) && !state.isHealthy)
        #expect(state.receive(.success, policy) && state.isHealthy)
        // An answer that says no is not waited with.
        #expect(state.receive(.refusal, policy) && !state.isHealthy)
    }

    @Test("the wait follows the state")
    func intervals() {
        var state = HealthCheckState()
        _ = state.receive(.success, policy)
        #expect(state.nextDelay(policy, hasTraffic: true, random: 0) == 1_000)
        #expect(state.nextDelay(policy, hasTraffic: false, random: 0) == 60_000)
        _ = state.receive(.failure, policy)
        #expect(state.nextDelay(policy, hasTraffic: true, random: 0) == 200)
        _ = state.receive(.refusal, policy)
        #expect(state.nextDelay(policy, hasTraffic: true, random: 0) == 5_000)
    }

    @Test("an endpoint must pass its first check, and a passed check ends an ejection")
    func withOutliers() {
        var outliers = OutlierPolicy()
        outliers.consecutive5xx = 1
        let health = EndpointHealth(hostCount: 2, outliers: outliers, isChecked: true)
        #expect(!health.isHealthy(0))
        _ = health.checked(0, isHealthy: true)
        #expect(health.isHealthy(0) && !health.isHealthy(1))
        #expect(health.record(0, .serverError, now: 1, random: 0)?.outcome == .ejected)
        #expect(!health.isHealthy(0))
        #expect(health.checked(0, isHealthy: true))
        #expect(health.isHealthy(0))
        // What is known outlives a new list of endpoints.
        let later = EndpointHealth(hostCount: 1, outliers: outliers, isChecked: true, adopting: health, [0])
        #expect(later.isHealthy(0))
    }
}
