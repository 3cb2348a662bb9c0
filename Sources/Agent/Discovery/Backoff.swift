/// Exponential back-off with full jitter: how long to wait before the next attempt. Starts over after `reset`.
package struct Backoff: Sendable {
    package let base: Duration
    package let limit: Duration
    private var attempts = 0

    package init(base: Duration = .milliseconds(100), limit: Duration = .seconds(10)) {
        self.base = base
        self.limit = limit
    }

    /// The wait before the next attempt: between half and all of the current step, so that many proxies that lost the
    /// same control plane do not come back in step.
    package mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let step = min(limit, base * (1 << min(attempts, 20)))
        attempts += 1
        return step * Double.random(in: 0.5...1, using: &random)
    }

    package mutating func next() -> Duration {
        var random = SystemRandomNumberGenerator()
        return next(using: &random)
    }

    package mutating func reset() { attempts = 0 }
}
