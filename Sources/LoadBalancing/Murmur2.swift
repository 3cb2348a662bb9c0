/// MurmurHash2 of 64 bits as `MURMUR_HASH_2` of ring hash clusters means it (libstdc++'s hash of bytes).
package enum Murmur2 {
    /// The seed that Envoy uses.
    private static let seed: UInt64 = 0xc70f_6907
    private static let multiplier: UInt64 = 0xc6a4_a793_5bd1_e995

    package static func hash(_ bytes: borrowing Span<UInt8>) -> UInt64 {
        var result = seed ^ (UInt64(bytes.count) &* multiplier)
        let aligned = bytes.count & ~7
        var index = 0
        while index < aligned {
            result ^= mix(load(bytes, index, 8) &* multiplier) &* multiplier
            result = result &* multiplier
            index += 8
        }
        if bytes.count > aligned {
            result ^= load(bytes, aligned, bytes.count - aligned)
            result = result &* multiplier
        }
        return mix(mix(result) &* multiplier)
    }

    private static func mix(_ value: UInt64) -> UInt64 { value ^ (value >> 47) }

    private static func load(_ bytes: borrowing Span<UInt8>, _ start: Int, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for offset in 0..<count { value |= UInt64(bytes[start + offset]) << UInt64(8 * offset) }
        return value
    }
}
