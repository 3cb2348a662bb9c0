/// How long a process that ended waits before it starts again, as the kubelet does it: doubling, with a ceiling, forgotten after
/// it has run well for a while.
package struct RestartBackoff: Equatable, Sendable {
    package var first: Duration
    package var ceiling: Duration
    /// A run as long as this starts the count anew.
    package var forgetAfter: Duration
    package private(set) var restarts = 0
    private var next: Duration?

    package init(first: Duration, ceiling: Duration, forgetAfter: Duration) {
        self.first = first
        self.ceiling = ceiling
        self.forgetAfter = forgetAfter
    }

    /// An application: 1 s, doubling to a minute (the kubelet's values since it lowered them from 10 s and five minutes).
    package static let application = RestartBackoff(first: .seconds(1), ceiling: .seconds(60), forgetAfter: .seconds(600))

    /// Our own processes hold up others: the first restart is immediate in practice.
    package static let ours = RestartBackoff(first: .milliseconds(50), ceiling: .seconds(5), forgetAfter: .seconds(30))

    /// The wait after a run of this length.
    package mutating func delay(afterRunOf run: Duration) -> Duration {
        restarts += 1
        if run >= forgetAfter { next = nil }
        let delay = next ?? first
        next = min(delay * 2, ceiling)
        return delay
    }
}
