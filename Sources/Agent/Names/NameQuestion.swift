import SwiftProtobuf
import XDS

/// What a DNS cluster wants to know, and how often.
package struct NameQuestion: Hashable, Sendable {
    enum Family: Hashable, Sendable {
        /// IPv6 when there is any, else IPv4 (Envoy's AUTO).
        case preferV6
        case preferV4, onlyV4, onlyV6, all
    }

    var name: String
    var family: Family

    /// The addresses that the family leaves, in order.
    func select(_ addresses: [String]) -> [String] {
        let v4 = addresses.filter { !$0.contains(":") }
        let v6 = addresses.filter { $0.contains(":") }
        return switch family {
        case .preferV6: v6.isEmpty ? v4 : v6
        case .preferV4: v4.isEmpty ? v6 : v4
        case .onlyV4: v4
        case .onlyV6: v6
        case .all: v4 + v6
        }
    }
}

/// How often a question is asked.
struct NamePace: Sendable, Equatable {
    var refresh = Duration.seconds(5)
    var failureBase = Duration.seconds(5)
    var failureLimit = Duration.seconds(5)
    var respectsTTL = false

    init() {}

    init(_ cluster: Envoy_Config_Cluster_V3_Cluster) {
        func duration(_ seconds: Int64, _ nanos: Int32) -> Duration { .seconds(seconds) + .nanoseconds(Int64(nanos)) }
        if cluster.hasDnsRefreshRate {
            refresh = max(.milliseconds(1), duration(cluster.dnsRefreshRate.seconds, cluster.dnsRefreshRate.nanos))
        }
        failureBase = refresh
        failureLimit = refresh
        if cluster.hasDnsFailureRefreshRate {
            let rate = cluster.dnsFailureRefreshRate
            failureBase = max(.milliseconds(1), duration(rate.baseInterval.seconds, rate.baseInterval.nanos))
            failureLimit =
                rate.hasMaxInterval
                ? max(failureBase, duration(rate.maxInterval.seconds, rate.maxInterval.nanos)) : failureBase * 10
        }
        respectsTTL = cluster.respectDnsTtl
    }

    /// The quicker of two clusters' wishes for the same question.
    func joined(_ other: NamePace) -> NamePace {
        var both = self
        both.refresh = min(refresh, other.refresh)
        both.failureBase = min(failureBase, other.failureBase)
        both.failureLimit = min(failureLimit, other.failureLimit)
        both.respectsTTL = respectsTTL || other.respectsTTL
        return both
    }
}

/// When each question is due. A value; time is passed in.
struct NameSchedule {
    private struct Entry {
        var pace: NamePace
        var due: ContinuousClock.Instant
        var failures = 0
        var isAsked = false
    }

    private var entries: [NameQuestion: Entry] = [:]

    /// Follows the clusters: new questions are due at once, those that nobody has any more are forgotten.
    mutating func follow(_ wanted: [NameQuestion: NamePace], now: ContinuousClock.Instant) {
        for question in entries.keys where wanted[question] == nil { entries[question] = nil }
        for (question, pace) in wanted {
            if entries[question] == nil { entries[question] = Entry(pace: pace, due: now) }
            entries[question]?.pace = pace
        }
    }

    /// The questions to ask now.
    mutating func take(now: ContinuousClock.Instant) -> [NameQuestion] {
        let due = entries.filter { !$0.value.isAsked && $0.value.due <= now }.map(\.key)
        for question in due { entries[question]?.isAsked = true }
        return due.sorted { $0.name < $1.name }
    }

    func pace(_ question: NameQuestion) -> NamePace? { entries[question]?.pace }

    /// An answer has come. `ttl` is nil when it is unknown.
    mutating func answered(_ question: NameQuestion, failed: Bool, ttl: Duration?, now: ContinuousClock.Instant) {
        guard var entry = entries[question] else { return }
        entry.isAsked = false
        entry.failures = failed ? entry.failures + 1 : 0
        if failed {
            let bound = min(entry.pace.failureLimit, entry.pace.failureBase * (1 << min(entry.failures - 1, 16)))
            entry.due = now + bound
        } else if entry.pace.respectsTTL, let ttl {
            // Records that may not be kept at all are asked for once a second.
            entry.due = now + max(.seconds(1), ttl)
        } else {
            entry.due = now + entry.pace.refresh
        }
        entries[question] = entry
    }

    /// When to look again; at most a second, since clusters come and go.
    func wait(now: ContinuousClock.Instant) -> Duration {
        let next = entries.values.filter { !$0.isAsked }.map { $0.due - now }.min() ?? .seconds(1)
        return max(.milliseconds(5), min(next, .milliseconds(200)))
    }
}
