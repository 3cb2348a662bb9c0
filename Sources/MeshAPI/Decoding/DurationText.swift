/// Durations as Istio and Kubernetes write them: Go's `time.ParseDuration` form, such as `1.5s`, `250ms`, `1h30m`.
package enum DurationText {
    /// Nil when the text is not a duration or does not fit.
    package static func parse(_ text: String) -> Duration? {
        var rest = Substring(text)
        var isNegative = false
        if let sign = rest.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            rest.removeFirst()
        }
        if rest == "0" { return .zero }
        guard !rest.isEmpty, text.utf8.count <= 64 else { return nil }
        var total = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
            guard digits != ".", let value = Double(digits.hasPrefix(".") ? "0" + digits : String(digits)) else {
                return nil
            }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
            guard let nanoseconds = nanoseconds[String(unit)] else { return nil }
            rest = rest.dropFirst(unit.count)
            total += value * nanoseconds
        }
        guard total < 9.2e18 else { return nil }
        let rounded = Int64(total.rounded())
        return .nanoseconds(isNegative ? -rounded : rounded)
    }

    /// The shortest usual writing, such as `2s`, `150ms`, `1m30s`.
    package static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        if nanoseconds == 0 { return "0s" }
        if nanoseconds % 1_000_000_000 == 0 { return "\(nanoseconds / 1_000_000_000)s" }
        if nanoseconds % 1_000_000 == 0 { return "\(nanoseconds / 1_000_000)ms" }
        if nanoseconds % 1_000 == 0 { return "\(nanoseconds / 1_000)us" }
        return "\(nanoseconds)ns"
    }

    private static let nanoseconds: [String: Double] = [
        "ns": 1, "us": 1e3, "\u{B5}s": 1e3, "\u{3BC}s": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
    ]
}
