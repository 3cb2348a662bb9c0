package import HeaderBlock
package import Memory

/// A decoded field: ranges of the storage of the arena that it was written to.
package struct HPACKField: Sendable {
    /// Pseudo names are not written, except `:authority`, whose name is `host` in the arena.
    package var name: ByteRange
    package var value: ByteRange
    package var id: KnownHeader
    package var kind: FieldKind
    /// The name is a token in lower case, or one of HTTP/2's pseudo names.
    package var hasValidName: Bool
    /// The value has no control characters, and no blanks at its ends (RFC 9113 section 8.2.1).
    package var hasValidValue: Bool
    package var isNeverIndexed: Bool
    /// In the measure of SETTINGS_MAX_HEADER_LIST_SIZE.
    package var size: Int
}

/// Decodes header blocks of one direction of a connection (RFC 7541), fields one at a time, straight into an arena.
package struct HPACKDecoder: ~Copyable {
    private var table = DynamicTable(capacity: 4096)
    /// What we allow the peer's table to be: our acknowledged SETTINGS_HEADER_TABLE_SIZE.
    private var limit = 4096
    /// The limit was lowered under the table's size: the next block must begin with a size update (section 4.2).
    private var awaitsUpdate = false

    package init() {}

    /// Forgets the connection, keeps memory.
    package mutating func reset() {
        table.reset(capacity: 4096)
        limit = 4096
        awaitsUpdate = false
    }

    /// Our SETTINGS_HEADER_TABLE_SIZE was acknowledged.
    package mutating func setLimit(_ size: Int) {
        limit = min(size, DynamicTable.largest)
        if table.capacity > limit { awaitsUpdate = true }
    }

    /// Entries in the dynamic table, and their size: for tests.
    package var tableCount: Int { table.count }
    package var tableSize: Int { table.size }

    /// Decodes the field at `index` of the block and moves `index` behind it; nil at the block's end. With `writes` false
    /// (a head that is dropped) only the compression state is kept up: the field has no ranges, and what was written to the
    /// arena is the caller's to take back.
    ///
    /// In the arena a regular field is a line `name: value` with CRLF; a pseudo field is its value alone.
    package mutating func next(
        _ block: borrowing Span<UInt8>, at index: inout Int, writes: Bool = true, into arena: inout ByteBuffer
    ) throws(HPACKError) -> HPACKField? {
        while index < block.count {
            let first = block[index]
            if first & 0x80 != 0 {
                if awaitsUpdate { throw .misplacedTableSize }
                return try indexed(try integer(block, &index, 7), writes, &arena)
            }
            if first & 0xe0 == 0x20 {
                try resize(block, &index)
                continue
            }
            if awaitsUpdate { throw .misplacedTableSize }
            let inserts = first & 0x40 != 0
            return try literal(
                block, &index, nameIndex: try integer(block, &index, inserts ? 6 : 4), inserts: inserts,
                isNeverIndexed: first & 0xf0 == 0x10, &arena)
        }
        return nil
    }

    /// A size update; only in front of the first field (section 4.2).
    private mutating func resize(_ block: borrowing Span<UInt8>, _ index: inout Int) throws(HPACKError) {
        // Everything in front of it must be size updates too: at most two make sense.
        var probe = 0
        while probe < index {
            guard block[probe] & 0xe0 == 0x20 else { throw .misplacedTableSize }
            _ = try integer(block, &probe, 5)
        }
        let size = try integer(block, &index, 5)
        guard size <= limit else { throw .badTableSize }
        guard index <= 16 else { throw .misplacedTableSize }
        table.resize(size)
        awaitsUpdate = false
    }

    private func indexed(_ index: Int, _ writes: Bool, _ arena: inout ByteBuffer) throws(HPACKError) -> HPACKField {
        guard index > 0 else { throw .badIndex }
        if index <= StaticTable.count {
            let name = StaticTable.identity(index)
            let value = StaticTable.value(index)
            let size = StaticTable.name(index).utf8CodeUnitCount &+ value.utf8CodeUnitCount &+ 32
            guard writes else { return field(name, .empty, .empty, true, false, size) }
            let nameRange = writeName(name, StaticTable.name(index), &arena)
            let start = arena.end
            arena.append(value)
            let range = ByteRange(start: start, length: arena.end &- start)
            endLine(name, &arena)
            return field(name, nameRange, range, true, false, size)
        }
        guard let number = table.number(at: index &- StaticTable.count) else { throw .badIndex }
        let entry = table.entry(number)
        guard writes else { return field(entry.name, .empty, .empty, entry.hasValidValue, false, entry.size) }
        let nameRange = writeName(entry, &arena)
        let start = arena.end
        table.write(table.valueRange(entry), to: &arena)
        endLine(entry.name, &arena)
        let value = ByteRange(start: start, length: Int(entry.valueLength))
        return field(entry.name, nameRange, value, entry.hasValidValue, false, entry.size)
    }

    private mutating func literal(
        _ block: borrowing Span<UInt8>, _ index: inout Int, nameIndex: Int, inserts: Bool, isNeverIndexed: Bool,
        _ arena: inout ByteBuffer
    ) throws(HPACKError) -> HPACKField {
        var name: FieldName
        var nameRange: ByteRange
        var nameLength: Int
        var staticName = 0
        if nameIndex == 0 {
            let start = arena.end
            try string(block, &index, into: &arena)
            nameLength = arena.end &- start
            nameRange = ByteRange(start: start, length: nameLength)
            name = FieldName(arena.storage, nameRange)
            if name.kind == .regular {
                arena.append(": ")
            } else if name.kind == .authority {
                nameRange = writeName(name, "", &arena)
            }
        } else if nameIndex <= StaticTable.count {
            name = StaticTable.identity(nameIndex)
            nameRange = writeName(name, StaticTable.name(nameIndex), &arena)
            nameLength = StaticTable.name(nameIndex).utf8CodeUnitCount
            staticName = nameIndex
        } else {
            guard let number = table.number(at: nameIndex &- StaticTable.count) else { throw .badIndex }
            let entry = table.entry(number)
            name = entry.name
            nameLength = Int(entry.nameLength)
            nameRange = writeName(entry, &arena)
        }
        let start = arena.end
        try string(block, &index, into: &arena)
        let value = ByteRange(start: start, length: arena.end &- start)
        let isValid = Self.isValidValue(arena.storage, value)
        endLine(name, &arena)
        if inserts {
            var entry = DynamicTable.Entry()
            entry.nameLength = UInt16(truncatingIfNeeded: nameLength)
            entry.valueLength = UInt16(truncatingIfNeeded: value.count)
            entry.name = name
            entry.hasValidValue = isValid
            // Lengths that do not fit in 16 bits are beyond any table.
            if nameLength &+ value.count > DynamicTable.largest {
                table.empty()
            } else if table.insert(entry) {
                if name.kind != .regular, name.kind != .unknownPseudo {
                    table.append(name.kind.text)
                } else if staticName > 0 {
                    table.append(StaticTable.name(staticName))
                } else {
                    table.append(from: arena, nameRange)
                }
                table.append(from: arena, value)
            }
        }
        return field(name, nameRange, value, isValid, isNeverIndexed, nameLength &+ value.count &+ 32)
    }

    @inline(__always)
    private func field(
        _ name: FieldName, _ nameRange: ByteRange, _ value: ByteRange, _ isValid: Bool, _ isNeverIndexed: Bool,
        _ size: Int
    ) -> HPACKField {
        HPACKField(
            name: nameRange, value: value, id: name.id, kind: name.kind, hasValidName: name.isValid,
            hasValidValue: isValid, isNeverIndexed: isNeverIndexed, size: size)
    }

    /// Writes what stands in front of a value, with the name from text.
    @inline(__always)
    private func writeName(_ name: FieldName, _ text: StaticString, _ arena: inout ByteBuffer) -> ByteRange {
        let start = arena.end
        switch name.kind {
        case .regular:
            arena.append(text)
            arena.append(": ")
            return ByteRange(start: start, length: text.utf8CodeUnitCount)
        case .authority:
            arena.append("host: ")
            return ByteRange(start: start, length: 4)
        default: return ByteRange(start: start, length: 0)
        }
    }

    /// The same with the name of an entry of the dynamic table.
    @inline(__always)
    private func writeName(_ entry: DynamicTable.Entry, _ arena: inout ByteBuffer) -> ByteRange {
        let start = arena.end
        switch entry.name.kind {
        case .regular:
            table.write(table.nameRange(entry), to: &arena)
            arena.append(": ")
            return ByteRange(start: start, length: Int(entry.nameLength))
        case .unknownPseudo:
            // Nobody uses it, but an insertion by this name copies it from here.
            table.write(table.nameRange(entry), to: &arena)
            return ByteRange(start: start, length: Int(entry.nameLength))
        default: return writeName(entry.name, "", &arena)
        }
    }

    @inline(__always)
    private func endLine(_ name: FieldName, _ arena: inout ByteBuffer) {
        if name.kind == .regular || name.kind == .authority { arena.append("\r\n") }
    }

    static func isValidValue(_ bytes: borrowing Span<UInt8>, _ range: ByteRange) -> Bool {
        if range.isEmpty { return true }
        return CharacterClass.endOfValue(bytes, range.lowerBound) == range.upperBound
            && !CharacterClass.isBlank(bytes[range.lowerBound]) && !CharacterClass.isBlank(bytes[range.upperBound &- 1])
    }

    /// An integer with a prefix of `bits` (section 5.1), at most 2^28.
    @inline(__always)
    private func integer(_ block: borrowing Span<UInt8>, _ index: inout Int, _ bits: Int) throws(HPACKError) -> Int {
        let mask = 1 << bits &- 1
        let prefix = Int(block[index]) & mask
        index &+= 1
        if prefix < mask { return prefix }
        var value = mask
        var shift = 0
        while shift <= 21 {
            guard index < block.count else { throw .truncated }
            let byte = Int(block[index])
            index &+= 1
            value &+= (byte & 127) << shift
            if byte & 128 == 0 { return value }
            shift &+= 7
        }
        throw .integerOverflow
    }

    /// A string literal (section 5.2).
    @inline(__always)
    private func string(
        _ block: borrowing Span<UInt8>, _ index: inout Int, into arena: inout ByteBuffer
    ) throws(HPACKError) {
        guard index < block.count else { throw .truncated }
        let isCoded = block[index] & 0x80 != 0
        let length = try integer(block, &index, 7)
        guard length <= block.count &- index else { throw .truncated }
        if isCoded {
            guard Huffman.decode(block, index, length, into: &arena) else { throw .badHuffman }
        } else {
            arena.append(block.extracting(index..<index &+ length))
        }
        index &+= length
    }
}
