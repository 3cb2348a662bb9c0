/// Bytes in one piece of memory: a readable part between `start` and `end`, room behind it.
///
/// An empty buffer may hold no memory at all; `BufferPool` lends it. Appending grows the memory when needed, which the
/// steady state never does. Offsets of `HeaderTable`s count from the beginning of the memory (`storage`), so consuming
/// does not move them; `compact` does.
@usableFromInline
package struct ByteBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<UInt8>?
    @usableFromInline package var capacity: Int
    /// Bytes that a pool counts for this memory, having lent it; 0 when none has.
    @usableFromInline var counted = 0
    /// Offset of the first readable byte.
    @usableFromInline package var start: Int
    /// Offset behind the last readable byte.
    @usableFromInline package var end: Int

    /// A buffer without memory.
    @inlinable
    package init() {
        base = nil
        capacity = 0
        start = 0
        end = 0
    }

    /// A buffer with `capacity` bytes of memory of its own.
    @inlinable
    package init(capacity: Int) {
        // SAFETY: owned by this value alone; freed in deinit or handed over by `detach`.
        base = .allocate(capacity: capacity)
        self.capacity = capacity
        start = 0
        end = 0
    }

    @inlinable
    init(lending memory: UnsafeMutablePointer<UInt8>, capacity: Int) {
        base = memory
        self.capacity = capacity
        start = 0
        end = 0
        counted = capacity
    }

    @inlinable
    deinit { base?.deallocate() }

    @inlinable package var count: Int { end &- start }
    @inlinable package var isEmpty: Bool { start == end }
    @inlinable package var hasMemory: Bool { base != nil }
    /// Bytes that fit behind `end`.
    @inlinable package var room: Int { capacity &- end }

    /// The readable bytes.
    @inlinable package var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        @inline(__always)
        get {
            // SAFETY: base holds `capacity` bytes and start <= end <= capacity; the span borrows self.
            let span = UnsafeBufferPointer(start: base.map { UnsafePointer($0 + start) }, count: count).span
            return _overrideLifetime(span, borrowing: self)
        }
    }

    /// All bytes from the beginning of the memory to `end`: what the offsets of a `HeaderTable` index.
    @inlinable package var storage: Span<UInt8> {
        @_lifetime(borrow self)
        @inline(__always)
        get {
            // SAFETY: base holds `capacity` bytes and end <= capacity; the span borrows self.
            let span = UnsafeBufferPointer(start: base.map { UnsafePointer($0) }, count: end).span
            return _overrideLifetime(span, borrowing: self)
        }
    }

    /// Drops `count` bytes from the front.
    @inlinable
    @inline(__always)
    package mutating func consume(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "buffer: consuming more than there is")
        start &+= count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Drops `count` bytes from the front but keeps offsets as they are, also when nothing is left.
    @inlinable
    @inline(__always)
    package mutating func skip(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "buffer: skipping more than there is")
        start &+= count
    }

    /// Forgets everything behind offset `end`.
    @inlinable
    package mutating func truncate(to end: Int) {
        precondition(end >= start && end <= self.end, "buffer: truncating outside the readable bytes")
        self.end = end
    }

    /// Forgets all bytes, keeps the memory.
    @inlinable
    package mutating func clear() {
        start = 0
        end = 0
    }

    /// Moves the readable bytes to the beginning of the memory. Offsets into `storage` change by `-start`.
    @inlinable
    package mutating func compact() {
        guard start > 0 else { return }
        if let base, count > 0 {
            // SAFETY: both ranges are inside the memory; update allows overlap.
            base.update(from: base + start, count: count)
        }
        end &-= start
        start = 0
    }

    /// Makes room for `additional` bytes behind `end`.
    @inlinable
    @inline(__always)
    package mutating func reserve(_ additional: Int) {
        if capacity &- end < additional { grow(additional) }
    }

    @usableFromInline
    @inline(never)
    mutating func grow(_ additional: Int) {
        let wanted = max(capacity * 2, end + additional, 1024)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
        if let base {
            // SAFETY: `end` bytes are initialised in the old memory and fit in the new.
            larger.update(from: base, count: end)
            base.deallocate()
        }
        base = larger
        capacity = wanted
    }

    @inlinable
    @inline(__always)
    package mutating func append(_ byte: UInt8) {
        reserve(1)
        // SAFETY: reserve made sure of one byte behind end.
        base?[end] = byte
        end &+= 1
    }

    @inlinable
    @inline(__always)
    package mutating func append(_ text: StaticString) {
        append(text.utf8Start, text.utf8CodeUnitCount)
    }

    @inlinable
    @inline(__always)
    package mutating func append(_ bytes: borrowing Span<UInt8>) {
        let count = bytes.count
        reserve(count)
        let target = base.map { $0 + end }
        bytes.withUnsafeBufferPointer { source in
            if let from = source.baseAddress, let target {
                // SAFETY: reserve made room for count bytes; a span never aliases memory of a buffer under mutation.
                target.update(from: from, count: count)
            }
        }
        end &+= count
    }

    @inlinable
    package mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

    /// Appends `count` bytes of `other`'s storage from `offset` on.
    @inlinable
    @inline(__always)
    package mutating func append(from other: borrowing ByteBuffer, offset: Int, count: Int) {
        precondition(offset >= 0 && count >= 0 && offset &+ count <= other.end, "buffer: appending from outside")
        guard count > 0, let source = other.base else { return }
        append(UnsafePointer(source + offset), count)
    }

    /// Appends `count` of this buffer's own bytes, from `offset` of its storage on.
    @inlinable
    package mutating func appendOwn(offset: Int, count: Int) {
        precondition(offset >= 0 && count >= 0 && offset &+ count <= end, "buffer: appending from outside")
        reserve(count)
        // SAFETY: the source ends at or before `end`, the target begins there.
        if count > 0, let base { (base + end).update(from: base + offset, count: count) }
        end &+= count
    }

    /// Appends a number in decimal.
    @inlinable
    package mutating func append(decimal number: Int) {
        if number < 0 { append(0x2d) }
        var rest = number.magnitude
        reserve(20)
        var digits = 1
        var bound: UInt = 10
        while digits < 20, rest >= bound {
            digits &+= 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        var position = end &+ digits
        end = position
        repeat {
            position &-= 1
            // SAFETY: reserve(20) covers the digits of any UInt.
            base?[position] = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
            rest /= 10
        } while position > end &- digits
    }

    /// Appends a number in lower-case hexadecimal without leading zeros.
    @inlinable
    package mutating func append(hex number: Int) {
        var shift = 60
        while shift > 0, number >> shift & 15 == 0 { shift -= 4 }
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: number >> shift & 15)
            append(digit < 10 ? digit &+ 0x30 : digit &+ 0x57)
            shift -= 4
        }
    }

    /// Appends a number as four bytes, the highest first.
    @inlinable
    @inline(__always)
    package mutating func append(bigEndian number: UInt32) {
        reserve(4)
        if let base {
            // SAFETY: reserve made sure of four bytes behind end.
            UnsafeMutableRawPointer(base + end).storeBytes(of: number.bigEndian, as: UInt32.self)
        }
        end &+= 4
    }

    /// Moves `count` bytes from offset `from` of the storage to offset `to`; both places may overlap.
    @inlinable
    package mutating func moveOwn(from: Int, to: Int, count: Int) {
        precondition(from >= 0 && to >= 0 && count >= 0 && max(from, to) &+ count <= end, "buffer: moving outside")
        // SAFETY: both ranges end at or before `end`; update allows overlap.
        if count > 0, let base { (base + to).update(from: base + from, count: count) }
    }

    /// Overwrites the byte at `offset` of the storage.
    @inlinable
    package mutating func set(_ byte: UInt8, at offset: Int) {
        precondition(offset >= 0 && offset < end, "buffer: setting outside")
        base?[offset] = byte
    }

    @inlinable
    @inline(__always)
    mutating func append(_ source: UnsafePointer<UInt8>, _ count: Int) {
        reserve(count)
        // SAFETY: reserve made room for count bytes behind end; the source is another object's memory.
        if let base { (base + end).update(from: source, count: count) }
        end &+= count
    }

    /// Lets the transport write into the room behind `end`; `body` returns how many bytes it wrote, or a negative error
    /// code, which is passed through.
    @inlinable
    @inline(__always)
    package mutating func fill(_ body: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        // SAFETY: the memory behind end belongs to this buffer; what is written becomes readable.
        let written = body(
            UnsafeMutableRawBufferPointer(start: base.map { UnsafeMutableRawPointer($0 + end) }, count: room))
        if written > 0 {
            precondition(written <= room, "buffer: more was written than there was room")
            end &+= written
        }
        return written
    }

    /// The readable bytes for the transport.
    @inlinable
    @inline(__always)
    package func withReadable<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        // SAFETY: base holds `end` initialised bytes; the pointer does not outlive the call.
        body(UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0 + start) }, count: count))
    }

    /// Gives up the memory, for the pool.
    @inlinable
    mutating func detach() -> UnsafeMutablePointer<UInt8>? {
        let memory = base
        counted = 0
        base = nil
        capacity = 0
        start = 0
        end = 0
        return memory
    }
}
