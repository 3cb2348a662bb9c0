/// Memory of one size for the buffers of one worker, recycled. Idle connections hold none of it.
@usableFromInline
package struct BufferPool: ~Copyable {
    /// What one read can bring; larger buffers are grown on demand and not recycled.
    @inlinable package static var bufferSize: Int { 16 * 1024 }

    @usableFromInline var freeList: UnsafeMutableRawPointer?
    /// Pieces kept for later.
    @usableFromInline package var free = 0
    /// Pieces lent out. Zero when nothing is in flight: the leak check of tests.
    @usableFromInline package var lent = 0
    /// Bytes of memory of the pieces that are lent out, grown ones as of their last `recount`.
    @usableFromInline package var held = 0
    @usableFromInline let maxFree: Int

    @inlinable
    package init(maxFree: Int = 1024) { self.maxFree = maxFree }

    @inlinable
    deinit {
        var next = freeList
        while let piece = next {
            // SAFETY: each free piece holds the address of the next in its first word.
            next = piece.load(as: UnsafeMutableRawPointer?.self)
            piece.deallocate()
        }
    }

    /// Gives `buffer` memory when it has none.
    @inlinable
    @inline(__always)
    package mutating func lend(_ buffer: inout ByteBuffer) {
        if buffer.hasMemory { return }
        lent &+= 1
        held &+= Self.bufferSize
        if let piece = freeList {
            // SAFETY: a free piece holds the address of the next in its first word and is Self.bufferSize bytes long.
            freeList = piece.load(as: UnsafeMutableRawPointer?.self)
            free &-= 1
            buffer = ByteBuffer(lending: piece.assumingMemoryBound(to: UInt8.self), capacity: Self.bufferSize)
        } else {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.bufferSize, alignment: 64)
            buffer = ByteBuffer(lending: memory.assumingMemoryBound(to: UInt8.self), capacity: Self.bufferSize)
        }
    }

    /// Takes the memory of `buffer` back; its bytes are gone.
    @inlinable
    @inline(__always)
    package mutating func reclaim(_ buffer: inout ByteBuffer) {
        guard buffer.hasMemory else { return }
        if buffer.counted > 0 { lent &-= 1 }
        held &-= buffer.counted
        let isStandard = buffer.counted > 0 && buffer.capacity == Self.bufferSize
        guard let memory = buffer.detach() else { return }
        guard isStandard, free < maxFree else {
            memory.deallocate()
            return
        }
        // SAFETY: the piece is ours now and large enough for one word.
        let piece = UnsafeMutableRawPointer(memory)
        piece.storeBytes(of: freeList, as: UnsafeMutableRawPointer?.self)
        freeList = piece
        free &+= 1
    }

    /// Takes the memory of `buffer` back when it holds no bytes.
    @inlinable
    @inline(__always)
    package mutating func reclaimIfEmpty(_ buffer: inout ByteBuffer) {
        if buffer.isEmpty { reclaim(&buffer) }
    }

    /// Counts the memory of a buffer that may have grown.
    @inlinable
    @inline(__always)
    package mutating func recount(_ buffer: inout ByteBuffer) {
        guard buffer.counted > 0 else { return }
        held &+= buffer.capacity &- buffer.counted
        buffer.counted = buffer.capacity
    }
}
