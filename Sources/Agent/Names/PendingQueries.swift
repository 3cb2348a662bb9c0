/// Forwarded queries that wait for an answer: our id to who asked. A value; the time comes in.
struct PendingQueries<Client> {
    struct Entry {
        var client: Client
        var query: DNSMessage.Query
        /// Which of the upstream servers was asked.
        var server: Int
        var deadline: ContinuousClock.Instant
        /// The message as it came, to be asked again elsewhere.
        var message: [UInt8]
    }

    /// More at once are answered with SERVFAIL: a client that floods must not eat the memory.
    static var limit: Int { 4096 }

    private var entries: [UInt16: Entry] = [:]

    var isFull: Bool { entries.count >= Self.limit }
    var isEmpty: Bool { entries.isEmpty }
    var nextDeadline: ContinuousClock.Instant? { entries.values.map(\.deadline).min() }

    /// - Returns: a free id, hard to guess for whoever would forge an answer.
    mutating func insert(_ entry: Entry) -> UInt16 {
        var id = UInt16.random(in: .min ... .max)
        while entries[id] != nil { id &+= 1 }
        entries[id] = entry
        return id
    }

    /// Takes the query that an answer belongs to; the question must be the one that was asked.
    mutating func take(id: UInt16, answer: [UInt8]) -> Entry? {
        guard let entry = entries[id] else { return nil }
        let question = entry.query.question
        guard answer.count >= 12 + question.count, Self.equalsIgnoringCase(answer[12..<(12 + question.count)], question)
        else { return nil }
        entries[id] = nil
        return entry
    }

    /// Takes everything whose time is up.
    mutating func takeExpired(_ now: ContinuousClock.Instant) -> [Entry] {
        let expired = entries.filter { $0.value.deadline <= now }
        for id in expired.keys { entries[id] = nil }
        return Array(expired.values)
    }

    private static func equalsIgnoringCase(_ left: ArraySlice<UInt8>, _ right: [UInt8]) -> Bool {
        func lower(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte | 0x20 : byte }
        return left.count == right.count && zip(left, right).allSatisfy { lower($0) == lower($1) }
    }
}
