/// Bytes that never change or move: spans over them need no copy and no reference count.
final class FrozenBytes: @unchecked Sendable {  // SAFETY: written once in init, before anyone else can see it.
    // SAFETY: allocated in init, freed in deinit, and lent out only as spans that borrow self.
    private let memory: UnsafeMutableBufferPointer<UInt8>

    init(_ bytes: [UInt8]) {
        memory = .allocate(capacity: bytes.count)
        _ = memory.initialize(from: bytes)
    }

    deinit { memory.deallocate() }

    @_lifetime(borrow self)
    @inline(__always)
    func span(_ offset: Int, _ count: Int) -> Span<UInt8> {
        // SAFETY: the memory lives as long as self, which the result borrows; `extracting` checks the bounds.
        let all = Span<UInt8>(_unsafeElements: UnsafeBufferPointer(memory))
        return _overrideLifetime(all.extracting(offset..<(offset &+ count)), borrowing: self)
    }
}
