internal import Memory

extension ByteBuffer {
    /// Appends `1.2.3.4:80` or `[2001:db8::1]:80` (RFC 5952); without the port also without brackets.
    mutating func append(_ address: LoggedAddress, withPort: Bool) {
        switch address.family {
        case .ipv4: appendIPv4(address)
        case .ipv6:
            if withPort { append(0x5B) }
            appendIPv6(address)
            if withPort { append(0x5D) }
        case .none, .unix: return
        }
        if withPort {
            append(0x3A)
            append(decimal: Int(address.port))
        }
    }

    private mutating func appendIPv4(_ address: LoggedAddress) {
        for shift in stride(from: UInt64(24), to: 0, by: -8) {
            append(decimal: Int(address.low >> shift & 255))
            append(0x2E)
        }
        append(decimal: Int(address.low & 255))
    }

    private mutating func appendIPv6(_ address: LoggedAddress) {
        let front = address.low >> 32
        if address.high == 0, front == 0xFFFF || front == 0 && address.low > 0xFFFF {
            // RFC 5952 section 5: an IPv4 address inside is written as one.
            append(front == 0 ? "::" : "::ffff:")
            return appendIPv4(address)
        }
        let (skipStart, skipEnd) = longestZeroRun(address)
        var index = 0
        while index < 8 {
            if index == skipStart {
                append("::")
                index = skipEnd
                continue
            }
            if index > 0, index != skipEnd { append(0x3A) }
            append(hex: group(address, index))
            index &+= 1
        }
    }

    private func group(_ address: LoggedAddress, _ index: Int) -> Int {
        Int((index < 4 ? address.high : address.low) >> UInt64(16 * (3 - index % 4)) & 0xFFFF)
    }

    /// The longest run of two or more zero groups, the first of equals; (8, 8) for none.
    private func longestZeroRun(_ address: LoggedAddress) -> (Int, Int) {
        var best = (8, 8)
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, group(address, end) == 0 { end &+= 1 }
            if end &- start > max(1, best.1 &- best.0) { best = (start, end) }
            start = max(end, start &+ 1)
        }
        return best
    }
}
