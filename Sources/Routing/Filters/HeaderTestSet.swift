package import HeaderBlock

/// Header tests that must all hold: a filter's condition. Evaluation allocates nothing, unless a tested header occurs
/// several times.
package struct HeaderTestSet: Sendable {
    private let tests: [HeaderTest]
    private let pool: PatternPool

    package init(_ specs: [HeaderMatchSpec]) throws(RegexProgram.Invalid) {
        var builder = PatternPoolBuilder()
        var tests: [HeaderTest] = []
        for spec in specs { tests.append(try HeaderTest(spec, pool: &builder)) }
        self.tests = tests
        pool = builder.finish()
    }

    package func matches(_ head: borrowing HeadView) -> Bool {
        for test in tests where !test.matches(head, pool: pool) { return false }
        return true
    }
}

/// String patterns of which one must hold: lists of origins, of header names.
package struct PatternSet: Sendable {
    private let patterns: [PooledPattern]
    private let pool: PatternPool

    package init(_ specs: [StringPattern]) throws(RegexProgram.Invalid) {
        var builder = PatternPoolBuilder()
        var patterns: [PooledPattern] = []
        for spec in specs { patterns.append(try builder.add(spec)) }
        self.patterns = patterns
        pool = builder.finish()
    }

    package var isEmpty: Bool { patterns.isEmpty }

    package func matches(_ text: borrowing Span<UInt8>) -> Bool {
        for pattern in patterns where pool.matches(pattern, text) { return true }
        return false
    }
}
