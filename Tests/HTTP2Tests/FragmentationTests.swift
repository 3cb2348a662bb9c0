import HTTP2
import Testing

/// How the bytes are cut must not matter, and no bytes may bring the codec down.
@Suite struct FragmentationTests {
    private static let session: [UInt8] = [
        Wire.preface, Wire.settings([(4, 7)]), Wire.settings(ack: true),
        Wire.headers(1, Wire.request("POST"), end: false),
        Wire.padded(1, Array("first".utf8), padding: 9), Wire.priority(1), Wire.ping(Array("12345678".utf8)),
        Wire.frame(1, 0x2d, 3, [4, 0, 0, 0, 0, 9] + Wire.request() + [0, 0, 0, 0]), Wire.data(1, Array("second".utf8)),
        Wire.headers(5, Array(Wire.request().prefix(7)), endHeaders: false),
        Wire.continuation(5, Array(Wire.request().dropFirst(7))), Wire.windowUpdate(0, 1000),
        Wire.windowUpdate(1, 1000),
        Wire.frame(0xfe, 3, 9, [1, 2, 3]), Wire.headers(1, Wire.block([("x-trailer", "1")])), Wire.windowUpdate(3, 5),
        Wire.reset(3), Wire.goAway(), Wire.headers(7, Wire.request(path: "/last")),
    ].flatMap { $0 }

    private func run(_ pieces: [[UInt8]]) -> ([String], [UInt8]) {
        let server = CodecServer()
        for piece in pieces { server.receive(piece) }
        // Where a piece of data is cut shows; together the pieces are the same.
        var events: [String] = []
        for event in server.events {
            if event.hasPrefix("data"), let last = events.last, last.hasPrefix("data"), !last.hasSuffix(" end"),
                event.dropFirst(5).first == last.dropFirst(5).first
            {
                events[events.count - 1] = last + event.dropFirst(7)
            } else {
                events.append(event)
            }
        }
        return (events, server.written)
    }

    @Test func anyCutOfASessionGivesTheSameEventsAndAnswers() {
        let whole = run([Self.session])
        #expect(whole.0.contains("head 7 GET /last host=h2.test end"))
        #expect(!whole.0.contains { $0.hasPrefix("end") })
        let single = run(Self.session.map { [$0] })
        #expect(single.0 == whole.0)
        #expect(single.1 == whole.1)
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed)
        for _ in 0..<300 {
            var pieces: [[UInt8]] = []
            var index = 0
            while index < Self.session.count {
                let length = min(Int.random(in: 1...60, using: &random), Self.session.count - index)
                pieces.append(Array(Self.session[index..<index + length]))
                index += length
            }
            let cut = run(pieces)
            #expect(cut.0 == whole.0, "seed \(seed)")
            #expect(cut.1 == whole.1, "seed \(seed)")
        }
    }

    @Test func mutatedSessionsNeverTrap() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed)
        for _ in 0..<3000 {
            var bytes = Self.session
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let position = Int.random(in: 24..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: position)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: position)
                }
            }
            let server = CodecServer()
            server.receive(bytes)
            #expect(server.streamCount <= SpecCases.limit, "seed \(seed)")
        }
    }

    @Test func randomFramesNeverTrap() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed)
        for _ in 0..<2000 {
            let server = CodecServer()
            server.receive(Wire.preface + Wire.settings() + Wire.headers(1, Wire.request("POST"), end: false))
            for _ in 0..<20 {
                let payload = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                server.receive(
                    Wire.frame(
                        UInt8.random(in: 0...10, using: &random), UInt8.random(in: 0...255, using: &random),
                        UInt32.random(in: 0...9, using: &random), payload))
            }
            #expect(server.streamCount >= 0, "seed \(seed)")
        }
    }
}

/// A small generator that a seed repeats.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
