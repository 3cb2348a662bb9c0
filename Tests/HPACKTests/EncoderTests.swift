import HPACK
import HeaderBlock
import Memory
import Testing

@Suite struct EncoderTests {
    static let request: [Pair] = [
        Pair(":method", "GET"), Pair(":scheme", "https"), Pair(":path", "/cart/7?x=1"), Pair(":authority", "shop.test"),
        Pair("user-agent", "test/1"), Pair("x-tenant", "blue"), Pair("accept-encoding", "gzip, deflate"),
    ]

    @Test func aRequestThatRepeatsCostsAByteAField() throws {
        var encoder = HPACKEncoder()
        var decoder = HPACKDecoder()
        for round in 0..<4 {
            let block = encoder.block(Self.request)
            #expect(try decode(block, &decoder) == Self.request)
            if round >= 2 { #expect(block.count == Self.request.count) }
        }
    }

    @Test func valuesThatNeverRepeatDoNotPushOutThoseThatDo() throws {
        var encoder = HPACKEncoder()
        var decoder = HPACKDecoder()
        for number in 0..<500 {
            let block = encoder.block(
                Self.request + [Pair("x-request-id", "00000000-0000-4000-8000-\(100_000 + number)")])
            #expect(try decode(block, &decoder).count == Self.request.count + 1)
            if number >= 2 { #expect(block.count < Self.request.count + 36) }
        }
        #expect(encoder.tableCount < 20)
    }

    @Test(arguments: [
        ("authorization", "Bearer abc", UInt8(0x1f)), ("cookie", "short=1", 0x1f),
        ("proxy-authorization", "Basic x", 0x1f),
    ])
    func credentialsAreNeverIndexed(name: String, value: String, first: UInt8) throws {
        var encoder = HPACKEncoder()
        for _ in 0..<3 {
            let block = encoder.block([Pair(name, value)])
            #expect(block.first == first)
        }
        #expect(encoder.tableCount == 0)
    }

    @Test func whatCameAsNeverIndexedGoesOnSo() {
        var encoder = HPACKEncoder()
        let text = Array("x-secret: 42\r\n".utf8)
        var field = HeaderField(
            name: ByteRange(start: 0, length: 8), value: ByteRange(start: 10, length: 2), id: .other)
        field.isNeverIndexed = true
        #expect(!field.isRemoved)
        for _ in 0..<3 {
            var output = ByteBuffer()
            encoder.beginBlock(&output)
            encoder.encode(field, text.span, &output)
            #expect(output.bytes[0] == 0x10)
        }
    }

    @Test func namesAreLowered() throws {
        var encoder = HPACKEncoder()
        var decoder = HPACKDecoder()
        for name in ["X-Tenant", "x-tenant", "ETag", "Content-Type"] {
            let block = encoder.block([Pair(name, "1")])
            #expect(try decode(block, &decoder) == [Pair(name.lowercased(), "1")])
        }
    }

    @Test func aSmallerTableOfThePeerIsAnnounced() throws {
        var encoder = HPACKEncoder()
        var decoder = HPACKDecoder()
        for _ in 0..<3 { _ = try decode(encoder.block(Self.request), &decoder) }
        encoder.setLimit(0)
        encoder.setLimit(100)
        decoder.setLimit(100)
        let block = encoder.block(Self.request)
        // First the smallest size that held, then the one that holds.
        #expect(Array(block.prefix(4)) == [0x20, 0x3f, 0x45, 0x82])
        #expect(try decode(block, &decoder) == Self.request)
        #expect(decoder.tableSize <= 100)
        for _ in 0..<3 { #expect(try decode(encoder.block(Self.request), &decoder) == Self.request) }
    }

    @Test func whateverGoesInComesOut() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed)
        let names = [
            "a", "x-long-name-of-some-sort", "content-type", "cookie", "etag", "set-cookie", "x-a", "x-b", "te", "via",
        ]
        for _ in 0..<200 {
            var encoder = HPACKEncoder()
            var decoder = HPACKDecoder()
            for _ in 0..<20 {
                if Int.random(in: 0..<10, using: &random) == 0 {
                    let size = Int.random(in: 0...5000, using: &random)
                    encoder.setLimit(size)
                    decoder.setLimit(max(size, 4096))
                }
                let pairs = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                    let alphabet = Int.random(in: 1...96, using: &random)
                    let length = Int.random(in: 0...(alphabet < 4 ? 2000 : 40), using: &random)
                    let value = (0..<length).map { _ in
                        Character(Unicode.Scalar(UInt8(0x20 + Int.random(in: 0..<alphabet, using: &random))))
                    }
                    return Pair(names[Int.random(in: 0..<names.count, using: &random)], String(value))
                }
                let block = encoder.block(pairs)
                #expect(try decode(block, &decoder) == pairs, "seed \(seed)")
            }
        }
    }

    @Test func everyByteSurvivesTheHuffmanCode() throws {
        for byte in UInt8.min ... .max {
            var encoder = HPACKEncoder()
            var decoder = HPACKDecoder()
            var output = ByteBuffer()
            encoder.beginBlock(&output)
            let value = [UInt8](repeating: 0x61, count: 80) + [byte, 0x65, byte]
            encoder.encode(Array("x-new-name".utf8).span, value.span, &output)
            var arena = ByteBuffer()
            var index = 0
            let field = try decoder.next(output.bytes, at: &index, into: &arena)
            #expect(field.map { arena.storage.equals($0.value, value) } == true, "byte \(byte)")
        }
    }
}
