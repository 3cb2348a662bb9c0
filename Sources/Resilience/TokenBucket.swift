private import Synchronization

/// A bucket of tokens that fills up evenly, shared by all workers (envoy.type.v3.TokenBucket): one atomic number, no lock.
///
/// The number is the moment at which the bucket would have been empty had nothing been taken since: what lies between it
/// and now, divided by the time that a token takes, is what the bucket holds.
package final class TokenBucket: Sendable {
    /// Microseconds that one token takes to come, times 1024: fractions count.
    private let step: UInt64
    /// Of a full bucket, in the same unit.
    private let fullSpan: UInt64
    private let emptyAt = Atomic<UInt64>(0)
    /// Moments begin far enough from zero for this.
    private static let longest: UInt64 = 1 << 49

    /// - Parameters:
    ///   - maxTokens: what a full bucket holds; it starts full.
    ///   - tokensPerFill: what comes within each `fillInterval` (nanoseconds).
    package init(maxTokens: UInt32, tokensPerFill: UInt32, fillInterval: UInt64) {
        step = max(1, fillInterval * 1024 / 1000 / UInt64(max(1, tokensPerFill)))
        let (span, overflows) = step.multipliedReportingOverflow(by: UInt64(maxTokens))
        fullSpan = overflows ? Self.longest : min(span, Self.longest)
    }

    /// Takes a token at `now`, microseconds of a monotonic clock that all callers share; false when there is none.
    package func take(now: UInt64) -> Bool {
        let moment = (now &+ (1 << 40)) &* 1024
        var seen = emptyAt.load(ordering: .relaxed)
        while true {
            let next = max(seen, moment &- fullSpan) &+ step
            guard next <= moment else { return false }
            let (taken, current) = emptyAt.weakCompareExchange(expected: seen, desired: next, ordering: .relaxed)
            if taken { return true }
            seen = current
        }
    }
}
