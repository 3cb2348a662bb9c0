import Resilience
import Testing

@Suite("Timeouts")
struct TimeoutTests {
    @Test("the request's own wish replaces the route's timeout")
    func requested() {
        let plan = TimeoutPlan(route: 15_000_000_000, perTry: 0, requestedTotal: 250)
        #expect(plan.total == 250_000_000)
        #expect(plan.isFromRequest)
    }

    @Test(
        "a try that may last as long as the whole has no limit of its own",
        arguments: [
            (1000, 200, 200), (1000, 1000, 0), (1000, 2000, 0), (0, 200, 200),
        ] as [(UInt64, UInt64, UInt64)])
    func perTry(total: UInt64, perTry: UInt64, expected: UInt64) {
        #expect(TimeoutPlan(route: total, perTry: perTry).perTry == expected)
    }

    @Test(
        "grpc-timeout counts as far as the route lets it",
        arguments: [
            (5, nil, 100), (5, 0, 5), (5, 3, 3), (2, 3, 2), (nil, 3, 100), (0, 3, 3),
        ] as [(UInt64?, UInt64?, UInt64)])
    func grpc(asked: UInt64?, limit: UInt64?, expected: UInt64) {
        #expect(TimeoutPlan(route: 100, perTry: 0, grpc: asked, grpcLimit: limit).total == expected)
    }

    @Test(
        "grpc-timeout is read with its unit",
        arguments: [
            ("1H", 3_600_000_000_000), ("10S", 10_000_000_000), ("250m", 250_000_000), ("7u", 7000), ("7n", 7),
            ("99999999H", .max), ("99999999M", 5_999_999_940_000_000_000), ("99999999S", 99_999_999_000_000_000),
            ("", nil), ("S", nil), ("1", nil), ("1x", nil), ("123456789S", nil), ("-1S", nil),
        ] as [(String, UInt64?)])
    func grpcText(text: String, expected: UInt64?) {
        let bytes = Array(text.utf8)
        let timeout = TimeoutPlan.grpcTimeout(bytes.span)
        #expect(timeout == expected)
    }
}

@Suite("Whole milliseconds")
struct MillisecondTests {
    @Test(
        "a tiny limit does not become none, nor does the largest",
        arguments: [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (.max, 18_446_744_073_710)] as [(UInt64, UInt64)])
    func roundsUp(nanoseconds: UInt64, expected: UInt64) {
        #expect(TimeoutPlan.milliseconds(nanoseconds) == expected)
    }

    @Test("a wish for longer than the clock goes is a wish for as long as it goes")
    func wish() {
        let plan = TimeoutPlan(route: 1, perTry: 0, requestedTotal: 999_999_999_999_999_999)
        #expect(TimeoutPlan.milliseconds(plan.total) > 1_000_000)
    }
}

@Suite("Circuit breakers")
struct CircuitBreakerTests {
    @Test("a limit admits that many and no more")
    func limit() {
        var limits = CircuitLimits()
        limits.requests = 2
        let breaker = CircuitBreaker(limits)
        #expect(breaker.acquire(.request))
        #expect(breaker.acquire(.request))
        #expect(!breaker.acquire(.request))
        breaker.release(.request)
        #expect(breaker.acquire(.request))
    }

    @Test("a retry budget is a share of the requests in progress, but never below its minimum")
    func budget() {
        var limits = CircuitLimits()
        limits.requests = .max
        limits.retryBudgetPercent = 20
        limits.retryBudgetMinimum = 3
        let breaker = CircuitBreaker(limits)
        for _ in 0..<3 { #expect(breaker.acquire(.retry)) }
        #expect(!breaker.acquire(.retry))
        for _ in 0..<25 { #expect(breaker.acquire(.request)) }
        #expect(breaker.acquire(.retry))
        #expect(breaker.acquire(.retry))
        #expect(!breaker.acquire(.retry))
    }
}
