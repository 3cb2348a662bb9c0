/// Requests per second, from successive readings of counters.
package struct RequestRates: Sendable {
    private var last: [String: (count: Double, at: ContinuousClock.Instant)] = [:]
    package private(set) var perSecond: [String: Double] = [:]

    package init() {}

    package mutating func record(_ pod: String, count: Double, at now: ContinuousClock.Instant) {
        defer { last[pod] = (count, now) }
        guard let before = last[pod] else { return }
        let elapsed = before.at.duration(to: now) / .seconds(1)
        // A proxy that was restarted counts from zero.
        guard elapsed > 0.05, count >= before.count else { return }
        perSecond[pod] = (count - before.count) / elapsed
    }

    package mutating func forget(_ pod: String) {
        last[pod] = nil
        perSecond[pod] = nil
    }

    /// The sum of `istio_requests_total` of one reporter in Prometheus's text format.
    package static func total(in text: String, reporter: String) -> Double {
        var sum = 0.0
        for line in text.split(separator: "\n") where line.hasPrefix("istio_requests_total{") {
            guard line.contains("reporter=\"\(reporter)\""), let end = line.lastIndex(of: "}") else { continue }
            let rest = line[line.index(after: end)...].split(separator: " ")
            if let first = rest.first, let value = Double(first) { sum += value }
        }
        return sum
    }
}
