internal import EventLoop

/// Reads the header that a proxy in front puts before a connection's bytes: PROXY protocol versions 1 and 2
/// (haproxy's `doc/proxy-protocol.txt`).
enum ProxyProtocolReader {
    enum Result: Equatable {
        case needsMore
        /// The bytes are no such header.
        case absent
        case malformed
        /// The header's length, and whom it names; nil where it names nobody (health checks of the proxy itself).
        case header(length: Int, source: SocketAddress?, destination: SocketAddress?)
    }

    /// Version 1 has at most so many bytes, its line end included.
    private static let longestLine = 107

    static func read(_ bytes: borrowing Span<UInt8>) -> Result {
        if bytes.isEmpty { return .needsMore }
        if bytes[0] == 0x0d { return readBinary(bytes) }
        return readText(bytes)
    }

    // MARK: Version 1

    private static func readText(_ bytes: borrowing Span<UInt8>) -> Result {
        let intro: StaticString = "PROXY "
        let known = min(bytes.count, intro.utf8CodeUnitCount)
        let word: InlineArray<6, UInt8> = [0x50, 0x52, 0x4f, 0x58, 0x59, 0x20]
        for index in 0..<known where bytes[index] != word[index] { return .absent }
        var end = known
        while end < bytes.count, bytes[end] != 0x0a { end += 1 }
        guard end < bytes.count else { return bytes.count < longestLine ? .needsMore : .malformed }
        guard end < longestLine, bytes[end - 1] == 0x0d else { return .malformed }
        var text: [UInt8] = []
        for index in 6..<(end - 1) { text.append(bytes[index]) }
        let words = text.split(separator: 0x20, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        if words.first == "UNKNOWN" { return .header(length: end + 1, source: nil, destination: nil) }
        guard words.count == 5, words[0] == "TCP4" || words[0] == "TCP6", let source = IPAddress(words[1]),
            let destination = IPAddress(words[2]), source.isIPv6 == (words[0] == "TCP6"),
            destination.isIPv6 == source.isIPv6, let sourcePort = UInt16(words[3]), let port = UInt16(words[4])
        else { return .malformed }
        return .header(
            length: end + 1, source: .ip(source, port: sourcePort), destination: .ip(destination, port: port))
    }

    // MARK: Version 2

    private static func readBinary(_ bytes: borrowing Span<UInt8>) -> Result {
        let signature: InlineArray<12, UInt8> = [
            0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
        ]
        for index in 0..<min(12, bytes.count) where bytes[index] != signature[index] { return .absent }
        guard bytes.count >= 16 else { return .needsMore }
        let length = 16 + (Int(bytes[14]) << 8 | Int(bytes[15]))
        let command = bytes[12]
        guard command == 0x20 || command == 0x21 else { return .malformed }
        // Longer headers carry extensions that fit nowhere here.
        guard length <= 4096 else { return .malformed }
        guard bytes.count >= length else { return .needsMore }
        let nobody = Result.header(length: length, source: nil, destination: nil)
        if command == 0x20 { return nobody }
        switch bytes[13] {
        // Streams and datagrams alike: what counts is who it is.
        case 0x11, 0x12:
            guard length >= 28 else { return .malformed }
            let source = IPAddress(v4: UInt32(truncatingIfNeeded: number(bytes, 16, 4)))
            let destination = IPAddress(v4: UInt32(truncatingIfNeeded: number(bytes, 20, 4)))
            return .header(
                length: length, source: .ip(source, port: UInt16(number(bytes, 24, 2))),
                destination: .ip(destination, port: UInt16(number(bytes, 26, 2))))
        case 0x21, 0x22:
            guard length >= 52 else { return .malformed }
            let source = IPAddress(v6High: number(bytes, 16, 8), low: number(bytes, 24, 8))
            let destination = IPAddress(v6High: number(bytes, 32, 8), low: number(bytes, 40, 8))
            return .header(
                length: length, source: .ip(source, port: UInt16(number(bytes, 48, 2))),
                destination: .ip(destination, port: UInt16(number(bytes, 50, 2))))
        default: return nobody
        }
    }

    private static func number(_ bytes: borrowing Span<UInt8>, _ start: Int, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in start..<(start + count) { value = value << 8 | UInt64(bytes[index]) }
        return value
    }
}
