import Resilience
import Testing

@Suite("Outlier detection")
struct OutlierTests {
    private let second: UInt64 = 1_000_000_000

    @Test("a run of failures ejects; a success ends the run")
    func consecutive() {
        var detector = OutlierDetector(OutlierPolicy(), hostCount: 10)
        for _ in 0..<4 { #expect(detector.record(0, .serverError, now: 0) == nil) }
        #expect(detector.record(0, .success, now: 0) == nil)
        for _ in 0..<4 { #expect(detector.record(0, .serverError, now: 0) == nil) }
        #expect(detector.record(0, .serverError, now: 0)?.reason == .consecutive5xx)
        #expect(detector.isEjected(0))
    }

    @Test("the n-th ejection lasts n times the base, up to the limit")
    func ejectionTime() {
        var policy = OutlierPolicy()
        policy.consecutive5xx = 1
        policy.maximumEjection = 50 * second
        var detector = OutlierDetector(policy, hostCount: 1)
        var returning: [Int] = []
        var now: UInt64 = 0
        for length in [30, 50, 50] as [UInt64] {
            #expect(detector.record(0, .serverError, now: now)?.reason == .consecutive5xx)
            detector.sweep(now: now + length * second - 1, returning: &returning)
            #expect(returning.isEmpty)
            now += length * second
            detector.sweep(now: now, returning: &returning)
            #expect(returning == [0])
        }
        // Good behaviour is remembered too: each interval lowers the factor.
        let factor = detector.ejections(0)
        detector.sweep(now: now, returning: &returning)
        #expect(detector.ejections(0) == factor - 1)
    }

    @Test(
        "not more than the share may be out, but one always",
        arguments: [
            (2, 10, 1), (10, 10, 1), (10, 50, 5), (3, 100, 3),
        ])
    func share(hosts: Int, percent: Int, expected: Int) {
        var policy = OutlierPolicy()
        policy.consecutive5xx = 1
        policy.maximumPercent = UInt32(percent)
        var detector = OutlierDetector(policy, hostCount: hosts)
        for host in 0..<hosts { _ = detector.record(host, .serverError, now: 0) }
        #expect(detector.ejectedCount == expected)
    }

    @Test("gateway errors have their own limit, and connection failures count as such unless split")
    func gatewayErrors() {
        var policy = OutlierPolicy()
        policy.consecutive5xx = 0
        policy.consecutiveGatewayErrors = 2
        policy.enforcingGatewayErrors = 100
        var detector = OutlierDetector(policy, hostCount: 2)
        #expect(detector.record(0, .response(503), now: 0) == nil)
        #expect(detector.record(0, .response(500), now: 0) == nil)
        #expect(detector.record(0, .response(504), now: 0) == nil)
        #expect(detector.record(0, .localFailure, now: 0)?.reason == .consecutiveGatewayErrors)
        policy.splitsLocalErrors = true
        policy.consecutiveLocalFailures = 2
        detector = OutlierDetector(policy, hostCount: 2)
        #expect(detector.record(1, .localFailure, now: 0) == nil)
        #expect(detector.record(1, .localFailure, now: 0)?.reason == .consecutiveLocalFailures)
    }
}
