/// An IPv4 address as a number in host order.
package struct IPv4Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var value: UInt32

    package init(value: UInt32) {
        self.value = value
    }

    /// Dotted decimal with exactly four parts.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard !part.isEmpty, part.utf8.allSatisfy({ (48...57).contains($0) }), let byte = UInt8(part) else {
                return nil
            }
            value = value << 8 | UInt32(byte)
        }
        self.value = value
    }

    package var description: String {
        "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    }

    /// As C's `in_addr` holds it.
    package var networkOrder: UInt32 { value.bigEndian }

    package static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.value < right.value }
}
