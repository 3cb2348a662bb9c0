import Memory
import Testing

@Suite struct ByteBufferTests {
    private func text(_ buffer: borrowing ByteBuffer) -> String {
        buffer.withReadable { String(decoding: $0, as: UTF8.self) }
    }

    @Test func appendsInOrderAndGrows() {
        var buffer = ByteBuffer()
        buffer.append("hello")
        buffer.append(0x20)
        buffer.append(Array("world".utf8))
        #expect(text(buffer) == "hello world")
        buffer.append([UInt8](repeating: 0x78, count: 50_000))
        #expect(buffer.count == 50_011)
    }

    @Test(arguments: [
        (0, "0"), (7, "7"), (10, "10"), (999, "999"), (1_000_000, "1000000"), (-42, "-42"),
        (Int.max, "9223372036854775807"),
    ])
    func writesDecimals(number: Int, expected: String) {
        var buffer = ByteBuffer()
        buffer.append(decimal: number)
        #expect(text(buffer) == expected)
    }

    @Test(arguments: [(0, "0"), (15, "f"), (16, "10"), (0xdead_beef, "deadbeef"), (4096, "1000")])
    func writesHexadecimals(number: Int, expected: String) {
        var buffer = ByteBuffer()
        buffer.append(hex: number)
        #expect(text(buffer) == expected)
    }

    @Test func consumingKeepsOffsetsAndCompactingMovesThem() {
        var buffer = ByteBuffer(capacity: 64)
        buffer.append("abcdef")
        buffer.consume(2)
        #expect(text(buffer) == "cdef")
        #expect(buffer.storage[2] == UInt8(ascii: "c"))
        buffer.compact()
        #expect(buffer.start == 0)
        #expect(buffer.storage[0] == UInt8(ascii: "c"))
        buffer.consume(4)
        #expect(buffer.count == 0)
    }

    @Test func copiesFromItselfAndFromOthers() {
        var buffer = ByteBuffer()
        buffer.append("/path")
        buffer.appendOwn(offset: 1, count: 4)
        #expect(text(buffer) == "/pathpath")
        var other = ByteBuffer()
        other.append(from: buffer, offset: 5, count: 4)
        #expect(text(other) == "path")
    }
}

@Suite struct BufferPoolTests {
    @Test func lentMemoryComesBackAndIsUsedAgain() {
        var pool = BufferPool()
        var buffer = ByteBuffer()
        pool.lend(&buffer)
        #expect(buffer.capacity == BufferPool.bufferSize)
        #expect(pool.lent == 1)
        buffer.append("x")
        pool.reclaimIfEmpty(&buffer)
        #expect(pool.lent == 1)
        buffer.consume(1)
        pool.reclaimIfEmpty(&buffer)
        #expect(pool.lent == 0)
        #expect(pool.free == 1)
        pool.lend(&buffer)
        #expect(pool.free == 0)
        pool.reclaim(&buffer)
    }

    @Test func aGrownBufferIsCountedBackButNotKept() {
        var pool = BufferPool()
        var buffer = ByteBuffer()
        pool.lend(&buffer)
        buffer.append([UInt8](repeating: 1, count: BufferPool.bufferSize + 1))
        pool.reclaim(&buffer)
        #expect(pool.lent == 0)
        #expect(pool.free == 0)
    }

    @Test func memoryThatWasNeverLentIsNotCounted() {
        var pool = BufferPool()
        var own = ByteBuffer()
        own.append("x")
        pool.reclaim(&own)
        #expect(pool.lent == 0)
    }
}
