package import HeaderBlock
package import Memory

/// Encodes header blocks of one direction of a connection (RFC 7541), fields one at a time.
///
/// What goes into the dynamic table: a field whose name has no index yet, and a field that was seen a short while ago
/// already. So values that differ in each request (ids, times) never push out what repeats, and nobody lists them.
/// Literals that enter the table are Huffman-coded, being sent once; those that do not are sent bare, being cheaper so.
/// Looking a field up is O(1): direct-mapped tables of hashes, whose collisions cost compression only.
package struct HPACKEncoder: ~Copyable {
    private static var fieldSlots: Int { 256 }
    private static var nameSlots: Int { 128 }
    /// Values longer than this are not worth the room.
    private static var longestIndexedValue: Int { 1024 }

    private var table = DynamicTable(capacity: 4096)
    /// Numbers of entries by the hash of name and value, then by the hash of the name, then tags of fields seen lately.
    private var slots: [UInt32] = []
    /// Size updates to announce at the beginning of the next block: the smallest since the last, and the current.
    private var smallestSize = 4096
    private var announcesSize = false

    package init() {}

    /// Forgets the connection, keeps memory.
    package mutating func reset() {
        table.reset(capacity: 4096)
        for index in 0..<slots.count { slots[index] = 0 }
        announcesSize = false
        smallestSize = 4096
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE. We use at most 4096 of it.
    package mutating func setLimit(_ size: Int) {
        let size = min(size, 4096)
        if size == table.capacity { return }
        smallestSize = announcesSize ? min(smallestSize, size) : size
        announcesSize = true
        table.resize(size)
    }

    /// Entries in the dynamic table: for tests.
    package var tableCount: Int { table.count }

    /// Must be called in front of the first field of each block.
    package mutating func beginBlock(_ output: inout ByteBuffer) {
        if slots.isEmpty {
            slots = [UInt32](repeating: 0, count: Self.fieldSlots &* 2 &+ Self.nameSlots)
        }
        guard announcesSize else { return }
        announcesSize = false
        if smallestSize < table.capacity { Self.integer(smallestSize, 5, 0x20, &output) }
        Self.integer(table.capacity, 5, 0x20, &output)
    }

    // MARK: Fields

    /// `:method`.
    package mutating func encode(
        method: Method, _ bytes: borrowing Span<UInt8>, _ range: ByteRange, _ output: inout ByteBuffer
    ) {
        switch method {
        case .get: output.append(0x82)
        case .post: output.append(0x83)
        default: encode(staticName: 2, bytes, range, &output)
        }
    }

    /// `:path`.
    package mutating func encode(path range: ByteRange, _ bytes: borrowing Span<UInt8>, _ output: inout ByteBuffer) {
        if range.count == 1, bytes[range.lowerBound] == 0x2f { return output.append(0x84) }
        encode(staticName: 4, bytes, range, &output)
    }

    /// `:scheme`.
    package mutating func encode(scheme: Scheme, _ output: inout ByteBuffer) {
        output.append(scheme == .http ? 0x86 : 0x87)
    }

    /// `:authority`.
    package mutating func encode(authority range: ByteRange, _ bytes: borrowing Span<UInt8>, _ output: inout ByteBuffer)
    {
        encode(staticName: 1, bytes, range, &output)
    }

    /// `:protocol`.
    package mutating func encode(
        protocolName range: ByteRange, _ bytes: borrowing Span<UInt8>, _ output: inout ByteBuffer
    ) {
        output.append(0)
        Self.rawString(":protocol", &output)
        Self.rawString(bytes, range, &output)
    }

    /// `:status`; three digits.
    package mutating func encode(status: UInt16, _ output: inout ByteBuffer) {
        switch status {
        case 200: output.append(0x88)
        case 204: output.append(0x89)
        case 206: output.append(0x8a)
        case 304: output.append(0x8b)
        case 400: output.append(0x8c)
        case 404: output.append(0x8d)
        case 500: output.append(0x8e)
        default:
            let digits: InlineArray<3, UInt8> = [
                UInt8(truncatingIfNeeded: status / 100 % 10) &+ 0x30,
                UInt8(truncatingIfNeeded: status / 10 % 10) &+ 0x30,
                UInt8(truncatingIfNeeded: status % 10) &+ 0x30,
            ]
            encode(staticName: 8, digits.span, ByteRange(start: 0, length: 3), &output)
        }
    }

    /// A field with a name from the static table.
    private mutating func encode(
        staticName: Int, _ bytes: borrowing Span<UInt8>, _ range: ByteRange, _ output: inout ByteBuffer
    ) {
        encode(Name(staticName: staticName, id: .other), bytes, .empty, bytes, range, false, &output)
    }

    /// A regular field of a table; its name may be in any case.
    package mutating func encode(_ field: HeaderField, _ bytes: borrowing Span<UInt8>, _ output: inout ByteBuffer) {
        let staticName = field.id == .other ? StaticTable.index(bytes, field.name) : StaticTable.index(field.id)
        encode(
            Name(staticName: staticName, id: field.id), bytes, field.name, bytes, field.value, field.isNeverIndexed,
            &output)
    }

    /// A regular field with a known name.
    package mutating func encode(
        _ id: KnownHeader, _ value: borrowing Span<UInt8>, _ output: inout ByteBuffer
    ) {
        let range = ByteRange(start: 0, length: value.count)
        encode(Name(staticName: StaticTable.index(id), id: id), value, .empty, value, range, false, &output)
    }

    /// A regular field with any name.
    package mutating func encode(
        _ name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>, _ output: inout ByteBuffer
    ) {
        let nameRange = ByteRange(start: 0, length: name.count)
        let id = KnownHeader.classify(name, nameRange)
        let staticName = id == .other ? StaticTable.index(name, nameRange) : StaticTable.index(id)
        encode(
            Name(staticName: staticName, id: id), name, nameRange, value, ByteRange(start: 0, length: value.count),
            false,
            &output)
    }

    // MARK: Choosing a representation

    /// A name by its place in one of the tables of names, where it has one.
    private struct Name {
        var staticName: Int
        var id: KnownHeader
        var isUnknown: Bool { staticName == 0 && id == .other }
        /// The text; empty for names that are told by their bytes.
        var text: StaticString { staticName > 0 ? StaticTable.name(staticName) : id.name }
    }

    private mutating func encode(
        _ name: Name, _ names: borrowing Span<UInt8>, _ nameRange: ByteRange, _ values: borrowing Span<UInt8>,
        _ value: ByteRange, _ isNeverIndexed: Bool, _ output: inout ByteBuffer
    ) {
        let nameHash = Self.hash(name, names, nameRange)
        let nameSlot = Self.fieldSlots &+ Int(truncatingIfNeeded: nameHash) & (Self.nameSlots &- 1)
        if isNeverIndexed || Self.isSensitive(name, value) || value.count > Self.longestIndexedValue {
            let never = isNeverIndexed || Self.isSensitive(name, value)
            let index = nameIndex(name, names, nameRange, nameSlot)
            return literal(name, index, names, nameRange, values, value, 4, never ? 0x10 : 0, &output)
        }
        let hash = Self.hash(values, value, nameHash)
        let slot = Int(truncatingIfNeeded: hash) & (Self.fieldSlots &- 1)
        let number = slots[slot]
        if table.contains(number), matches(number, name, names, nameRange), matchesValue(number, values, value) {
            return Self.integer(StaticTable.count &+ table.index(of: number), 7, 0x80, &output)
        }
        if name.staticName == 16, values.equals(value, "gzip, deflate") { return output.append(0x90) }
        let index = nameIndex(name, names, nameRange, nameSlot)
        let seenSlot =
            Self.fieldSlots &+ Self.nameSlots &+ Int(truncatingIfNeeded: hash >> 8) & (Self.fieldSlots &- 1)
        let tag = UInt32(truncatingIfNeeded: hash >> 32) | 1
        let entrySize = nameLength(name, nameRange) &+ value.count &+ 32
        guard index == 0 || slots[seenSlot] == tag, entrySize <= table.capacity else {
            slots[seenSlot] = tag
            return literal(name, index, names, nameRange, values, value, 4, 0, &output)
        }
        literal(name, index, names, nameRange, values, value, 6, 0x40, &output)
        insert(name, names, nameRange, values, value)
        slots[slot] = table.inserted
        slots[nameSlot] = table.inserted
    }

    /// Credentials, and cookies short enough to be guessed byte by byte (RFC 7541 section 7.1.3).
    private static func isSensitive(_ name: Name, _ value: ByteRange) -> Bool {
        name.staticName == 23 || name.staticName == 49 || name.staticName == 32 && value.count < 20
    }

    private func nameLength(_ name: Name, _ range: ByteRange) -> Int {
        name.isUnknown ? range.count : name.text.utf8CodeUnitCount
    }

    /// The index to tell the name by; 0 when it must be spelled.
    @inline(__always)
    private func nameIndex(
        _ name: Name, _ names: borrowing Span<UInt8>, _ range: ByteRange, _ slot: Int
    ) -> Int {
        if name.staticName > 0 { return name.staticName }
        let number = slots[slot]
        guard table.contains(number), matches(number, name, names, range) else { return 0 }
        return StaticTable.count &+ table.index(of: number)
    }

    @inline(__always)
    private func matches(
        _ number: UInt32, _ name: Name, _ names: borrowing Span<UInt8>, _ range: ByteRange
    ) -> Bool {
        let entry = table.entry(number)
        guard Int(entry.staticName) == name.staticName, entry.name.id == name.id else { return false }
        guard name.isUnknown else { return true }
        guard Int(entry.nameLength) == range.count else { return false }
        let stored = table.storage
        var position = table.nameRange(entry).lowerBound
        var index = range.lowerBound
        while index < range.upperBound {
            if asciiLowercased(names[index]) != stored[position] { return false }
            index &+= 1
            position &+= 1
        }
        return true
    }

    @inline(__always)
    private func matchesValue(_ number: UInt32, _ values: borrowing Span<UInt8>, _ range: ByteRange) -> Bool {
        let entry = table.entry(number)
        guard Int(entry.valueLength) == range.count else { return false }
        return Self.equal(table.storage, table.valueRange(entry).lowerBound, values, range.lowerBound, range.count)
    }

    private mutating func insert(
        _ name: Name, _ names: borrowing Span<UInt8>, _ nameRange: ByteRange, _ values: borrowing Span<UInt8>,
        _ value: ByteRange
    ) {
        var entry = DynamicTable.Entry()
        entry.nameLength = UInt16(truncatingIfNeeded: nameLength(name, nameRange))
        entry.valueLength = UInt16(truncatingIfNeeded: value.count)
        entry.name = FieldName(name.id)
        entry.staticName = UInt8(truncatingIfNeeded: name.staticName)
        guard table.insert(entry) else { return }
        if name.isUnknown { table.appendLowercased(names, nameRange) } else { table.append(name.text) }
        table.append(values, value)
    }

    // MARK: Writing

    private func literal(
        _ name: Name, _ index: Int, _ names: borrowing Span<UInt8>, _ nameRange: ByteRange,
        _ values: borrowing Span<UInt8>, _ value: ByteRange, _ bits: Int, _ pattern: UInt8,
        _ output: inout ByteBuffer
    ) {
        Self.integer(index, bits, pattern, &output)
        if index == 0 {
            if name.isUnknown {
                Self.integer(nameRange.count, 7, 0, &output)
                var position = nameRange.lowerBound
                while position < nameRange.upperBound {
                    output.append(asciiLowercased(names[position]))
                    position &+= 1
                }
            } else {
                Self.rawString(name.text, &output)
            }
        }
        if pattern == 0x40 {
            let length = Huffman.encodedLength(values, value)
            if length < value.count {
                Self.integer(length, 7, 0x80, &output)
                return Huffman.encode(values, value, into: &output)
            }
        }
        Self.rawString(values, value, &output)
    }

    private static func rawString(_ text: StaticString, _ output: inout ByteBuffer) {
        integer(text.utf8CodeUnitCount, 7, 0, &output)
        output.append(text)
    }

    @inline(__always)
    private static func rawString(_ bytes: borrowing Span<UInt8>, _ range: ByteRange, _ output: inout ByteBuffer) {
        integer(range.count, 7, 0, &output)
        output.append(bytes.extracting(range.lowerBound..<range.upperBound))
    }

    /// An integer with a prefix of `bits` (RFC 7541 section 5.1), the rest of whose byte is `pattern`.
    @inline(__always)
    static func integer(_ value: Int, _ bits: Int, _ pattern: UInt8, _ output: inout ByteBuffer) {
        let mask = 1 << bits &- 1
        if value < mask { return output.append(pattern | UInt8(truncatingIfNeeded: value)) }
        output.append(pattern | UInt8(truncatingIfNeeded: mask))
        var rest = value &- mask
        while rest >= 128 {
            output.append(UInt8(truncatingIfNeeded: rest & 127 | 128))
            rest >>= 7
        }
        output.append(UInt8(truncatingIfNeeded: rest))
    }

    // MARK: Hashing

    @inline(__always)
    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }

    @inline(__always)
    private static func hash(_ name: Name, _ bytes: borrowing Span<UInt8>, _ range: ByteRange) -> UInt64 {
        guard name.isUnknown else { return mix(0x5bd1, UInt64(name.staticName) << 8 | UInt64(name.id.rawValue)) }
        // Case-insensitive, because names of HTTP/1.1 come in any case; that other bytes fold too does no harm.
        return hash(bytes, range, 0x1b87, folding: 0x2020_2020_2020_2020)
    }

    @inline(__always)
    private static func hash(
        _ bytes: borrowing Span<UInt8>, _ range: ByteRange, _ seed: UInt64, folding: UInt64 = 0
    ) -> UInt64 {
        var hash = mix(seed, UInt64(range.count))
        let raw = unsafe bytes.bytes
        precondition(range.upperBound <= bytes.count, "hpack: field outside its buffer")
        var index = range.lowerBound
        while index &+ 8 <= range.upperBound {
            // SAFETY: index + 8 is within the range, which is within the span; any bits are a valid UInt64.
            hash = mix(hash, unsafe raw.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self) | folding)
            index &+= 8
        }
        var word: UInt64 = 0
        while index < range.upperBound {
            word = word << 8 | UInt64(bytes[index])
            index &+= 1
        }
        return mix(hash, word | folding)
    }

    /// Whether `count` bytes agree.
    @inline(__always)
    private static func equal(
        _ first: borrowing Span<UInt8>, _ firstOffset: Int, _ second: borrowing Span<UInt8>, _ secondOffset: Int,
        _ count: Int
    ) -> Bool {
        precondition(
            firstOffset &+ count <= first.count && secondOffset &+ count <= second.count,
            "hpack: comparing outside")
        let firstRaw = unsafe first.bytes
        let secondRaw = unsafe second.bytes
        var index = 0
        while index &+ 8 <= count {
            // SAFETY: both offsets plus count are inside their spans; any bits are a valid UInt64.
            let a = unsafe firstRaw.unsafeLoadUnaligned(fromByteOffset: firstOffset &+ index, as: UInt64.self)
            let b = unsafe secondRaw.unsafeLoadUnaligned(fromByteOffset: secondOffset &+ index, as: UInt64.self)
            if a != b { return false }
            index &+= 8
        }
        while index < count {
            if first[firstOffset &+ index] != second[secondOffset &+ index] { return false }
            index &+= 1
        }
        return true
    }
}
