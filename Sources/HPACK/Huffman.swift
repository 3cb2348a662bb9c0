internal import HeaderBlock
internal import Memory

/// String literals in the code of RFC 7541 section 5.2.
enum Huffman {
    /// Decodes `length` bytes of `source` from `start` on and appends them to `output`. False when they are no valid code.
    static func decode(
        _ source: borrowing Span<UInt8>, _ start: Int, _ length: Int, into output: inout ByteBuffer
    ) -> Bool {
        let short = HuffmanCode.short.span
        let end = start &+ length
        var index = start
        // The bits not yet decoded, at the top.
        var buffer: UInt64 = 0
        var bits = 0
        output.reserve(length &* 8 / 5 &+ 1)
        while true {
            while bits <= 56, index < end {
                buffer |= UInt64(source[index]) << UInt64(56 &- bits)
                bits &+= 8
                index &+= 1
            }
            let entry = short[Int(truncatingIfNeeded: buffer >> 56)]
            var size = Int(entry >> 8)
            var symbol = entry & 0xff
            if entry == 0 { (size, symbol) = long(buffer >> 32) }
            guard size <= bits else { break }
            if symbol == 256 { return false }
            output.append(UInt8(truncatingIfNeeded: symbol))
            buffer <<= UInt64(size)
            bits &-= size
        }
        // What is left is the beginning of the end-of-string code, and less than a byte.
        return bits < 8 && buffer == ~(UInt64.max >> UInt64(bits))
    }

    private static func long(_ top: UInt64) -> (Int, UInt16) {
        let limits = HuffmanCode.limits.span
        var row = 0
        while row &+ 1 < limits.count, top >= limits[row] { row &+= 1 }
        let length = HuffmanCode.lengths.span[row]
        let first = HuffmanCode.firsts.span[row]
        let position = Int(HuffmanCode.offsets.span[row]) &+ Int((top &- first) >> UInt64(32 &- length))
        return (Int(length), HuffmanCode.symbols.span[position])
    }

    /// The length of the coded form of the bytes at `range`.
    static func encodedLength(_ source: borrowing Span<UInt8>, _ range: ByteRange) -> Int {
        let codes = HuffmanCode.codes.span
        var bits: UInt64 = 7
        var index = range.lowerBound
        while index < range.upperBound {
            bits &+= codes[Int(source[index])] & 0xff
            index &+= 1
        }
        return Int(bits >> 3)
    }

    /// Appends the coded form of the bytes at `range`.
    static func encode(_ source: borrowing Span<UInt8>, _ range: ByteRange, into output: inout ByteBuffer) {
        let codes = HuffmanCode.codes.span
        // At most 7 bits stay between two symbols of at most 30.
        var buffer: UInt64 = 0
        var bits: UInt64 = 0
        var index = range.lowerBound
        while index < range.upperBound {
            let code = codes[Int(source[index])]
            let size = code & 0xff
            buffer = buffer << size | code >> 8
            bits &+= size
            while bits >= 8 {
                bits &-= 8
                output.append(UInt8(truncatingIfNeeded: buffer >> bits))
            }
            index &+= 1
        }
        if bits > 0 { output.append(UInt8(truncatingIfNeeded: buffer << (8 &- bits) | 0xff >> bits)) }
    }
}
