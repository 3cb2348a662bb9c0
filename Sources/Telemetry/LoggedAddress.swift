/// An address as plain bits, printed only when a log line asks for it.
package struct LoggedAddress: Sendable, Hashable {
    package enum Family: UInt8, Sendable {
        case none, ipv4, ipv6
        /// A Unix socket; its path is given beside the record where it matters.
        case unix
    }

    package var high: UInt64
    /// IPv4 occupies the lowest 32 bits.
    package var low: UInt64
    package var port: UInt16
    package var family: Family

    package init(family: Family, high: UInt64 = 0, low: UInt64 = 0, port: UInt16 = 0) {
        self.high = high
        self.low = low
        self.port = port
        self.family = family
    }

    /// The same address with port 0.
    package var withoutPort: LoggedAddress { LoggedAddress(family: family, high: high, low: low) }

    package static var none: LoggedAddress { LoggedAddress(family: .none) }

    package static func ipv4(_ bits: UInt32, port: UInt16) -> LoggedAddress {
        LoggedAddress(family: .ipv4, low: UInt64(bits), port: port)
    }
}
