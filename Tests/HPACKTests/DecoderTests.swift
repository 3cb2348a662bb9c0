import HPACK
import HeaderBlock
import Memory
import Testing

@Suite struct DecoderTests {
    @Test(arguments: [
        ("an index of 0", "80", HPACKError.badIndex),
        ("an index behind the tables", "be", .badIndex),
        ("a name's index behind the tables", "7e0161", .badIndex),
        ("an integer without end", "ffffffffffffffffffff01", .integerOverflow),
        ("an integer cut off", "ff80", .truncated),
        ("a name cut off", "400a6162", .truncated),
        ("a value that is missing", "400161", .truncated),
        ("a value cut off", "40016103ff", .truncated),
        ("Huffman padding longer than 7 bits", "0085f2b24a84ff8449509fff", .badHuffman),
        ("Huffman padding of a whole byte", "0082 1fff 0161", .badHuffman),
        ("Huffman padding with zeros", "0081 18 0161", .badHuffman),
        ("the Huffman code of the end of string", "0084 ffffffff 0161", .badHuffman),
        ("a size update larger than allowed", "3fe21f", .badTableSize),
        ("a size update behind a field", "8220", .misplacedTableSize),
    ])
    func aBrokenBlockIsRefused(what: String, hex: String, error: HPACKError) {
        var decoder = HPACKDecoder()
        #expect(throws: error, "\(what)") { try decode(bytes(hex: hex), &decoder) }
    }

    @Test func aLoweredLimitMustBeAcknowledgedByTheNextBlock() throws {
        var decoder = HPACKDecoder()
        decoder.setLimit(0)
        #expect(throws: HPACKError.misplacedTableSize) { try decode([0x82], &decoder) }
        var other = HPACKDecoder()
        other.setLimit(0)
        #expect(try decode([0x20, 0x82], &other) == [Pair(":method", "GET")])
        #expect(throws: HPACKError.badIndex) { try decode(bytes(hex: "400161016 2be".filter { $0 != " " }), &other) }
    }

    @Test func entriesLeaveInTheOrderTheyCame() throws {
        var decoder = HPACKDecoder()
        for number in 100..<300 {
            let value = String(number)
            _ = try decode([0x40, 1, 0x61, 3] + Array(value.utf8), &decoder)
        }
        // 36 bytes each: 113 fit into 4096.
        #expect(decoder.tableCount == 113)
        #expect(try decode([0xbe], &decoder) == [Pair("a", "299")])
        #expect(try decode([0xff, UInt8(61 + 113 - 127)], &decoder) == [Pair("a", "187")])
        #expect(throws: HPACKError.badIndex) { try decode([0xff, UInt8(61 + 114 - 127)], &decoder) }
    }

    @Test func aTableThatIsMadeLargerHasRoomForAsManyEntriesAsItSays() throws {
        var decoder = HPACKDecoder()
        decoder.setLimit(65_535)
        _ = try decode([0x40, 1, 0x61, 1, 0x62], &decoder)
        // 65535 = 31 + 0xffe0; then more small entries than a table of 4096 bytes can hold.
        _ = try decode([0x3f, 0xe0, 0xff, 0x03], &decoder)
        for number in 0..<255 { _ = try decode([0x40, 1, 0x61, 1, UInt8(0x61 + number % 26)], &decoder) }
        let long = [UInt8](repeating: 0x78, count: 1000)
        // 1000 = 127 + 0x369
        _ = try decode([0x40, 1, 0x61, 0x7f, 0xe9, 0x06] + long, &decoder)
        #expect(decoder.tableCount == 257)
        // The oldest: 61 + 257 = 127 + 0xbf
        #expect(try decode([0xff, 0xbf, 0x01], &decoder) == [Pair("a", "b")])
        #expect(try decode([0x20, 0x82], &decoder) == [Pair(":method", "GET")])
        #expect(decoder.tableSize == 0)
    }

