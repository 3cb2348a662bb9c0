/// A half-open range of byte offsets into the buffer that holds a message head.
package struct ByteRange: Sendable, Equatable {
    package var start: UInt32
    package var length: UInt32

    package init(start: Int, length: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.length = UInt32(truncatingIfNeeded: length)
    }

    package static var empty: ByteRange { ByteRange(start: 0, length: 0) }

    package var lowerBound: Int { Int(start) }
    package var upperBound: Int { Int(start) &+ Int(length) }
    package var count: Int { Int(length) }
    package var isEmpty: Bool { length == 0 }

    /// The part from `offset` (relative to this range) on; `offset` must not exceed `count`.
    package func dropping(_ offset: Int) -> ByteRange {
        ByteRange(start: lowerBound &+ offset, length: count &- offset)
    }

    /// The first `length` bytes; `length` must not exceed `count`.
    package func prefix(_ length: Int) -> ByteRange { ByteRange(start: lowerBound, length: length) }
}
