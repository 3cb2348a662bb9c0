/// A half-open range of byte offsets into the buffer that holds a message head.
///
/// Read some hundred times a request from other modules: inlinable, as whole-module optimization leaves calls otherwise.
@frozen
@usableFromInline
package struct ByteRange: Sendable, Equatable {
    @usableFromInline package var start: UInt32
    @usableFromInline package var length: UInt32

    @inlinable
    package init(start: Int, length: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.length = UInt32(truncatingIfNeeded: length)
    }

    @inlinable package static var empty: ByteRange { ByteRange(start: 0, length: 0) }

    @inlinable package var lowerBound: Int { Int(start) }
    @inlinable package var upperBound: Int { Int(start) &+ Int(length) }
    @inlinable package var count: Int { Int(length) }
    @inlinable package var isEmpty: Bool { length == 0 }

    /// The part from `offset` (relative to this range) on; `offset` must not exceed `count`.
    @inlinable
    package func dropping(_ offset: Int) -> ByteRange {
        ByteRange(start: lowerBound &+ offset, length: count &- offset)
    }

    /// The first `length` bytes; `length` must not exceed `count`.
    @inlinable
    package func prefix(_ length: Int) -> ByteRange { ByteRange(start: lowerBound, length: length) }
}
