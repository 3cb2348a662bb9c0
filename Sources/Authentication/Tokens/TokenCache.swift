/// The tokens that one worker has verified lately: a request that brings one again costs a hash and a comparison instead
/// of a signature.
///
/// Bounded in entries and bytes; a table of sets of four in which the least recently used entry makes place. Entries are
/// found by the whole token and by a fingerprint of all that the verification depended on (keys, issuer, audiences), so
/// that a change of configuration needs no flush: its fingerprint is another. Times are checked at each use.
package struct TokenCache: Sendable {
    private struct Entry: Sendable {
        var hash: UInt64
        var fingerprint: Fingerprint
        var text: [UInt8]
        var token: VerifiedToken
        var lastUse: UInt64
    }

    private static let ways = 4
    private let sets: Int
    private let maxBytes: Int
    /// Longer tokens are verified each time.
    private let maxTokenBytes: Int
    private var entries: [Entry?] = []
    private var clock: UInt64 = 0
    private var bytes = 0
    package private(set) var hits: UInt64 = 0
    package private(set) var misses: UInt64 = 0

    /// An empty cache; memory is taken with the first entry.
    package init(maxEntries: Int = 1024, maxBytes: Int = 4 << 20, maxTokenBytes: Int = 8 << 10) {
        var sets = 1
        while sets * Self.ways < maxEntries { sets *= 2 }
        self.sets = sets
        self.maxBytes = maxBytes
        self.maxTokenBytes = maxTokenBytes
    }

    package var count: Int { entries.reduce(0) { $0 + ($1 == nil ? 0 : 1) } }

    mutating func find(_ text: borrowing Span<UInt8>, hash: UInt64, fingerprint: Fingerprint) -> VerifiedToken? {
        guard !entries.isEmpty else {
            misses &+= 1
            return nil
        }
        let first = Int(truncatingIfNeeded: hash) & (sets &- 1)
        for slot in first &* Self.ways..<first &* Self.ways &+ Self.ways {
            guard entries[slot]?.hash == hash, entries[slot]?.fingerprint == fingerprint else { continue }
            guard let entry = entries[slot], entry.text.span.holdsSameBytes(as: text) else { continue }
            clock &+= 1
            entries[slot]?.lastUse = clock
            hits &+= 1
            return entry.token
        }
        misses &+= 1
        return nil
    }

    mutating func insert(_ text: [UInt8], hash: UInt64, fingerprint: Fingerprint, _ token: VerifiedToken) {
        let size = Self.size(text)
        guard text.count <= maxTokenBytes, size <= maxBytes else { return }
        if entries.isEmpty { entries = Array(repeating: nil, count: sets * Self.ways) }
        if bytes + size > maxBytes {
            entries = Array(repeating: nil, count: sets * Self.ways)
            bytes = 0
        }
        let first = Int(truncatingIfNeeded: hash) & (sets - 1) * Self.ways
        let slots = first..<first + Self.ways
        let slot = slots.first { entries[$0] == nil } ?? slots.min { lastUse($0) < lastUse($1) } ?? first
        if let old = entries[slot] { bytes -= Self.size(old.text) }
        clock &+= 1
        entries[slot] = Entry(hash: hash, fingerprint: fingerprint, text: text, token: token, lastUse: clock)
        bytes += size
    }

    private func lastUse(_ slot: Int) -> UInt64 { entries[slot]?.lastUse ?? 0 }

    /// What an entry takes: the text, and the claims decoded from it.
    private static func size(_ text: [UInt8]) -> Int { 256 + text.count * 4 }

    /// A keyed hash, so that nobody can make tokens that meet in one set.
    static func hash(_ text: borrowing Span<UInt8>) -> UInt64 {
        var hasher = Hasher()
        var index = 0
        let words = text.count & ~7
        while index < words {
            var word: UInt64 = 0
            for offset in 0..<8 { word |= UInt64(text[index &+ offset]) &<< UInt64(offset &* 8) }
            hasher.combine(word)
            index &+= 8
        }
        while index < text.count {
            hasher.combine(text[index])
            index &+= 1
        }
        hasher.combine(text.count)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

/// All that the verdict about a token depends on beside the token and the time, digested.
struct Fingerprint: Sendable, Hashable {
    let high: UInt64
    let low: UInt64

    /// That of the same configuration with the fetched key set of this number.
    func with(_ version: UInt64) -> Fingerprint { Fingerprint(high: high &+ version, low: low) }
}
