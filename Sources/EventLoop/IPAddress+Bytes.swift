/// Reading and writing addresses as bytes, without making strings: requests carry them.
extension IPAddress {
    /// Reads dotted decimal or RFC 4291 text; nil when it is neither.
    package init?(ascii text: borrowing Span<UInt8>) {
        for index in text.indices where text[index] == UInt8(ascii: ":") {
            self.init(v6: text)
            return
        }
        guard let bits = Self.dotted(text, from: 0) else { return nil }
        self.init(v4: bits)
    }

    private init?(v6 text: borrowing Span<UInt8>) {
        var groups = InlineArray<8, UInt16>(repeating: 0)
        var count = 0
        /// Groups in front of `::`; -1 is none yet.
        var gap = -1
        var index = 0
        if text.count >= 2, text[0] == UInt8(ascii: ":") {
            guard text[1] == UInt8(ascii: ":") else { return nil }
            gap = 0
            index = 2
        }
        while index < text.count {
            guard count < 8 else { return nil }
            var value: UInt32 = 0
            let start = index
            while index < text.count, index - start < 5, let digit = Self.hexDigit(text[index]) {
                value = value << 4 | UInt32(digit)
                index += 1
            }
            if index < text.count, text[index] == UInt8(ascii: ".") {
                guard count <= 6, let bits = Self.dotted(text, from: start) else { return nil }
                groups[count] = UInt16(bits >> 16)
                groups[count + 1] = UInt16(bits & 0xffff)
                count += 2
                break
            }
            guard index > start, index - start <= 4 else { return nil }
            groups[count] = UInt16(value)
            count += 1
            guard index < text.count else { break }
            guard text[index] == UInt8(ascii: ":"), index + 1 < text.count else { return nil }
            index += 1
            if text[index] == UInt8(ascii: ":") {
                guard gap < 0 else { return nil }
                gap = count
                index += 1
            }
        }
        guard gap >= 0 ? count < 8 : count == 8 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for place in 0..<8 {
            let tail = 8 - (count - max(0, gap))
            let group: UInt16 =
                gap < 0 || place < gap ? groups[place] : place < tail ? 0 : groups[place - 8 + count]
            if place < 4 { high = high << 16 | UInt64(group) } else { low = low << 16 | UInt64(group) }
        }
        self.init(v6High: high, low: low)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 0x30
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - 0x57
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - 0x37
        default: nil
        }
    }

    /// Four decimal bytes from `start` to the end of the text.
    private static func dotted(_ text: borrowing Span<UInt8>, from start: Int) -> UInt32? {
        var bits: UInt32 = 0
        var part: UInt32 = 0
        var digits = 0
        var parts = 0
        for index in start...text.count {
            if index < text.count, text[index] &- 0x30 < 10 {
                part = part * 10 + UInt32(text[index] - 0x30)
                digits += 1
                guard digits <= 3, part <= 255 else { return nil }
                continue
            }
            guard digits > 0, index == text.count || text[index] == UInt8(ascii: ".") else { return nil }
            bits = bits << 8 | part
            parts += 1
            guard parts <= 4 else { return nil }
            part = 0
            digits = 0
        }
        return parts == 4 ? bits : nil
    }

    /// Appends the address as `description` has it.
    package func write(to output: inout [UInt8]) {
        if embedsIPv4 {
            output.append(contentsOf: low >> 32 == 0xffff ? "::ffff:".utf8 : "::".utf8)
        }
        if !isIPv6 || embedsIPv4 {
            for shift in 0..<4 {
                if shift > 0 { output.append(UInt8(ascii: ".")) }
                Self.write(decimal: UInt8(truncatingIfNeeded: low >> UInt64(24 - 8 * shift)), to: &output)
            }
            return
        }
        let (start, end) = longestZeroRun
        var index = 0
        while index < 8 {
            if index == start {
                output.append(UInt8(ascii: ":"))
                output.append(UInt8(ascii: ":"))
                index = end
                continue
            }
            if index > 0, index != end { output.append(UInt8(ascii: ":")) }
            Self.write(hex: group(index), to: &output)
            index += 1
        }
    }

    private func group(_ index: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(16 * (3 - index % 4)))
    }

    /// RFC 5952: the first longest run of two or more zero groups; (8, 9) for none.
    private var longestZeroRun: (Int, Int) {
        var best = (8, 9)
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, group(end) == 0 { end += 1 }
            if end - start > max(1, best.1 - best.0) { best = (start, end) }
            start = max(end, start + 1)
        }
        return best
    }

    private static func write(decimal: UInt8, to output: inout [UInt8]) {
        if decimal >= 100 { output.append(0x30 + decimal / 100) }
        if decimal >= 10 { output.append(0x30 + decimal / 10 % 10) }
        output.append(0x30 + decimal % 10)
    }

    private static func write(hex: UInt16, to output: inout [UInt8]) {
        var started = false
        for place in 0..<4 {
            let digit = UInt8(truncatingIfNeeded: hex >> UInt16(12 - 4 * place) & 15)
            if digit == 0, !started, place < 3 { continue }
            started = true
            output.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
    }
}
