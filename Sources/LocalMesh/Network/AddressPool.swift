/// The pod addresses of a mesh: 10.244.0.0/16, of which the first is the bridge.
///
/// An address that was given back is used again last, so that a client with an old address does not reach a new pod.
package struct AddressPool: Sendable {
    package static let prefix = 16
    package static let bridge = IPv4Address(value: 10 << 24 | 244 << 16 | 1)

    private var next: UInt32 = AddressPool.bridge.value + 1
    private let last: UInt32 = AddressPool.bridge.value + 0xFFFD
    private var returned: [IPv4Address] = []

    package init() {}

    /// nil: all are in use.
    package mutating func take() -> IPv4Address? {
        if next <= last {
            defer { next += 1 }
            return IPv4Address(value: next)
        }
        return returned.isEmpty ? nil : returned.removeFirst()
    }

    package mutating func giveBack(_ address: IPv4Address) {
        returned.append(address)
    }
}
