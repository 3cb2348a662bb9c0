internal import HeaderBlock
internal import Memory

/// The dynamic table of one direction (RFC 7541 section 2.3.2): entries in the order of insertion, the oldest leave first.
///
/// Bytes of entries stand one behind the other in one buffer of twice the limit, which is moved together when its end is
/// reached: at most one byte moved per byte inserted. Entries are found by their number of insertion, which wraps.
struct DynamicTable: ~Copyable {
    struct Entry: Sendable {
        /// Where its bytes begin, counted from the first byte ever inserted; wraps.
        var position: UInt32 = 0
        var nameLength: UInt16 = 0
        var valueLength: UInt16 = 0
        var name = FieldName(.other)
        var hasValidValue = false
        /// The first static entry with the same name; 0 when there is none.
        var staticName: UInt8 = 0

        var size: Int { Int(nameLength) &+ Int(valueLength) &+ 32 }
    }

    /// The largest table there can be: what our own settings and what we make use of the peer's never exceed.
    static var largest: Int { 64 * 1024 - 1 }

    private var bytes = ByteBuffer()
    private var entries: [Entry] = []
    private var mask: UInt32 = 0
    /// Bytes that left the front of the buffer for good.
    private var discarded: UInt32 = 0
    /// Entries ever inserted; the number of the newest.
    private(set) var inserted: UInt32 = 0
    private(set) var count = 0
    /// In the specification's measure.
    private(set) var size = 0
    private(set) var capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// Forgets everything, keeps the memory.
    mutating func reset(capacity: Int) {
        bytes.clear()
        discarded = 0
        inserted = 0
        count = 0
        size = 0
        self.capacity = capacity
    }

    /// Changes the size that entries may take.
    mutating func resize(_ capacity: Int) {
        self.capacity = min(capacity, Self.largest)
        evict(to: self.capacity)
    }

    /// Whether the entry that was inserted as `number` is still there.
    @inline(__always)
    func contains(_ number: UInt32) -> Bool { inserted &- number < UInt32(truncatingIfNeeded: count) }

    /// The number of the entry at `index` (1 is the newest); nil when there is none.
    @inline(__always)
    func number(at index: Int) -> UInt32? {
        index >= 1 && index <= count ? inserted &- UInt32(truncatingIfNeeded: index &- 1) : nil
    }

    /// The index (1 is the newest) of the entry with this number, which must be there.
    @inline(__always)
    func index(of number: UInt32) -> Int { Int(inserted &- number) &+ 1 }

    @inline(__always)
    func entry(_ number: UInt32) -> Entry { entries[Int(number & mask)] }

    /// The entry's name in `storage`.
    @inline(__always)
    func nameRange(_ entry: Entry) -> ByteRange {
        ByteRange(start: Int(entry.position &- discarded), length: Int(entry.nameLength))
    }

    /// The entry's value in `storage`.
    @inline(__always)
    func valueRange(_ entry: Entry) -> ByteRange {
        ByteRange(start: Int(entry.position &- discarded) &+ Int(entry.nameLength), length: Int(entry.valueLength))
    }

    var storage: Span<UInt8> {
        @_lifetime(borrow self)
        @inline(__always)
        get { bytes.storage }
    }

    /// Appends a range of the table's bytes to `output`.
    @inline(__always)
    func write(_ range: ByteRange, to output: inout ByteBuffer) {
        output.append(from: bytes, offset: range.lowerBound, count: range.count)
    }

    /// Makes room for an entry and begins it: its name and then its value must be appended with `append`, `nameLength` and
    /// `valueLength` bytes. False when it can never fit: the table is empty then (section 4.4).
    mutating func insert(_ entry: Entry) -> Bool {
        let needed = entry.size
        guard needed <= capacity else {
            evict(to: 0)
            return false
        }
        evict(to: capacity &- needed)
        // A table that was made larger may be out of slots before it is out of bytes.
        if count == entries.count || bytes.room < needed { prepare(needed) }
        var entry = entry
        entry.position = discarded &+ UInt32(truncatingIfNeeded: bytes.end)
        inserted &+= 1
        entries[Int(inserted & mask)] = entry
        count &+= 1
        size &+= needed
        return true
    }

    /// An entry came that can never fit (section 4.4).
    mutating func empty() { evict(to: 0) }

    @inline(__always)
    mutating func append(_ text: StaticString) { bytes.append(text) }

    @inline(__always)
    mutating func append(from other: borrowing ByteBuffer, _ range: ByteRange) {
        bytes.append(from: other, offset: range.lowerBound, count: range.count)
    }

    @inline(__always)
    mutating func append(_ other: borrowing Span<UInt8>, _ range: ByteRange) {
        bytes.append(other.extracting(range.lowerBound..<range.upperBound))
    }

    /// The bytes at `range` in lower case.
    mutating func appendLowercased(_ other: borrowing Span<UInt8>, _ range: ByteRange) {
        var index = range.lowerBound
        while index < range.upperBound {
            bytes.append(asciiLowercased(other[index]))
            index &+= 1
        }
    }

    @inline(__always)
    private mutating func evict(to bound: Int) {
        while size > bound {
            let oldest = entry(inserted &- UInt32(truncatingIfNeeded: count &- 1))
            size &-= oldest.size
            count &-= 1
            bytes.skip(Int(oldest.nameLength) &+ Int(oldest.valueLength))
        }
    }

    /// Gets memory, or moves what there is to its beginning.
    private mutating func prepare(_ needed: Int) {
        let slots = max(128, capacity / 32 + 1)
        if entries.count < slots {
            var power = 128
            while power < slots { power *= 2 }
            var larger = [Entry](repeating: Entry(), count: power)
            let newMask = UInt32(power - 1)
            for offset in 0..<count {
                let number = inserted &- UInt32(offset)
                larger[Int(number & newMask)] = entry(number)
            }
            entries = larger
            mask = newMask
        }
        discarded &+= UInt32(truncatingIfNeeded: bytes.start)
        bytes.compact()
        if bytes.room < needed { bytes.reserve(max(2 * capacity - bytes.end, needed)) }
    }
}
