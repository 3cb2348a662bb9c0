import EventLoop
import Testing

/// Addresses read and written as bytes are those that are read and written as text.
@Suite("Addresses as bytes")
struct IPAddressBytesTests {
    @Test(
        "both readers agree",
        arguments: [
            "1.2.3.4", "255.255.255.255", "0.0.0.0", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1..2.3", "", ".", "1.2.3.4 ",
            "::", "::1", "1::", "2001:db8::7", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4", "fe80::1:0:0:2", "12345::", "g::", ":1", "1:", ":::", "1::2::3", "0001::", "::1.2.3",
        ])
    func readersAgree(text: String) {
        let bytes = Array(text.utf8)
        #expect(IPAddress(ascii: bytes.span) == IPAddress(text))
    }

    @Test("what is written is the description, and reads back")
    func writing() {
        var generator = SystemRandomNumberGenerator()
        let groups: [UInt64] = [0, 0, 1, 0xffff, 0x0db8, 0x1000]
        for _ in 0..<2_000 {
            let half = { (0..<4).reduce(UInt64(0)) { sum, _ in sum << 16 | (groups.randomElement() ?? 0) } }
            let address =
                Bool.random(using: &generator)
                ? IPAddress(v4: UInt32.random(in: 0...UInt32.max, using: &generator))
                : IPAddress(v6High: half(), low: half())
            var bytes: [UInt8] = []
            address.write(to: &bytes)
            #expect(String(decoding: bytes, as: UTF8.self) == address.description)
            #expect(IPAddress(ascii: bytes.span) == address)
        }
    }
}
