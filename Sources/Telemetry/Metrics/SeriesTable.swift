/// Values by request labels: an open-addressing table of numbers into a dense array.
///
/// Finding known labels allocates nothing; new labels may. The table is bounded: labels beyond the bound share one entry,
/// whose labels read `overflow`.
package struct SeriesTable<Value: Sendable>: Sendable {
    package private(set) var keys: [RequestKey] = []
    package private(set) var values: [Value] = []
    /// Observations that had to share the overflow entry.
    package private(set) var overflowed: UInt64 = 0

    /// Number of an entry plus one, 0 for a free slot; a power of two of slots, at most half of them used.
    private var slots = [UInt32](repeating: 0, count: 64)
    private let limit: Int
    private let fresh: Value

    init(limit: Int, fresh: Value) {
        self.limit = max(1, limit)
        self.fresh = fresh
    }

    static var overflowKey: RequestKey {
        RequestKey(
            reporter: .source, source: LabelTable.overflow, destination: LabelTable.overflow,
            service: LabelTable.overflow)
    }

    /// The entry of `key`, made when it is new.
    @inline(__always)
    mutating func entry(_ key: RequestKey) -> Int {
        let mask = slots.count &- 1
        var slot = Int(truncatingIfNeeded: key.mixed) & mask
        while slots[slot] != 0 {
            let entry = Int(slots[slot]) &- 1
            if keys[entry] == key { return entry }
            slot = (slot &+ 1) & mask
        }
        return add(key)
    }

    @inline(__always)
    mutating func update(_ entry: Int, _ change: (inout Value) -> Void) { change(&values[entry]) }

    @inline(never)
    private mutating func add(_ key: RequestKey) -> Int {
        if keys.count >= limit, key != Self.overflowKey {
            overflowed &+= 1
            return entry(Self.overflowKey)
        }
        keys.append(key)
        values.append(fresh)
        if keys.count * 2 > slots.count {
            slots = [UInt32](repeating: 0, count: slots.count * 2)
            for number in keys.indices { place(number) }
        } else {
            place(keys.count - 1)
        }
        return keys.count - 1
    }

    private mutating func place(_ number: Int) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: keys[number].mixed) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = UInt32(number + 1)
    }
}
