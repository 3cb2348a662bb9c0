package import Authorization
package import EventLoop
package import Telemetry

extension IPAddress {
    /// The form in which policies compare it.
    @inline(__always)
    package var bits: AddressBits { AddressBits(family: isIPv6 ? .ipv6 : .ipv4, high: high, low: low) }
}

extension EventLoop.SocketAddress {
    /// The IP address in the form in which policies compare it.
    @inline(__always)
    package var bits: AddressBits {
        if case .ip(let address, _) = self { return address.bits }
        return .none
    }

    /// The form in which logs print it.
    @inline(__always)
    package var logged: LoggedAddress {
        if case .ip(let address, let port) = self {
            return LoggedAddress(
                family: address.isIPv6 ? .ipv6 : .ipv4, high: address.high, low: address.low, port: port)
        }
        return LoggedAddress(family: .unix)
    }
}
