/// One header field as offsets into the buffer that holds the head, with its name interned when it is a known one.
package struct HeaderField: Sendable {
    package var nameStart: UInt32
    package var valueStart: UInt32
    package var valueLength: UInt32
    package var nameLength: UInt16
    package var id: KnownHeader
    private var flags: UInt8

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
        get { flags & 1 != 0 }
        set { flags = newValue ? flags | 1 : flags & ~1 }
    }

    /// The sender wants the value kept out of compression tables, and intermediaries pass that on (RFC 7541 section 7.1.3).
    package var isNeverIndexed: Bool {
        get { flags & 2 != 0 }
        set { flags = newValue ? flags | 2 : flags & ~2 }
    }

    package var name: ByteRange { ByteRange(start: Int(nameStart), length: Int(nameLength)) }

    package var value: ByteRange { ByteRange(start: Int(valueStart), length: Int(valueLength)) }
}
