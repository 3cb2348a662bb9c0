internal import Glibc

/// IP addresses and CIDR blocks.
package enum AddressRules {
    package static func isAddress(_ text: String) -> Bool { isIPv4(text) || isIPv6(text) }

    package static func isIPv4(_ text: String) -> Bool {
        var address = in_addr()
        return inet_pton(AF_INET, text, &address) == 1
    }

    package static func isIPv6(_ text: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET6, text, &address) == 1
    }

    /// An address, or a block such as `10.0.0.0/8`.
    package static func isSubnet(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let address = String(parts[0])
        guard parts.count == 2 else { return parts.count == 1 && isAddress(address) }
        guard let length = Int(parts[1]), length >= 0 else { return false }
        return isIPv4(address) ? length <= 32 : isIPv6(address) && length <= 128
    }

    static func checkSubnets(_ subnets: [String], key: String, _ reader: ObjectReader) {
        for subnet in subnets where !isSubnet(subnet) {
            reader.error(key, "\"\(subnet)\" is not an IP address or CIDR block")
        }
    }
}
