import AllocationCounter
import Glibc
import HTTP2
import Testing

/// Bodies that no memory holds stream through: both ways, in every framing, into readers that stop and start. Memory is flat:
/// what buffers hold stays below a constant, and once a quarter is through, the allocator is asked a few times at most, however
/// long the body is (a buffer of the pool for a state that did not come about before).
///
/// `MARTLET_BODY_MEGABYTES` sets the size: 64 in a test run, 5120 for the record in docs/performance.md.
@Suite("Large bodies", .serialized)
struct LargeBodyTests {
    enum Framing: String, CaseIterable { case length, chunked }
    enum Direction: String, CaseIterable { case up, down }

    private static let megabytes =
        getenv("MARTLET_BODY_MEGABYTES").flatMap { Int(String(cString: $0)) } ?? 64
    private static let chunk = 1 << 20

    /// What a body of any length may ask of the allocator behind its first quarter.
    private static let few: UInt64 = 16
    /// What the proxy may hold of a body of any length: twice a stream's window (256 KiB), as buffers double, and what
    /// two connections need.
    private static let held = 1 << 20

    /// A body that stands still fails: 5,000 turns, and one for each KiB.
    private static let mostSteps = 5_000 + megabytes << 10

    private static func world(cluster: String = "") throws -> LoopbackWorld {
        try LoopbackWorld {
            Rows.bootstrap(
                AllocationTests.Row(name: "large", action: "route: {cluster: up, timeout: 0s}", cluster: cluster),
                endpoint: $0)
        }
    }

    @Test("memory stays flat", arguments: Direction.allCases, Framing.allCases)
    func flat(_ direction: Direction, _ framing: Framing) throws {
        let world = try Self.world()
        let total = Self.megabytes << 20
        let fields = framing == .length ? "content-length: \(total)\r\n" : "transfer-encoding: chunked\r\n"
        let isUp = direction == .up
        world.send(isUp ? Rows.post(fields, []) : Rows.get, on: world.client)
        try world.acceptOne()
        let upstream = world.upstreams[0].socket
        if !isUp { world.send(Array("HTTP/1.1 200 OK\r\n\(fields)\r\n".utf8), on: upstream) }
        let (source, sink) = isUp ? (world.client, upstream) : (upstream, world.client)
        var writer = BodyWriter(socket: source, total: total, isChunked: framing == .chunked, chunk: Self.chunk)
        var received = 0
        var steps = 0
        var most = 0
        var before: UInt64?
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { room.deallocate() }
        let expected = total + writer.overhead
        while received < expected, steps < Self.mostSteps {
            steps += 1
            writer.write()
            world.turn()
            // The reader stops for a while now and then, and begins with small bites.
            if steps % 64 < 8 { continue }
            for _ in 0..<8 {
                let count = recv(sink, room.baseAddress, steps < 256 ? 4096 : room.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { break }
                received += count
            }
            if before == nil, received > total / 4 { before = world.allocations }
            most = max(most, world.heldBytes)
        }
        #expect(most <= Self.held)
        #expect(world.allocations - (before ?? 0) <= Self.few)
        #expect(received >= expected && received < expected + 4096, "after \(steps) steps")
    }

    @Test("memory stays flat on streams", arguments: Direction.allCases, StreamTests.pairs.filter { $0.isStreamed })
    func flatOnStreams(_ direction: Direction, _ pair: StreamTests.Pair) throws {
        let world = try Self.world(cluster: pair.endpointHTTP2 ? StreamRows.http2 : "")
        let total = Self.megabytes << 20
        let isUp = direction == .up
        let client = pair.clientHTTP2 ? SocketStreams(.client, on: world.client) : nil
        if let client {
            client.ask(isUp ? "POST" : "GET", length: isUp ? total : 0)
        } else {
            world.send(isUp ? Rows.post("content-length: \(total)\r\n", []) : Rows.get, on: world.client)
        }
        try world.acceptOne { client?.pump(reading: 4096) }
        let upstream = world.upstreams[0].socket
        let endpoint = pair.endpointHTTP2 ? SocketStreams(.server, on: upstream) : nil
        if let endpoint {
            for _ in 0..<5_000 where !endpoint.hasHead {
                world.turn()
                endpoint.pump(reading: 4096)
            }
            try #require(endpoint.hasHead)
        }
        if !isUp, let endpoint {
            endpoint.answer(length: total)
        } else if !isUp {
            world.send(Array("HTTP/1.1 200 OK\r\ncontent-length: \(total)\r\n\r\n".utf8), on: upstream)
        }
        let (source, sink) = isUp ? (client, endpoint) : (endpoint, client)
        var writer: BodyWriter?
        if source == nil {
            writer = BodyWriter(
                socket: isUp ? world.client : upstream, total: total, isChunked: false, chunk: Self.chunk)
        }
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { room.deallocate() }
        var plain = 0
        var steps = 0
        var most = 0
        var before: UInt64?
        var received: Int { sink?.received ?? plain }
        while received < total, steps < Self.mostSteps {
            steps += 1
            writer?.write()
            source?.pump(reading: 1 << 16)
            world.turn()
            if steps % 64 < 8 { continue }
            let bite = steps < 256 ? 4096 : room.count
            for _ in 0..<4 {
                if let sink {
                    sink.pump(reading: bite)
                } else {
                    let count = recv(isUp ? upstream : world.client, room.baseAddress, bite, Int32(MSG_DONTWAIT))
                    guard count > 0 else { break }
                    plain += count
                }
            }
            if before == nil, received > total / 4 { before = world.allocations }
            most = max(most, world.heldBytes)
        }
        #expect(most <= Self.held)
        // Between two streams, what the reader's window does not take waits in memory that comes and goes.
        if source == nil || sink == nil { #expect(world.allocations - (before ?? 0) <= Self.few) }
        if let sink {
            #expect(sink.received == total, "after \(steps) steps")
        } else {
            #expect(plain >= total && plain < total + 4096, "after \(steps) steps")
        }
    }
}

/// Writes a body of zeros into a socket, as far as that goes along.
private struct BodyWriter {
    let socket: Int32
    let isChunked: Bool
    private let block: [UInt8]
    /// Bytes of blocks that are left to be written, the framing included.
    private var left: Int
    private var offset = 0
    /// What the framing adds.
    let overhead: Int
    private let last = Array("0\r\n\r\n".utf8)
    private var wroteLast = false

    init(socket: Int32, total: Int, isChunked: Bool, chunk: Int) {
        self.socket = socket
        self.isChunked = isChunked
        let head = isChunked ? Array("\(String(chunk, radix: 16))\r\n".utf8) : []
        let tail: [UInt8] = isChunked ? [13, 10] : []
        block = head + Array(repeating: 0, count: chunk) + tail
        left = total / chunk * block.count
        overhead = left - total + (isChunked ? last.count : 0)
        _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK)
    }

    mutating func write() {
        while left > 0 {
            let sent = block.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress?.advanced(by: offset), $0.count - offset, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return }
            left -= sent
            offset = (offset + sent) % block.count
        }
        guard isChunked, !wroteLast else { return }
        let sent = last.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        wroteLast = sent == last.count
    }
}
