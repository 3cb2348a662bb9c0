import EventLoop
import Testing

@Suite struct SocketAddressTests {
    @Test(arguments: [
        "127.0.0.1:80", "0.0.0.0:15006", "[::1]:443", "[2001:db8::1]:8080", "[::]:1", "/run/xds.sock",
        "[1:0:0:2::3]:9", "[fe80::1:2:3:4]:1",
    ])
    func textSurvivesARoundTrip(text: String) {
        #expect(SocketAddress(text)?.description == text)
    }

    @Test(arguments: [
        "", "1.2.3:80", "1.2.3.4", "1.2.3.4:99999", "[::1:80", "1.2.3.256:1", "[1::2::3]:1", "[12345::]:1",
        "+1.2.3.4:1",
    ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test(arguments: [
        ("10.1.2.3", "10.0.0.0", 8, true), ("11.1.2.3", "10.0.0.0", 8, false), ("10.1.2.3", "0.0.0.0", 0, true),
        ("10.1.2.3", "10.1.2.3", 32, true), ("10.1.2.4", "10.1.2.3", 32, false),
        ("2001:db8::5", "2001:db8::", 32, true),
        ("2001:db9::5", "2001:db8::", 32, false), ("2001:db8::5", "2001:db8::4", 127, true),
        ("10.0.0.1", "::", 0, false),
    ])
    func prefixesContainTheirAddresses(address: String, prefix: String, length: Int, expected: Bool) throws {
        let address = try #require(IPAddress(address))
        let prefix = try #require(IPAddress(prefix))
        #expect(address.isInside(prefix: prefix, length: length) == expected)
    }
}