    @Test func anEntryLargerThanTheTableEmptiesIt() throws {
        var decoder = HPACKDecoder()
        _ = try decode(bytes(hex: "4001610162"), &decoder)
        #expect(decoder.tableCount == 1)
        let value = [UInt8](repeating: 0x78, count: 5000)
        // 5000 = 127 + 0x1309
        let decoded = try decode([0x40, 1, 0x61, 0x7f, 0x89, 0x26] + value, &decoder)
        #expect(decoded == [Pair("a", String(repeating: "x", count: 5000))])
        #expect(decoder.tableCount == 0)
        #expect(decoder.tableSize == 0)
    }

    @Test func anInsertionMayUseTheNameOfTheEntryThatItEvicts() throws {
        var decoder = HPACKDecoder()
        let name = [UInt8](repeating: 0x6e, count: 100)
        let value = [UInt8](repeating: 0x76, count: 3900)
        // One entry that nearly fills the table, then another by its name.
        let length: [UInt8] = [0x7f, 0xbd, 0x1d]
        _ = try decode([0x40, 100] + name + length + value, &decoder)
        #expect(decoder.tableCount == 1)
        _ = try decode([0x7e] + length + value, &decoder)
        #expect(decoder.tableCount == 1)
        let decoded = try decode([0xbe], &decoder)
        #expect(decoded == [Pair(String(repeating: "n", count: 100), String(repeating: "v", count: 3900))])
    }

    @Test(arguments: [
        ("upper case", "Name", false), ("a blank", "na me", false), ("nothing", "", false), ("a colon", "na:me", false),
        ("a token", "x-name_1", true), ("an unknown pseudo name", ":name", false),
    ])
    func aNameIsJudgedOnce(what: String, name: String, isValid: Bool) throws {
        var decoder = HPACKDecoder()
        var arena = ByteBuffer()
        let block = [0x40, UInt8(name.utf8.count)] + Array(name.utf8) + [1, 0x61]
        var index = 0
        #expect(try decoder.next(block.span, at: &index, into: &arena)?.hasValidName == isValid)
        index = 0
        #expect(try decoder.next([0xbe].span, at: &index, into: &arena)?.hasValidName == isValid)
    }

    @Test(arguments: [
        ("a\u{0}b", false), ("a\rb", false), ("a\nb", false), (" a", false), ("a\t", false), ("a\tb", true), ("", true),
        ("\u{7f}", false), ("\u{e9}", true),
    ])
    func aValueIsJudgedOnce(value: String, isValid: Bool) throws {
        var decoder = HPACKDecoder()
        var arena = ByteBuffer()
        let block = [0x40, 1, 0x61, UInt8(value.utf8.count)] + Array(value.utf8)
        var index = 0
        #expect(try decoder.next(block.span, at: &index, into: &arena)?.hasValidValue == isValid)
        index = 0
        #expect(try decoder.next([0xbe].span, at: &index, into: &arena)?.hasValidValue == isValid)
    }

    @Test func fieldsStandInTheArenaAsLinesOfHTTP1() throws {
        var decoder = HPACKDecoder()
        var arena = ByteBuffer()
        let block = bytes(hex: "8286 8441 8cf1e3c2e5f23a6ba0ab90f4ff 5886a8eb10649cbf")
        var index = 0
        var ids: [KnownHeader] = []
        while let field = try decoder.next(block.span, at: &index, into: &arena) { ids.append(field.id) }
        let text = arena.storage.string(ByteRange(start: 0, length: arena.end))
        #expect(text == "GEThttp/host: www.example.com\r\ncache-control: no-cache\r\n")
        #expect(ids == [.other, .other, .other, .other, .cacheControl])
    }

    @Test func randomBytesNeverTrap() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed)
        for _ in 0..<20_000 {
            var decoder = HPACKDecoder()
            for _ in 0..<3 {
                let block = (0..<Int.random(in: 0..<80, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                do { _ = try decode(block, &decoder) } catch { break }
            }
            #expect(decoder.tableSize <= 4096, "seed \(seed)")
        }
    }
}
