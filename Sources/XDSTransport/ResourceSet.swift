import FoundationEssentials
package import SwiftProtobuf
import XDS

/// One resource as it goes over the wire, with a version that is a digest of its content: the same content has the
/// same version, also after a restart of the control plane.
package struct VersionedResource: Sendable, Equatable {
    package let version: String
    package let body: Google_Protobuf_Any

    package init(_ message: some Message) {
        body = Google_Protobuf_Any(packing: message)
        version = Self.digest(body)
    }

    init(version: String, body: Google_Protobuf_Any) {
        self.version = version
        self.body = body
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.version == right.version
    }

    /// FNV-1a, 64 bits twice with different offsets: no defence against an adversary, who cannot write here anyway.
    private static func digest(_ body: Google_Protobuf_Any) -> String {
        var first: UInt64 = 0xcbf2_9ce4_8422_2325
        var second: UInt64 = 0x8422_2325_cbf2_9ce4
        for byte in body.value {
            first = (first ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
            second = (second ^ UInt64(byte)) &* 0x0000_0100_0000_0233
        }
        return String(first, radix: 16) + String(second, radix: 16)
    }
}

/// Everything that one proxy shall have, at one generation of the mesh.
package struct ResourceSet: Sendable, Equatable {
    /// Counts configuration changes; proxies report how far they have come.
    package var generation: Int
    /// Type URL, then resource name.
    package var resources: [String: [String: VersionedResource]]

    package init(generation: Int = 0, resources: [String: [String: VersionedResource]] = [:]) {
        self.generation = generation
        self.resources = resources
    }

    package subscript(type: String) -> [String: VersionedResource] {
        get { resources[type] ?? [:] }
        set { resources[type] = newValue }
    }

    package mutating func insert(_ message: some Message, named name: String) {
        resources[TypeURL.of(type(of: message)), default: [:]][name] = VersionedResource(message)
    }
}
