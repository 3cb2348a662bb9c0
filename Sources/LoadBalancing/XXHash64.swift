/// xxHash, 64 bits, as Envoy hashes ring entries and hash policy keys: the same key finds the same endpoint here and there.
package enum XXHash64 {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    package static func hash(_ bytes: borrowing Span<UInt8>, seed: UInt64 = 0) -> UInt64 {
        var index = 0
        var hash: UInt64
        if bytes.count >= 32 {
            var a = seed &+ prime1 &+ prime2
            var b = seed &+ prime2
            var c = seed
            var d = seed &- prime1
            while index + 32 <= bytes.count {
                a = round(a, word(bytes, index))
                b = round(b, word(bytes, index + 8))
                c = round(c, word(bytes, index + 16))
                d = round(d, word(bytes, index + 24))
                index += 32
            }
            hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
            hash = merge(merge(merge(merge(hash, a), b), c), d)
        } else {
            hash = seed &+ prime5
        }
        hash &+= UInt64(bytes.count)
        while index + 8 <= bytes.count {
            hash = rotate(hash ^ round(0, word(bytes, index)), 27) &* prime1 &+ prime4
            index += 8
        }
        if index + 4 <= bytes.count {
            var half: UInt64 = 0
            for offset in 0..<4 { half |= UInt64(bytes[index + offset]) << UInt64(offset * 8) }
            hash = rotate(hash ^ (half &* prime1), 23) &* prime2 &+ prime3
            index += 4
        }
        while index < bytes.count {
            hash = rotate(hash ^ (UInt64(bytes[index]) &* prime5), 11) &* prime1
            index += 1
        }
        hash = (hash ^ (hash >> 33)) &* prime2
        hash = (hash ^ (hash >> 29)) &* prime3
        return hash ^ (hash >> 32)
    }

    private static func word(_ bytes: borrowing Span<UInt8>, _ index: Int) -> UInt64 {
        var value: UInt64 = 0
        for offset in 0..<8 { value |= UInt64(bytes[index + offset]) << UInt64(offset * 8) }
        return value
    }

    private static func round(_ accumulator: UInt64, _ input: UInt64) -> UInt64 {
        rotate(accumulator &+ input &* prime2, 31) &* prime1
    }

    private static func merge(_ hash: UInt64, _ accumulator: UInt64) -> UInt64 {
        (hash ^ round(0, accumulator)) &* prime1 &+ prime4
    }

    private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 {
        value << bits | value >> (64 - bits)
    }
}
