internal import CLinux

extension SocketAddress {
    /// The form that the C shim takes; nil for a Unix socket.
    var kernelForm: martlet_address? {
        guard case .ip(let ip, let port) = self else { return nil }
        return martlet_address(high: ip.high, low: ip.low, port: port, family: ip.isIPv6 ? 6 : 4)
    }

    init?(_ address: martlet_address) {
        switch address.family {
        case 4: self = .ip(IPAddress(v4: UInt32(truncatingIfNeeded: address.low)), port: address.port)
        case 6: self = .ip(IPAddress(v6High: address.high, low: address.low), port: address.port)
        case 1: self = .path("")
        default: return nil
        }
    }
}
