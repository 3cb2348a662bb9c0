/// A run of bytes in a `PatternPool`.
package struct PooledBytes: Sendable {
    package var offset: UInt32 = 0
    package var count: UInt32 = 0

    package init(offset: UInt32 = 0, count: UInt32 = 0) {
        self.offset = offset
        self.count = count
    }

    package var isEmpty: Bool { count == 0 }
}

/// One compiled `StringPattern`: twelve bytes that refer to a `PatternPool`, free to copy.
package struct PooledPattern: Sendable {
    var kind: StringPattern.Kind
    var ignoresCase: Bool
    /// The text, or the number of the regular expression in `bytes.offset`.
    var bytes: PooledBytes

    package static var any: PooledPattern { PooledPattern(kind: .any, ignoresCase: false, bytes: PooledBytes()) }
}

/// Collects the texts and regular expressions of one table; `finish` makes the pool that evaluation reads.
package struct PatternPoolBuilder {
    private var bytes: [UInt8] = []
    private var programs: [RegexProgram] = []

    package init() {}

    /// Appends `text`; never fails.
    package mutating func add(_ text: String) -> PooledBytes { add(bytes: text.utf8) }

    package mutating func add(bytes added: some Sequence<UInt8>) -> PooledBytes {
        let offset = bytes.count
        bytes.append(contentsOf: added)
        return PooledBytes(offset: UInt32(offset), count: UInt32(bytes.count - offset))
    }

    /// Compiles `pattern`. Fails only for an invalid regular expression.
    package mutating func add(_ pattern: StringPattern) throws(RegexProgram.Invalid) -> PooledPattern {
        if pattern.kind == .regex {
            let number = try add(regex: pattern.text)
            return PooledPattern(kind: .regex, ignoresCase: false, bytes: PooledBytes(offset: number, count: 0))
        }
        let text = pattern.ignoresCase ? add(bytes: pattern.text.utf8.map(ByteString.lower)) : add(pattern.text)
        return PooledPattern(kind: pattern.kind, ignoresCase: pattern.ignoresCase, bytes: text)
    }

    /// Compiles a regular expression and answers its number.
    package mutating func add(regex: String) throws(RegexProgram.Invalid) -> UInt32 {
        programs.append(try RegexProgram(regex))
        return UInt32(programs.count - 1)
    }

    package func program(_ number: UInt32) -> RegexProgram { programs[Int(number)] }

    package func finish() -> PatternPool { PatternPool(bytes: FrozenBytes(bytes), programs: programs) }
}

/// The texts and regular expressions of one compiled table, side by side in memory. Immutable.
package struct PatternPool: Sendable {
    let bytes: FrozenBytes
    private let programs: [RegexProgram]

    init(bytes: FrozenBytes, programs: [RegexProgram]) {
        self.bytes = bytes
        self.programs = programs
    }

    @inline(__always)
    package func program(_ number: UInt32) -> RegexProgram { programs[Int(number)] }

    /// The bytes of a run of this pool.
    @_lifetime(borrow self)
    @inline(__always)
    package func span(_ run: PooledBytes) -> Span<UInt8> {
        // SAFETY: self keeps `bytes` alive.
        _overrideLifetime(bytes.span(Int(run.offset), Int(run.count)), borrowing: self)
    }

    /// A run as text, for messages and the admin interface.
    package func string(_ run: PooledBytes) -> String {
        let bytes = span(run)
        return String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }

    @inline(__always)
    package func matches(_ pattern: PooledPattern, _ text: borrowing Span<UInt8>) -> Bool {
        switch (pattern.kind, pattern.ignoresCase) {
        case (.any, _): true
        case (.exact, false): ByteString.equal(text, span(pattern.bytes))
        case (.prefix, false): ByteString.hasPrefix(text, span(pattern.bytes))
        case (.suffix, false): ByteString.hasSuffix(text, span(pattern.bytes))
        case (.contains, false): ByteString.contains(text, span(pattern.bytes))
        case (.exact, true): ByteString.equalFolded(text, span(pattern.bytes))
        case (.prefix, true): ByteString.hasPrefixFolded(text, span(pattern.bytes))
        case (.suffix, true): ByteString.hasSuffixFolded(text, span(pattern.bytes))
        case (.contains, true): ByteString.containsFolded(text, span(pattern.bytes))
        case (.regex, _): programs[Int(pattern.bytes.offset)].matches(text)
        }
    }
}
