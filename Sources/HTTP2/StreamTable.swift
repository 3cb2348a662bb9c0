/// Open streams in slots that do not move, and a hash table from ids to slots. Allocates only when it grows.
struct StreamTable: ~Copyable {
    private var streams: [Stream] = []
    /// The next free slot behind each free one; -1 ends the list.
    private var free: [Int32] = []
    private var firstFree: Int32 = -1
    /// id << 32 | slot; 0 is empty. A power of two, at most half full.
    private var map: [UInt64] = []
    private(set) var count = 0

    init() {}

    /// Slots that exist, used or not.
    var slots: Int { streams.count }

    mutating func removeAll() {
        guard count > 0 else { return }
        for slot in 0..<streams.count where streams[slot].id != 0 { remove(slot) }
    }

    @inline(__always)
    subscript(slot: Int) -> Stream {
        get { streams[slot] }
        _modify { yield &streams[slot] }
    }

    /// The slot of stream `id`; -1 when it is not open.
    @inline(__always)
    func find(_ id: UInt32) -> Int {
        guard !map.isEmpty else { return -1 }
        let mask = map.count &- 1
        var position = Int(id >> 1) & mask
        while true {
            let entry = map[position]
            if entry == 0 { return -1 }
            if UInt32(truncatingIfNeeded: entry >> 32) == id { return Int(entry & 0xffff_ffff) }
            position = (position &+ 1) & mask
        }
    }

    /// Puts a stream in, whose id must not be there. Returns its slot.
    mutating func insert(_ stream: Stream) -> Int {
        if (count &+ 1) &* 2 > map.count { grow() }
        let slot = Int(firstFree)
        firstFree = free[slot]
        streams[slot] = stream
        place(UInt64(stream.id) << 32 | UInt64(slot))
        count &+= 1
        return slot
    }

    mutating func remove(_ slot: Int) {
        let mask = map.count &- 1
        let id = streams[slot].id
        var hole = Int(id >> 1) & mask
        while UInt32(truncatingIfNeeded: map[hole] >> 32) != id { hole = (hole &+ 1) & mask }
        // What was pushed behind the hole moves up, so that look-ups need no tombstones.
        var position = hole
        while true {
            position = (position &+ 1) & mask
            let entry = map[position]
            if entry == 0 { break }
            let home = Int(entry >> 33) & mask
            if (position &- home) & mask >= (position &- hole) & mask {
                map[hole] = entry
                hole = position
            }
        }
        map[hole] = 0
        streams[slot].id = 0
        free[slot] = firstFree
        firstFree = Int32(truncatingIfNeeded: slot)
        count &-= 1
    }

    private mutating func place(_ entry: UInt64) {
        let mask = map.count &- 1
        var position = Int(entry >> 33) & mask
        while map[position] != 0 { position = (position &+ 1) & mask }
        map[position] = entry
    }

    private mutating func grow() {
        let old = streams.count
        let slots = max(8, old * 2)
        map = [UInt64](repeating: 0, count: slots * 2)
        for slot in 0..<old where streams[slot].id != 0 { place(UInt64(streams[slot].id) << 32 | UInt64(slot)) }
        for slot in old..<slots {
            streams.append(Stream())
            free.append(slot + 1 < slots ? Int32(slot + 1) : firstFree)
        }
        firstFree = Int32(old)
    }
}
