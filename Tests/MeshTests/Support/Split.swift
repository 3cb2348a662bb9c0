import Testing

/// Asserts that `hits` of `total` agrees with `share` within three standard deviations of the binomial distribution.
///
/// By chance alone that fails once in 370 times, so a first miss is measured once more.
func expectSplit(
    _ share: Double,
    of total: Int,
    sourceLocation: SourceLocation = #_sourceLocation,
    measure: () throws -> Int
) throws {
    let expected = share * Double(total)
    let deviation = (Double(total) * share * (1 - share)).squareRoot()
    var seen: [Int] = []
    for _ in 0..<2 {
        let hits = try measure()
        seen.append(hits)
        if abs(Double(hits) - expected) <= 3 * deviation { return }
    }
    Issue.record(
        "\(seen) of \(total) requests; \(expected) within \(3 * deviation) were expected",
        sourceLocation: sourceLocation
    )
}
