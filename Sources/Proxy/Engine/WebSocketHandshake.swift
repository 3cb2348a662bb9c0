internal import EventLoop
internal import HeaderBlock
internal import Memory

/// The part of a WebSocket's opening handshake that HTTP/1.1 has and HTTP/2 has not (RFC 6455 section 4, RFC 8441 section 5):
/// where the two meet, the proxy makes it up.
enum WebSocketHandshake {
    static let keyName: StaticString = "sec-websocket-key"
    static let acceptName: StaticString = "sec-websocket-accept"

    /// A `Sec-WebSocket-Key`: sixteen random bytes in Base64.
    static func key(_ first: UInt64, _ second: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in [first, second] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: number >> shift))
            }
        }
        return base64(bytes)
    }

    /// The `Sec-WebSocket-Accept` that agrees to a key.
    static func accept(_ key: [UInt8]) -> [UInt8] {
        base64(sha1(key + Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)))
    }

    private static func base64(_ bytes: [UInt8]) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            var word = 0
            for offset in 0..<3 { word = word << 8 | (offset < part.count ? Int(part[start + offset]) : 0) }
            for digit in 0..<4 {
                text.append(digit <= part.count ? alphabet[word >> (18 - 6 * digit) & 63] : 0x3d)
            }
        }
        return text
    }

    /// FIPS 180-4 section 6.1. Nothing is kept secret by it here: it shows that the endpoint has read the key.
    private static func sha1(_ message: [UInt8]) -> [UInt8] {
        var padded = message + [0x80]
        while padded.count % 64 != 56 { padded.append(0) }
        for shift in stride(from: 56, through: 0, by: -8) {
            padded.append(UInt8(truncatingIfNeeded: (message.count * 8) >> shift))
        }
        func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
        var hash: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
        for block in stride(from: 0, to: padded.count, by: 64) {
            var words: [UInt32] = []
            for index in 0..<80 {
                if index < 16 {
                    let start = block + index * 4
                    words.append(padded[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) })
                } else {
                    let mixed = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
                    words.append(rotate(mixed, 1))
                }
            }
            var (a, b, c, d, e) = (hash[0], hash[1], hash[2], hash[3], hash[4])
            for index in 0..<80 {
                let (mixed, constant): (UInt32, UInt32) =
                    switch index / 20 {
                    case 0: (b & c | ~b & d, 0x5a82_7999)
                    case 1: (b ^ c ^ d, 0x6ed9_eba1)
                    case 2: (b & c | b & d | c & d, 0x8f1b_bcdc)
                    default: (b ^ c ^ d, 0xca62_c1d6)
                    }
                let next = rotate(a, 5) &+ mixed &+ e &+ constant &+ words[index]
                (e, d, c, b, a) = (d, c, rotate(b, 30), a, next)
            }
            for (index, word) in [a, b, c, d, e].enumerated() { hash[index] &+= word }
        }
        return hash.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } }
    }
}

extension Worker where Wire: ~Copyable {
    /// A WebSocket that was asked for on a stream goes to an endpoint of HTTP/1.1, which wants to see a key.
    mutating func addWebSocketKey(_ exchange: Handle) {
        guard exchanges[exchange].asksForWebSocket,
            exchanges[exchange].requestValue(WebSocketHandshake.keyName) == nil
        else { return }
        exchanges[exchange].madeWebSocketKey = true
        let key = WebSocketHandshake.key(transport.random(), transport.random())
        exchanges[exchange].addRequestField(WebSocketHandshake.keyName, key)
    }
}

extension Exchange {
    var asksForWebSocket: Bool {
        guard upgrade == .switchProtocols, let name = request.first(.upgrade) else { return false }
        return valueEquals(name, "websocket")
    }

    /// An endpoint of HTTP/2 has agreed to a WebSocket of a client of HTTP/1.1, which wants to see its key answered.
    mutating func addWebSocketAccept() {
        guard asksForWebSocket, let key = requestValue(WebSocketHandshake.keyName),
            Self.value(of: WebSocketHandshake.acceptName, response, arena.storage) == nil
        else { return }
        let accept = WebSocketHandshake.accept(bytes(key))
        _ = response.append(appendLine(WebSocketHandshake.acceptName, accept))
    }

    /// The client did not send the key, and is not to see what answers it.
    mutating func removeWebSocketAccept() {
        for index in 0..<response.count
        where arena.storage.equalsIgnoringCase(response[index].name, WebSocketHandshake.acceptName) {
            response.remove(at: index)
        }
    }

    func requestValue(_ name: StaticString) -> ByteRange? { Self.value(of: name, request, arena.storage) }

    private static func value(
        of name: StaticString, _ table: borrowing HeaderTable, _ bytes: borrowing Span<UInt8>
    ) -> ByteRange? {
        for index in 0..<table.count where !table[index].isRemoved {
            if bytes.equalsIgnoringCase(table[index].name, name) { return table[index].value }
        }
        return nil
    }

    mutating func addRequestField(_ name: StaticString, _ value: [UInt8]) {
        _ = request.append(appendLine(name, value))
    }

    /// Writes a field's line behind the heads.
    private mutating func appendLine(_ name: StaticString, _ value: [UInt8]) -> HeaderField {
        let start = arena.end
        arena.append(name)
        arena.append(": ")
        let range = ByteRange(start: arena.end, length: value.count)
        arena.append(value.span)
        arena.append("\r\n")
        return HeaderField(name: ByteRange(start: start, length: name.utf8CodeUnitCount), value: range, id: .other)
    }
}
