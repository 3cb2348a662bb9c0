/// What the first flight of a TLS client says, read without consuming it: enough to choose a filter chain
/// (server name, application protocols), nothing else. RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301.
package struct ClientHello: Sendable, Equatable {
    /// Lower-cased SNI host name; nil when the client sent none.
    package var serverName: String?
    /// ALPN protocols in the client's order.
    package var applicationProtocols: [String] = []
    package var offersTLS13 = false

    package init(serverName: String? = nil, applicationProtocols: [String] = [], offersTLS13: Bool = false) {
        self.serverName = serverName
        self.applicationProtocols = applicationProtocols
        self.offersTLS13 = offersTLS13
    }

    package enum Peek: Sendable, Equatable {
        /// So far it may be a ClientHello: look again when there are more bytes.
        case needsMore
        /// Plaintext, or a ClientHello that breaks the rules or the limits.
        case notTLS
        case hello(ClientHello)
    }

    /// A hello longer than this is refused; post-quantum key shares make real ones about 2 KB.
    package static let maximumLength = 16 * 1024

    /// Reads the beginning of a connection. Total: any bytes give an answer. Linear in the bytes.
    package static func peek(_ bytes: RawSpan) -> Peek {
        guard bytes.byteCount > 0 else { return .needsMore }
        guard bytes.at(0) == 22 else { return .notTLS }
        // Records may cut the hello anywhere; join their bodies until the message is whole.
        var message: [UInt8] = []
        var at = 0
        while true {
            guard at + 5 <= bytes.byteCount else {
                return headerIsPlausible(bytes, at) ? .needsMore : .notTLS
            }
            let length = bytes.uint16(at + 3)
            guard headerIsPlausible(bytes, at), length > 0, length <= maximumLength else { return .notTLS }
            let end = min(at + 5 + length, bytes.byteCount)
            for index in (at + 5)..<end { message.append(bytes.at(index)) }
            if message.count >= 4 {
                guard message[0] == 1 else { return .notTLS }
                let wanted = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
                guard wanted <= maximumLength else { return .notTLS }
                if message.count >= 4 + wanted {
                    return parse(message[4..<(4 + wanted)]).map { .hello($0) } ?? .notTLS
                }
            }
            guard at + 5 + length <= bytes.byteCount else { return .needsMore }
            at += 5 + length
        }
    }

    private static func headerIsPlausible(_ bytes: RawSpan, _ at: Int) -> Bool {
        if at < bytes.byteCount, bytes.at(at) != 22 { return false }
        // legacy_record_version is 3.1 or 3.3, and its minor number says nothing (RFC 8446 section 5.1).
        return at + 1 >= bytes.byteCount || bytes.at(at + 1) == 3
    }

    private static func parse(_ body: ArraySlice<UInt8>) -> ClientHello? {
        var reader = Reader(rest: body)
        // legacy_version, random, session id, cipher suites, compression methods
        guard reader.skip(34), reader.vector8() != nil, reader.vector16() != nil, reader.vector8() != nil else {
            return nil
        }
        var hello = ClientHello()
        // Extensions may be missing altogether (TLS 1.2).
        guard !reader.rest.isEmpty else { return hello }
        guard let extensions = reader.vector16(), reader.rest.isEmpty else { return nil }
        reader = Reader(rest: extensions)
        while !reader.rest.isEmpty {
            guard let kind = reader.uint16(), let value = reader.vector16() else { return nil }
            switch kind {
            case 0: guard readServerName(value, into: &hello) else { return nil }
            case 16: guard readProtocols(value, into: &hello) else { return nil }
            case 43: guard readVersions(value, into: &hello) else { return nil }
            default: continue
            }
        }
        return hello
    }

    private static func readServerName(_ value: ArraySlice<UInt8>, into hello: inout ClientHello) -> Bool {
        var outer = Reader(rest: value)
        guard let list = outer.vector16(), outer.rest.isEmpty else { return false }
        var reader = Reader(rest: list)
        while !reader.rest.isEmpty {
            guard let kind = reader.uint8(), let name = reader.vector16() else { return false }
            guard kind == 0, hello.serverName == nil else { continue }
            guard (1...255).contains(name.count), name.allSatisfy({ (33...126).contains($0) }) else { return false }
            hello.serverName = String(decoding: name, as: UTF8.self).lowercased()
        }
        return true
    }

    private static func readProtocols(_ value: ArraySlice<UInt8>, into hello: inout ClientHello) -> Bool {
        var outer = Reader(rest: value)
        guard let list = outer.vector16(), outer.rest.isEmpty else { return false }
        var reader = Reader(rest: list)
        while !reader.rest.isEmpty {
            guard let name = reader.vector8(), !name.isEmpty else { return false }
            hello.applicationProtocols.append(String(decoding: name, as: UTF8.self))
        }
        return true
    }

    private static func readVersions(_ value: ArraySlice<UInt8>, into hello: inout ClientHello) -> Bool {
        var outer = Reader(rest: value)
        guard let list = outer.vector8(), outer.rest.isEmpty else { return false }
        var reader = Reader(rest: list)
        while !reader.rest.isEmpty {
            guard let version = reader.uint16() else { return false }
            if version == 0x0304 { hello.offersTLS13 = true }
        }
        return true
    }
}

/// Takes length-prefixed vectors off the front; nil when the bytes end too soon.
private struct Reader {
    var rest: ArraySlice<UInt8>

    mutating func skip(_ count: Int) -> Bool {
        guard rest.count >= count else { return false }
        rest = rest.dropFirst(count)
        return true
    }

    mutating func uint8() -> UInt8? { rest.popFirst() }

    mutating func uint16() -> Int? {
        guard rest.count >= 2, let high = rest.popFirst(), let low = rest.popFirst() else { return nil }
        return Int(high) << 8 | Int(low)
    }

    mutating func vector8() -> ArraySlice<UInt8>? {
        guard let count = uint8() else { return nil }
        return take(Int(count))
    }

    mutating func vector16() -> ArraySlice<UInt8>? {
        guard let count = uint16() else { return nil }
        return take(count)
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}

extension RawSpan {
    fileprivate func at(_ index: Int) -> UInt8 { unsafeLoad(fromByteOffset: index, as: UInt8.self) }

    fileprivate func uint16(_ index: Int) -> Int { Int(at(index)) << 8 | Int(at(index + 1)) }
}
