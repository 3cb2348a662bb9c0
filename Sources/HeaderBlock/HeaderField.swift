/// One header field as offsets into the buffer that holds the head, with its name interned when it is a known one.
package struct HeaderField: Sendable {
    package var nameStart: UInt32
    package var valueStart: UInt32
    package var valueLength: UInt32
    package var nameLength: UInt16
    package var id: KnownHeader
    /// A removed field stays in the table so that indices remain valid; views skip it.
    package var isRemoved: Bool

    package init(name: ByteRange, value: ByteRange, id: KnownHeader) {
        nameStart = name.start
        nameLength = UInt16(truncatingIfNeeded: name.length)
        valueStart = value.start
        valueLength = value.length
        self.id = id
        isRemoved = false
    }

    package var name: ByteRange { ByteRange(start: Int(nameStart), length: Int(nameLength)) }

    package var value: ByteRange { ByteRange(start: Int(valueStart), length: Int(valueLength)) }
}
