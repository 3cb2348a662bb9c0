/// What lives in a slab. A slot is made once and used again by many occupants, so that large inline tables are not cleared
/// for each of them: `recycle` forgets the occupant and gives up whatever it held.
@usableFromInline
package protocol SlabElement: ~Copyable {
    init()
    mutating func recycle()
}

/// Elements at stable addresses in chunks, found by handles that notice when their occupant is gone.
///
/// Insert, remove and look-up are O(1) and allocate only when the slab grows by a chunk. The last freed slot is used first,
/// so that a quiet worker stays in a small part of the cache.
@usableFromInline
package struct Slab<Element: SlabElement & ~Copyable>: ~Copyable {
    @usableFromInline
    struct Entry: ~Copyable {
        @usableFromInline var generation: UInt32
        @usableFromInline var nextFree: UInt32
        @usableFromInline var element: Element

        @inlinable
        init(generation: UInt32, nextFree: UInt32, element: consuming Element) {
            self.generation = generation
            self.nextFree = nextFree
            self.element = element
        }
    }

    @inlinable static var chunkShift: UInt32 { 6 }
    @inlinable static var chunkSize: Int { 1 << 6 }

    @usableFromInline var chunks: UnsafeMutablePointer<UnsafeMutablePointer<Entry>>
    @usableFromInline var chunkCount = 0
    @usableFromInline var chunkCapacity = 64
    @usableFromInline var firstFree: UInt32 = .max
    /// Occupied slots.
    @usableFromInline package var count = 0

    @inlinable
    package init() {
        // SAFETY: owned by this value alone, freed in deinit; entries below chunkCount are initialised.
        chunks = .allocate(capacity: 64)
    }

    @inlinable
    deinit {
        for chunk in 0..<chunkCount {
            // SAFETY: every chunk holds chunkSize initialised entries from `grow` on.
            chunks[chunk].deinitialize(count: 1 << 6)
            chunks[chunk].deallocate()
        }
        chunks.deallocate()
    }

    /// Slots that exist, occupied or not.
    @inlinable package var capacity: Int { chunkCount * Self.chunkSize }

    /// Occupies a slot. Its element is as `init` or the last `recycle` left it.
    @inlinable
    package mutating func insert() -> Handle {
        if firstFree == .max { grow() }
        let index = firstFree
        let entry = entry(index)
        firstFree = entry.pointee.nextFree
        // An odd generation marks an occupied slot.
        entry.pointee.generation &+= 1
        count += 1
        return Handle(index: index, generation: entry.pointee.generation)
    }

    /// Frees the slot of `handle`; false when its occupant was gone already.
    @discardableResult
    @inlinable
    package mutating func remove(_ handle: Handle) -> Bool {
        guard contains(handle) else { return false }
        let entry = entry(handle.index)
        entry.pointee.element.recycle()
        entry.pointee.generation &+= 1
        entry.pointee.nextFree = firstFree
        firstFree = handle.index
        count -= 1
        return true
    }

    /// Whether the occupant that `handle` was made for is still there.
    @inlinable
    @inline(__always)
    package func contains(_ handle: Handle) -> Bool {
        Int(handle.index) < capacity && entry(handle.index).pointee.generation == handle.generation
    }

    /// The occupant of `handle`, in place; it must still be there.
    package subscript(handle: Handle) -> Element {
        @inlinable
        @inline(__always)
        unsafeAddress {
            precondition(contains(handle), "slab: the occupant of this handle is gone")
            // SAFETY: the entry is initialised and stays at its address for the life of the slab.
            return UnsafePointer(elementPointer(handle.index))
        }
        @inlinable
        @inline(__always)
        unsafeMutableAddress {
            precondition(contains(handle), "slab: the occupant of this handle is gone")
            // SAFETY: as above; `mutating` access makes the borrow exclusive.
            return elementPointer(handle.index)
        }
    }

    /// The handle of the occupant of slot `index`; nil when it is free. For sweeps over all occupants.
    @inlinable
    package func occupant(at index: Int) -> Handle? {
        guard index < capacity else { return nil }
        let generation = entry(UInt32(index)).pointee.generation
        return generation & 1 == 1 ? Handle(index: UInt32(index), generation: generation) : nil
    }

    @inlinable
    @inline(__always)
    func entry(_ index: UInt32) -> UnsafeMutablePointer<Entry> {
        // SAFETY: callers have checked index < capacity, so the chunk exists.
        chunks[Int(index >> Self.chunkShift)] + Int(index) & (Self.chunkSize - 1)
    }

    @inlinable
    @inline(__always)
    func elementPointer(_ index: UInt32) -> UnsafeMutablePointer<Element> {
        withUnsafeMutablePointer(to: &entry(index).pointee.element) { $0 }
    }

    @inlinable
    @inline(never)
    mutating func grow() {
        if chunkCount == chunkCapacity {
            // SAFETY: the table of pointers is moved; the chunks themselves stay where they are.
            let larger = UnsafeMutablePointer<UnsafeMutablePointer<Entry>>.allocate(capacity: chunkCapacity * 2)
            larger.moveInitialize(from: chunks, count: chunkCount)
            chunks.deallocate()
            chunks = larger
            chunkCapacity *= 2
        }
        let chunk = UnsafeMutablePointer<Entry>.allocate(capacity: Self.chunkSize)
        let base = UInt32(chunkCount * Self.chunkSize)
        for offset in 0..<Self.chunkSize {
            let next = offset + 1 < Self.chunkSize ? base + UInt32(offset) + 1 : firstFree
            (chunk + offset).initialize(to: Entry(generation: 0, nextFree: next, element: Element()))
        }
        (chunks + chunkCount).initialize(to: chunk)
        chunkCount += 1
        firstFree = base
    }
}
