package import EventLoop

/// Whose requests count as the mesh's own (internal_address_config).
package struct InternalAddresses: Sendable {
    package let ranges: [AddressPrefix]
    package let unixSockets: Bool

    package init(ranges: [AddressPrefix], unixSockets: Bool) {
        self.ranges = ranges
        self.unixSockets = unixSockets
    }

    package func contains(_ address: IPAddress) -> Bool {
        for range in ranges where range.contains(address) { return true }
        return false
    }
}
