/// Byte classes of RFC 9110 section 5.6 as bit sets: no table to load, no lazy global.
package enum CharacterClass {
    /// `tchar`: what names and methods are made of.
    @inline(__always)
    package static func isToken(_ byte: UInt8) -> Bool {
        if byte >= 128 { return false }
        let set: UInt64 = byte < 64 ? 0x03ff6cfa00000000 : 0x57ffffffc7fffffe
        return set >> UInt64(byte & 63) & 1 == 1
    }

    /// What a Host field or authority may hold (RFC 3986 section 3.2), without the comma, which only confuses.
    @inline(__always)
    package static func isHost(_ byte: UInt8) -> Bool {
        if byte >= 128 { return false }
        let set: UInt64 = byte < 64 ? 0x2fff6ff200000000 : 0x47fffffeaffffffe
        return set >> UInt64(byte & 63) & 1 == 1
    }

    /// A name of HTTP/2: `tchar` without upper case (RFC 9113 section 8.2.1).
    @inline(__always)
    package static func isLowerToken(_ byte: UInt8) -> Bool { isToken(byte) && byte &- 0x41 >= 26 }

    @inline(__always)
    package static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// The offset of the first byte from `offset` on that may not stand in a field value (a control other than tab, or
    /// DEL), or the end.
    @inline(__always)
    package static func endOfValue(_ bytes: borrowing Span<UInt8>, _ offset: Int) -> Int {
        var index = offset
        let count = bytes.count
        let raw = unsafe bytes.bytes
        while index &+ 8 <= count {
            // SAFETY: index + 8 <= count, so the eight bytes are inside the span; any bits are a valid UInt64.
            let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            let below = (word &- 0x2020_2020_2020_2020) & ~word
            let delete = word ^ 0x7f7f_7f7f_7f7f_7f7f
            let isDelete = (delete &- 0x0101_0101_0101_0101) & ~delete
            if (below | isDelete) & 0x8080_8080_8080_8080 != 0 { break }
            index &+= 8
        }
        while index < count {
            let byte = bytes[index]
            if byte < 0x20 && byte != 0x09 || byte == 0x7f { return index }
            index &+= 1
        }
        return count
    }
}
