/// How long a process that ended waits before it starts again, as the kubelet does it: doubling, with a ceiling, forgotten after
/// it has run well for a while.
package struct RestartBackoff: Equatable, Sendable {
    package var first: Duration
    /// The second wait; each further one is twice the one before.
    package var second: Duration
    package var ceiling: Duration
    /// A run as long as this starts the count anew.
    package var forgetAfter: Duration
    package private(set) var restarts = 0
    private var next: Duration?

    package init(first: Duration, second: Duration, ceiling: Duration, forgetAfter: Duration) {
        self.first = first
        self.second = second
        self.ceiling = ceiling
        self.forgetAfter = forgetAfter
    }

    /// An application: at once, then 1 s, doubling to a minute (the kubelet's values since it lowered them from 10 s and five
    /// minutes).
    package static let application = RestartBackoff(
        first: .milliseconds(10), second: .seconds(1), ceiling: .seconds(60), forgetAfter: .seconds(600))

    /// Our own processes hold up others: the first restart is immediate in practice.
    package static let ours = RestartBackoff(
        first: .milliseconds(10), second: .milliseconds(100), ceiling: .seconds(5), forgetAfter: .seconds(30))

    /// The wait after a run of this length.
    package mutating func delay(afterRunOf run: Duration) -> Duration {
        restarts += 1
        if run >= forgetAfter { next = nil }
        guard let delay = next else {
            next = second
            return first
        }
        next = min(delay * 2, ceiling)
        return delay
    }
}
