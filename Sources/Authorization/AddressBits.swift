/// An IP address as plain bits in network order; IPv4 occupies the lowest 32 bits of `low`.
package struct AddressBits: Sendable, Hashable {
    package enum Family: UInt8, Sendable {
        /// No IP address (a Unix socket): inside no range.
        case none, ipv4, ipv6
    }

    package var high: UInt64
    package var low: UInt64
    package var family: Family

    package init(family: Family, high: UInt64 = 0, low: UInt64 = 0) {
        self.family = family
        self.high = high
        self.low = low
    }

    package static var none: AddressBits { AddressBits(family: .none) }

    package static func ipv4(_ bits: UInt32) -> AddressBits { AddressBits(family: .ipv4, low: UInt64(bits)) }
}

/// A CIDR range.
package struct AddressRange: Sendable, Hashable {
    package let address: AddressBits
    /// Significant bits, at most 32 or 128 by family.
    package let length: UInt8

    package init(_ address: AddressBits, length: Int) {
        self.address = address
        self.length = UInt8(min(max(0, length), address.family == .ipv4 ? 32 : 128))
    }

    package func contains(_ other: AddressBits) -> Bool {
        guard other.family == address.family, address.family != .none else { return false }
        let bits = UInt64(length)
        if address.family == .ipv4 { return bits == 0 || (other.low ^ address.low) >> (32 - bits) == 0 }
        if bits <= 64 { return bits == 0 || (other.high ^ address.high) >> (64 - bits) == 0 }
        return other.high == address.high && (other.low ^ address.low) >> (128 - bits) == 0
    }
}
