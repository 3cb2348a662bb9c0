/// One header field as offsets into the buffer that holds the head, with its name interned when it is a known one.
@frozen
@usableFromInline
package struct HeaderField: Sendable {
    @usableFromInline package var nameStart: UInt32
    @usableFromInline package var valueStart: UInt32
    @usableFromInline package var valueLength: UInt32
    @usableFromInline package var nameLength: UInt16
    @usableFromInline package var id: KnownHeader
    @usableFromInline var flags: UInt8

    @inlinable
    package init(name: ByteRange, value: ByteRange, id: KnownHeader) {
        nameStart = name.start
        nameLength = UInt16(truncatingIfNeeded: name.length)
        valueStart = value.start
        valueLength = value.length
        self.id = id
        flags = 0
    }

    /// A removed field stays in the table so that indices remain valid; views skip it.
    package var isRemoved: Bool {
        @inlinable get { flags & 1 != 0 }
        @inlinable set { flags = newValue ? flags | 1 : flags & ~1 }
    }

    /// The sender wants the value kept out of compression tables, and intermediaries pass that on (RFC 7541 section 7.1.3).
    package var isNeverIndexed: Bool {
        @inlinable get { flags & 2 != 0 }
        @inlinable set { flags = newValue ? flags | 2 : flags & ~2 }
    }

    @inlinable package var name: ByteRange { ByteRange(start: Int(nameStart), length: Int(nameLength)) }

    @inlinable package var value: ByteRange { ByteRange(start: Int(valueStart), length: Int(valueLength)) }
}
