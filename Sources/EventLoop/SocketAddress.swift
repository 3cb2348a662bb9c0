/// An IPv4 or IPv6 address with a port, or the path of a Unix socket. The IP forms are plain bits: copying costs nothing.
package enum SocketAddress: Sendable, Hashable {
    case ip(IPAddress, port: UInt16)
    case path(String)

    /// The port; 0 for a Unix socket.
    package var port: UInt16 {
        if case .ip(_, let port) = self { return port }
        return 0
    }

    /// The IP address; nil for a Unix socket.
    package var ip: IPAddress? {
        if case .ip(let address, _) = self { return address }
        return nil
    }

    /// Reads `1.2.3.4:80`, `[::1]:80` or an absolute path; nil when the text is none of them.
    package init?(_ text: String) {
        if text.hasPrefix("/") {
            self = .path(text)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(String(host)) else { return nil }
        self = .ip(address, port: port)
    }
}

extension SocketAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .ip(let address, let port): address.isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)"
        case .path(let path): path
        }
    }
}

/// An IPv4 or IPv6 address as 128 bits in network order; IPv4 occupies the lowest 32 bits of `low`.
package struct IPAddress: Sendable, Hashable {
    package let high: UInt64
    package let low: UInt64
    package let isIPv6: Bool

    package init(v4 bits: UInt32) {
        high = 0
        low = UInt64(bits)
        isIPv6 = false
    }

    package init(v6High high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
        isIPv6 = true
    }

    package static let anyIPv4 = IPAddress(v4: 0)
    package static let loopbackIPv4 = IPAddress(v4: 0x7f00_0001)

    /// Whether this is `0.0.0.0` or `::`.
    package var isUnspecified: Bool { high == 0 && low == 0 }

    /// Whether this is in `127.0.0.0/8`, or `::1`.
    package var isLoopback: Bool { isIPv6 ? high == 0 && low == 1 : low >> 24 == 127 }

    /// Whether the first `length` bits agree with those of `prefix` (of the same family).
    package func isInside(prefix: IPAddress, length: Int) -> Bool {
        guard prefix.isIPv6 == isIPv6, length >= 0 else { return false }
        if !isIPv6 {
            guard length < 32 else { return low == prefix.low }
            return length == 0 || (low ^ prefix.low) >> UInt64(32 - length) == 0
        }
        if length <= 64 { return length == 0 || (high ^ prefix.high) >> UInt64(64 - length) == 0 }
        guard high == prefix.high else { return false }
        return length >= 128 ? low == prefix.low : (low ^ prefix.low) >> UInt64(128 - length) == 0
    }

    /// Reads dotted decimal or RFC 4291 text; nil when it is neither.
    package init?(_ text: String) {
        if text.contains(":") {
            guard let parsed = IPAddress.parseIPv6(text) else { return nil }
            self = parsed
        } else {
            guard let parsed = IPAddress.parseIPv4(text[...]) else { return nil }
            self.init(v4: parsed)
        }
    }

    private static func parseIPv4(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt32 = 0
        for part in parts {
            guard let first = part.utf8.first, first != UInt8(ascii: "+"), part.count <= 3, let byte = UInt8(part)
            else {
                return nil
            }
            bits = bits << 8 | UInt32(byte)
        }
        return bits
    }

    private static func parseIPv6(_ text: String) -> IPAddress? {
        let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
        guard halves.count <= 2, !text.contains(":::") else { return nil }
        guard let head = groups(halves[0]), let tail = halves.count == 2 ? groups(halves[1]) : [] else { return nil }
        let total = head.count + tail.count
        guard halves.count == 2 ? total < 8 : total == 8 else { return nil }
        let all = head + Array(repeating: 0, count: 8 - total) + tail
        let high = all[..<4].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
        let low = all[4...].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
        return IPAddress(v6High: high, low: low)
    }

    private static func groups(_ text: Substring) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(".") {
                guard let bits = parseIPv4(part) else { return nil }
                groups += [UInt16(bits >> 16), UInt16(bits & 0xffff)]
            } else {
                guard (1...4).contains(part.count), part.utf8.first != UInt8(ascii: "+"),
                    let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }
}

extension IPAddress {
    /// `::ffff:1.2.3.4` or `::1.2.3.4`: the end is written as IPv4 (RFC 5952 section 5), as inet_ntop does.
    var embedsIPv4: Bool { isIPv6 && high == 0 && (low >> 32 == 0xffff || low >> 32 == 0 && low > 0xffff) }
}

extension IPAddress: CustomStringConvertible {
    package var description: String {
        let dotted = "\(low >> 24 & 255).\(low >> 16 & 255).\(low >> 8 & 255).\(low & 255)"
        if !isIPv6 { return dotted }
        if embedsIPv4 { return (low >> 32 == 0xffff ? "::ffff:" : "::") + dotted }
        let groups = (0..<8).map { (index: Int) -> UInt64 in
            let half = index < 4 ? high : low
            return half >> UInt64(16 * (3 - index % 4)) & 0xffff
        }
        // RFC 5952: the longest run of two or more zero groups becomes "::".
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(1, best.count) { best = start..<end }
            start = max(end, start + 1)
        }
        let text: (ArraySlice<UInt64>) -> String = { $0.map { String($0, radix: 16) }.joined(separator: ":") }
        if best.isEmpty { return text(groups[...]) }
        return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}
