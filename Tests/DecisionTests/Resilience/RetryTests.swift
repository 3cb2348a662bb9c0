import Resilience
import Testing

private func policy(_ retryOn: String, retries: UInt32 = 2, codes: [UInt32] = []) -> RetryPolicy {
    var policy = RetryPolicy()
    var unknown: [String] = []
    policy.conditions = RetryPolicy.Conditions(retryOn: retryOn, unknown: &unknown)
    policy.retries = retries
    for code in codes { policy.statusCodes.insert(code) }
    #expect(unknown.isEmpty)
    return policy
}

@Suite("Retries")
struct RetryTests {
    struct Case: Sendable {
        var retryOn: String
        var outcome: AttemptOutcome
        var isRetried: Bool
        init(_ retryOn: String, _ outcome: AttemptOutcome, _ isRetried: Bool) {
            self.retryOn = retryOn
            self.outcome = outcome
            self.isRetried = isRetried
        }
    }

    private static func response(_ status: UInt16, grpc: Int16 = -1) -> AttemptOutcome {
        AttemptOutcome(.response, status: status, grpcStatus: grpc)
    }

    static let cases: [Case] = [
        Case("5xx", response(500), true), Case("5xx", response(404), false),
        Case("5xx", AttemptOutcome(.connectFailure), true), Case("5xx", AttemptOutcome(.reset), true),
        Case("5xx", AttemptOutcome(.perTryTimeout), true),
        Case("gateway-error", response(500), false), Case("gateway-error", response(502), true),
        Case("gateway-error", response(504), true),
        Case("reset", AttemptOutcome(.reset), true), Case("reset", response(503), false),
        Case("connect-failure", AttemptOutcome(.connectFailure), true),
        Case("connect-failure", AttemptOutcome(.reset), false),
        Case("reset-before-request", AttemptOutcome(.resetBeforeRequest), true),
        Case("reset-before-request", AttemptOutcome(.reset), false),  // ⚠ the application may have acted on it
        Case("refused-stream", AttemptOutcome(.refusedStream), true),
        Case("refused-stream", AttemptOutcome(.reset), false),
        Case("retriable-4xx", response(409), true), Case("retriable-4xx", response(400), false),
        Case("cancelled", response(200, grpc: 1), true), Case("unavailable", response(200, grpc: 14), true),
        Case("unavailable", response(200, grpc: 13), false), Case("deadline-exceeded", response(200, grpc: 4), true),
        Case("resource-exhausted", response(200, grpc: 8), true), Case("internal", response(200, grpc: 13), true),
        Case("5xx", AttemptOutcome(.response, status: 503, isRateLimited: true), false),
        Case("envoy-ratelimited", AttemptOutcome(.response, status: 429, isRateLimited: true), true),
        // ⚠ Istio's default names status codes but lists none: 503 is not retried.
        Case("connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", response(503), false),
    ]

    @Test("which outcome a condition names", arguments: cases)
    func conditions(_ example: Case) {
        #expect(RetryState.matches(policy(example.retryOn), example.outcome) == example.isRetried)
    }

    @Test("status codes are retried when listed and asked for")
    func statusCodes() {
        let listed = policy("retriable-status-codes", codes: [418, 503])
        #expect(RetryState.matches(listed, Self.response(418)))
        #expect(!RetryState.matches(listed, Self.response(500)))
        #expect(!RetryState.matches(policy("reset", codes: [503]), Self.response(503)))
    }

    @Test("words that mean nothing are reported")
    func unknownWords() {
        var unknown: [String] = []
        let conditions = RetryPolicy.Conditions(retryOn: "5xx, sometimes ,reset", unknown: &unknown)
        #expect(conditions == [.serverError, .reset])
        #expect(unknown == ["sometimes"])
    }

    @Test("attempts are retries beside the first try")
    func limit() {
        var state = RetryState(policy("5xx", retries: 2))
        for _ in 0..<2 {
            let decision = state.decide(after: Self.response(500), canRepeat: true, allowed: true, random: 0)
            #expect(decision == .retry(afterNanoseconds: 0))
        }
        let last = state.decide(after: Self.response(500), canRepeat: true, allowed: true, random: 0)
        #expect(last == .exhausted)
    }

    @Test("a request that cannot be repeated, or may not, is given up")
    func refusals() {
        var state = RetryState(policy("5xx"))
        let unrepeatable = state.decide(after: Self.response(500), canRepeat: false, allowed: true, random: 0)
        #expect(unrepeatable == .no)
        let overflow = state.decide(after: Self.response(500), canRepeat: true, allowed: false, random: 0)
        #expect(overflow == .overflow)
        let success = state.decide(after: Self.response(200), canRepeat: true, allowed: true, random: 0)
        #expect(success == .no)
        #expect(state.retries == 0)
    }

    @Test("the back-off doubles up to ten times the base, with full jitter")
    func backOff() {
        let policy = policy("5xx")
        for (index, bound) in ([25, 50, 100, 200, 250, 250] as [UInt64]).enumerated() {
            let longest = RetryState.backOff(policy, retry: UInt32(index + 1), random: .max)
            #expect(longest == bound * 1_000_000 - 1)
            #expect(RetryState.backOff(policy, retry: UInt32(index + 1), random: 0) == 0)
        }
        #expect(RetryState.backOff(policy, retry: .max, random: .max) == 249_999_999)
    }
}
