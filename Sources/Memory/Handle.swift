/// A reference to a slab's element that cannot dangle: it names a slot and the occupant it was made for.
package struct Handle: Sendable, Hashable {
    package let index: UInt32
    package let generation: UInt32

    package init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    /// The handle of nothing; no slab ever gives it out.
    package static var none: Handle { Handle(index: .max, generation: 0) }

    package var isNone: Bool { index == .max }

    /// The handle as one word, for the kernel to keep (`epoll_data`).
    package var bits: UInt64 { UInt64(generation) << 32 | UInt64(index) }

    package init(bits: UInt64) {
        index = UInt32(truncatingIfNeeded: bits)
        generation = UInt32(truncatingIfNeeded: bits >> 32)
    }
}
