import FoundationEssentials
package import SwiftProtobuf
import Synchronization
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

/// What many proxies have in common, kept once. Immutable; a changed one knows which names differ from the one before.
package final class SharedResources: Sendable {
    /// Type URL, then resource name.
    package let resources: [String: [String: VersionedResource]]
    let serial: UInt64
    /// The one that `changes` count from.
    let predecessor: UInt64?
    package let changes: [String: Set<String>]

    private static let serials = Atomic<UInt64>(1)

    /// - Parameters:
    ///   - before: the one that this takes the place of.
    ///   - changes: names by type that differ from it, when the maker knows; nil compares.
    package init(
        _ resources: [String: [String: VersionedResource]], after before: SharedResources? = nil,
        changes known: [String: Set<String>]? = nil
    ) {
        self.resources = resources
        serial = Self.serials.wrappingAdd(1, ordering: .relaxed).newValue
        predecessor = before?.serial
        if let before {
            changes = known ?? Self.difference(before.resources, resources)
        } else {
            changes = [:]
        }
    }

    static func difference(
        _ old: [String: [String: VersionedResource]], _ new: [String: [String: VersionedResource]]
    ) -> [String: Set<String>] {
        var result: [String: Set<String>] = [:]
        for type in Set(old.keys).union(new.keys) {
            let before = old[type] ?? [:]
            let after = new[type] ?? [:]
            var names: Set<String> = []
            for (name, resource) in after where before[name] != resource { names.insert(name) }
            for name in before.keys where after[name] == nil { names.insert(name) }
            if !names.isEmpty { result[type] = names }
        }
        return result
    }
}

/// Everything that one proxy shall have, at one generation of the mesh.
package struct ResourceSet: Sendable, Equatable {
    /// Counts configuration changes; proxies report how far they have come.
    package var generation: Int
    /// What this proxy has for itself; it goes before what is shared. Type URL, then resource name.
    package var resources: [String: [String: VersionedResource]]
    package var shared: SharedResources?

    package init(
        generation: Int = 0, resources: [String: [String: VersionedResource]] = [:], shared: SharedResources? = nil
    ) {
        self.generation = generation
        self.resources = resources
        self.shared = shared
    }

    /// All resources of a type. Cost: their number.
    package subscript(type: String) -> [String: VersionedResource] {
        get {
            guard let common = shared?.resources[type] else { return resources[type] ?? [:] }
            guard let own = resources[type], !own.isEmpty else { return common }
            return common.merging(own) { _, own in own }
        }
        set { resources[type] = newValue }
    }

    package func resource(_ type: String, _ name: String) -> VersionedResource? {
        resources[type]?[name] ?? shared?.resources[type]?[name]
    }

    package mutating func insert(_ message: some Message, named name: String) {
        resources[TypeURL.of(type(of: message)), default: [:]][name] = VersionedResource(message)
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.generation == right.generation && left.hasEqualContent(to: right)
    }

    /// Whether a proxy would get the same.
    package func hasEqualContent(to other: Self) -> Bool {
        if shared === other.shared { return resources == other.resources }
        let types = Set(resources.keys).union(other.resources.keys).union(shared?.resources.keys ?? [:].keys)
            .union(other.shared?.resources.keys ?? [:].keys)
        return types.allSatisfy { self[$0] == other[$0] }
    }

    /// Names by type that may differ between this set and a later one.
    func differences(to next: Self) -> [String: Set<String>] {
        var result = SharedResources.difference(resources, next.resources)
        if shared === next.shared { return result }
        let common: [String: Set<String>]
        if let now = next.shared, let before = shared, now.predecessor == before.serial {
            common = now.changes
        } else {
            common = SharedResources.difference(shared?.resources ?? [:], next.shared?.resources ?? [:])
        }
        for (type, names) in common { result[type, default: []].formUnion(names) }
        return result
    }
}
