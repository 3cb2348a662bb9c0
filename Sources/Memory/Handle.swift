/// A reference to a slab's element that cannot dangle: it names a slot and the occupant it was made for.
@usableFromInline
package struct Handle: Sendable, Hashable {
    @usableFromInline package let index: UInt32
    @usableFromInline package let generation: UInt32

    @inlinable
    package init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    /// The handle of nothing; no slab ever gives it out.
    @inlinable package static var none: Handle { Handle(index: .max, generation: 0) }

    @inlinable package var isNone: Bool { index == .max }

    /// The handle as one word, for the kernel to keep (`epoll_data`).
    @inlinable package var bits: UInt64 { UInt64(generation) << 32 | UInt64(index) }

    @inlinable
    package init(bits: UInt64) {
        index = UInt32(truncatingIfNeeded: bits)
        generation = UInt32(truncatingIfNeeded: bits >> 32)
    }
}
