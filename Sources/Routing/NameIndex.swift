/// An immutable hash table from byte strings to numbers, compared without ASCII case: host names, cluster names.
package struct NameIndex: Sendable {
    private struct Slot: Sendable {
        var hash: UInt32 = 0
        var name = PooledBytes()
        var value: UInt32 = .max
    }

    private var slots: [Slot]
    private let pool: PatternPool

    /// The first of two equal names wins; `duplicates` lists the others.
    package init(_ entries: [(name: String, value: UInt32)], duplicates: inout [String]) {
        var capacity = 8
        while capacity < entries.count * 2 { capacity *= 2 }
        slots = [Slot](repeating: Slot(), count: capacity)
        var pool = PatternPoolBuilder()
        var seen = Set<[UInt8]>()
        for entry in entries {
            let lowered = entry.name.utf8.map(ByteString.lower)
            guard seen.insert(lowered).inserted else {
                duplicates.append(entry.name)
                continue
            }
            let hash = Self.hash(lowered.span)
            var position = Int(hash) & (capacity - 1)
            while slots[position].value != .max { position = (position + 1) & (capacity - 1) }
            slots[position] = Slot(hash: hash, name: pool.add(bytes: lowered), value: entry.value)
        }
        self.pool = pool.finish()
    }

    package init(_ entries: [(name: String, value: UInt32)]) {
        var ignored: [String] = []
        self.init(entries, duplicates: &ignored)
    }

    /// The number behind `name`, or `.max`.
    package func find(_ name: borrowing Span<UInt8>) -> UInt32 {
        let table = slots.span
        let hash = Self.hash(name)
        var position = Int(hash) & (table.count - 1)
        while table[position].value != .max {
            if table[position].hash == hash, ByteString.equalFolded(name, pool.span(table[position].name)) {
                return table[position].value
            }
            position = (position + 1) & (table.count - 1)
        }
        return .max
    }

    /// FNV-1a over the lower-cased bytes, mixed so that the low bits depend on all.
    private static func hash(_ name: borrowing Span<UInt8>) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for index in name.indices { hash = (hash ^ UInt32(ByteString.lower(name[index]))) &* 16_777_619 }
        return hash ^ (hash >> 15)
    }
}
