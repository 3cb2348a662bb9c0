package import HeaderBlock

/// Header tests compiled into a pool, for whoever asks questions about a head: routes, policies.
package struct HeaderTest: Sendable {
    private let match: CompiledHeaderMatch
    private let texts: CommonTexts

    /// Compiles `spec` into `pool`, with which the test has to be evaluated.
    package init(_ spec: HeaderMatchSpec, pool: inout PatternPoolBuilder) throws(RegexProgram.Invalid) {
        match = try CompiledHeaderMatch(spec, pool: &pool)
        texts = CommonTexts(pool: &pool)
    }

    package func matches(_ head: borrowing HeadView, pool: borrowing PatternPool) -> Bool {
        match.matches(head, pool: pool, texts: texts)
    }

    /// As policies ask: a field that occurs several times has the value when one of its lines has it. Joined, a second line
    /// would hide a value that is denied (CVE-2026-26308). Allocates nothing.
    package func matchesAnyLine(_ head: borrowing HeadView, pool: borrowing PatternPool) -> Bool {
        match.matchesAnyLine(head, pool: pool, texts: texts)
    }
}

extension CompiledHeaderMatch {
    init(_ spec: HeaderMatchSpec, pool: inout PatternPoolBuilder) throws(RegexProgram.Invalid) {
        self.init(
            key: pool.add(header: spec.name), test: .present, inverted: spec.inverted,
            missingIsEmpty: spec.missingIsEmpty, pattern: .any, low: 0, high: 0)
        switch spec.test {
        case .present: break
        case .range(let start, let end): (test, low, high) = (.range, start, end)
        case .matches(let text): (test, pattern) = (.pattern, try pool.add(text))
        }
    }

    func matches(_ head: borrowing HeadView, pool: borrowing PatternPool, texts: CommonTexts) -> Bool {
        switch key.kind {
        case .method:
            return holds(pool, head.bytes.extracting(head.method.lowerBound..<head.method.upperBound))
        case .path:
            return holds(pool, head.bytes.extracting(head.path.lowerBound..<head.path.upperBound))
        case .authority:
            if head.authority.isEmpty { return missing(pool, head) }
            return holds(pool, head.bytes.extracting(head.authority.lowerBound..<head.authority.upperBound))
        case .scheme:
            return holds(pool, pool.span(head.scheme == .https ? texts.https : texts.http))
        case .known, .other:
            guard let first = pool.next(key, in: head, after: -1) else { return missing(pool, head) }
            if test == .present { return !inverted }
            if pool.next(key, in: head, after: first) == nil {
                let value = head.fields[first].value
                return holds(pool, head.bytes.extracting(value.lowerBound..<value.upperBound))
            }
            return holds(pool, pool.joined(key, in: head, from: first).span)
        }
    }

    func matchesAnyLine(_ head: borrowing HeadView, pool: borrowing PatternPool, texts: CommonTexts) -> Bool {
        guard key.kind == .known || key.kind == .other, test != .present else {
            return matches(head, pool: pool, texts: texts)
        }
        var line = pool.next(key, in: head, after: -1)
        if line == nil { return missing(pool, head) }
        while let index = line {
            let value = head.fields[index].value
            // An inverted test holds when no line has the value.
            let has = holds(pool, head.bytes.extracting(value.lowerBound..<value.upperBound)) != inverted
            if has { return !inverted }
            line = pool.next(key, in: head, after: index)
        }
        return inverted
    }

    private func missing(_ pool: borrowing PatternPool, _ head: borrowing HeadView) -> Bool {
        if test == .present { return inverted }
        return missingIsEmpty ? holds(pool, head.bytes.extracting(0..<0)) : false
    }

    private func holds(_ pool: borrowing PatternPool, _ value: borrowing Span<UInt8>) -> Bool {
        switch test {
        case .present: return !inverted
        case .pattern: return pool.matches(pattern, value) != inverted
        case .range:
            guard let number = ByteString.integer(value) else { return inverted }
            return (number >= low && number < high) != inverted
        }
    }
}
