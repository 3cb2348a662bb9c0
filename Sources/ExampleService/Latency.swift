/// How long an answer is held back. Text forms: `50ms`, `uniform(10ms,100ms)`, `normal(50ms,10ms)` (mean and standard
/// deviation), `exponential(50ms)` (mean).
package enum Latency: Sendable, Equatable {
    case none
    case fixed(Duration)
    case uniform(Duration, Duration)
    case normal(mean: Duration, deviation: Duration)
    case exponential(mean: Duration)

    package init(text: String) throws(ServiceError) {
        guard let open = text.firstIndex(of: "("), text.hasSuffix(")") else {
            self = try .fixed(parseDuration(text))
            return
        }
        let name = text[..<open].lowercased()
        var values: [Duration] = []
        for part in text[text.index(after: open)...].dropLast().split(separator: ",") {
            values.append(try parseDuration(String(part.drop { $0 == " " })))
        }
        switch (name, values.count) {
        case ("uniform", 2) where values[0] <= values[1]: self = .uniform(values[0], values[1])
        case ("normal", 2): self = .normal(mean: values[0], deviation: values[1])
        case ("exponential", 1): self = .exponential(mean: values[0])
        default:
            throw .invalid(
                "latency \"\(text)\" is neither a duration (50ms) nor uniform(10ms,100ms), normal(50ms,10ms) or "
                    + "exponential(50ms)"
            )
        }
    }

    /// One draw, never negative.
    package func sample(using generator: inout some RandomNumberGenerator) -> Duration {
        switch self {
        case .none: return .zero
        case .fixed(let value): return value
        case .uniform(let low, let high):
            return low + (high - low) * Double.random(in: 0..<1, using: &generator)
        case .normal(let mean, let deviation):
            // The sum of twelve uniform draws has variance 1: near enough to normal, and needs no transcendentals.
            var sum = -6.0
            for _ in 0..<12 { sum += Double.random(in: 0..<1, using: &generator) }
            return max(.zero, mean + deviation * sum)
        case .exponential(let mean):
            return mean * exponentialDraw(using: &generator)
        }
    }
}

/// Von Neumann's exponential generator: comparisons only. Mean 1.
private func exponentialDraw(using generator: inout some RandomNumberGenerator) -> Double {
    var whole = 0.0
    while true {
        let first = Double.random(in: 0..<1, using: &generator)
        var previous = first
        var count = 1
        while true {
            let next = Double.random(in: 0..<1, using: &generator)
            if next >= previous { break }
            previous = next
            count += 1
        }
        if count % 2 == 1 { return whole + first }
        whole += 1
    }
}

/// A number with unit `us`, `ms`, `s`, `m` or `h`, at most one hour, so that a typing error cannot hang a demonstration.
package func parseDuration(_ text: String) throws(ServiceError) -> Duration {
    let units: [(suffix: String, nanoseconds: Double)] = [
        ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]
    for unit in units where text.hasSuffix(unit.suffix) {
        guard let number = Double(text.dropLast(unit.suffix.count)), number.isFinite, number >= 0 else { continue }
        let nanoseconds = number * unit.nanoseconds
        guard nanoseconds <= 3600e9 else { throw .invalid("duration \"\(text)\" is over one hour") }
        return .nanoseconds(Int64(nanoseconds))
    }
    if text == "0" { return .zero }
    throw .invalid("\"\(text)\" is not a duration: write a number and us, ms, s, m or h, such as 150ms")
}
