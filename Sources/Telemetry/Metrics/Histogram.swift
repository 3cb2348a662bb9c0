/// Counts by Envoy's default bucket bounds (envoy/stats/histogram_impl.cc): 0.5 to 3,600,000 of the unit.
package struct Histogram: Sendable {
    /// Observations by bucket, not cumulated; the last has no upper bound.
    package private(set) var counts: InlineArray<20, UInt64> = InlineArray(repeating: 0)
    /// Sum of all observations in thousandths of the unit.
    package private(set) var sumThousandths: UInt64 = 0

    package init() {}

    /// Upper bounds in the unit, as texts of the `le` label.
    package static let bounds = [
        "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000", "60000",
        "300000", "600000", "1800000", "3600000",
    ]

    /// Adds an observation of whole units.
    @inline(__always)
    package mutating func record(_ value: UInt64) { record(thousandths: value &* 1000) }

    /// Adds an observation in thousandths of the unit: microseconds where the unit is the millisecond.
    @inline(__always)
    package mutating func record(thousandths value: UInt64) {
        counts[Histogram.bucket(value)] &+= 1
        sumThousandths &+= value
    }

    package var count: UInt64 {
        var total: UInt64 = 0
        for index in counts.indices { total &+= counts[index] }
        return total
    }

    package mutating func add(_ other: borrowing Histogram) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
        sumThousandths &+= other.sumThousandths
    }

    /// Comparisons instead of a table: small values, by far the most, leave first.
    @inline(__always)
    private static func bucket(_ thousandths: UInt64) -> Int {
        if thousandths <= 100_000 {
            if thousandths <= 500 { return 0 }
            if thousandths <= 1_000 { return 1 }
            if thousandths <= 5_000 { return 2 }
            if thousandths <= 10_000 { return 3 }
            if thousandths <= 25_000 { return 4 }
            return thousandths <= 50_000 ? 5 : 6
        }
        if thousandths <= 5_000_000 {
            if thousandths <= 250_000 { return 7 }
            if thousandths <= 500_000 { return 8 }
            if thousandths <= 1_000_000 { return 9 }
            return thousandths <= 2_500_000 ? 10 : 11
        }
        if thousandths <= 10_000_000 { return 12 }
        if thousandths <= 30_000_000 { return 13 }
        if thousandths <= 60_000_000 { return 14 }
        if thousandths <= 300_000_000 { return 15 }
        if thousandths <= 600_000_000 { return 16 }
        if thousandths <= 1_800_000_000 { return 17 }
        return thousandths <= 3_600_000_000 ? 18 : 19
    }
}
