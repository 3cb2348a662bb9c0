import FoundationEssentials
package import SwiftProtobuf
import Synchronization
import XDS

/// What many proxies have in common, kept once. Immutable; a changed one knows which names differ from those before it.
package final class SharedResources: Sendable {
    package typealias Resources = [String: [String: VersionedResource]]

    /// Type URL, then resource name.
    private let base: Resources
    /// What took the place of parts of `base`: few, so that a change costs what it changes.
    private let newer: Resources
    private let serial: UInt64
    /// What differs from each of the last predecessors to its successor, the oldest first.
    private let history: [(serial: UInt64, names: [String: Set<String>])]

    private static let serials = Atomic<UInt64>(1)
    /// A proxy that is further behind is compared name by name.
    private static let remembered = 16
    private static let mostNewer = 512

    /// - Parameter before: the one that this takes the place of; its resources are compared with these.
    package init(_ resources: Resources, after before: SharedResources? = nil) {
        base = resources
        newer = [:]
        serial = Self.serials.wrappingAdd(1, ordering: .relaxed).newValue
        history = before?.history(with: Self.difference(before?.all ?? [:], resources)) ?? []
    }

    /// `before` with some resources replaced or added. Cost: theirs, now and then that of all.
    package init(_ before: SharedResources, replacing resources: Resources) {
        var newer = before.newer
        for (type, changed) in resources { newer[type, default: [:]].merge(changed) { $1 } }
        if newer.values.reduce(0, { $0 + $1.count }) > Self.mostNewer {
            base = Self.joined(before.base, newer)
            self.newer = [:]
        } else {
            base = before.base
            self.newer = newer
        }
        serial = Self.serials.wrappingAdd(1, ordering: .relaxed).newValue
        history = before.history(with: resources.mapValues { Set($0.keys) })
    }

    private func history(with names: [String: Set<String>]) -> [(serial: UInt64, names: [String: Set<String>])] {
        history.suffix(Self.remembered - 1) + [(serial, names)]
    }

    private static func joined(_ base: Resources, _ newer: Resources) -> Resources {
        base.merging(newer) { $0.merging($1) { $1 } }
    }

    /// Everything. Cost: its number where something is newer.
    package var all: Resources { newer.isEmpty ? base : Self.joined(base, newer) }

    package subscript(type: String) -> [String: VersionedResource] {
        guard let changed = newer[type] else { return base[type] ?? [:] }
        return (base[type] ?? [:]).merging(changed) { $1 }
    }

    package func resource(_ type: String, _ name: String) -> VersionedResource? {
        newer[type]?[name] ?? base[type]?[name]
    }

    /// Names by type that may differ from an earlier one. Cost: what changed since, or both when that is forgotten.
    package func changes(since before: SharedResources?) -> [String: Set<String>] {
        if before === self { return [:] }
        guard let before, let first = history.firstIndex(where: { $0.serial == before.serial }) else {
            return Self.difference(before?.all ?? [:], all)
        }
        guard first < history.count - 1 else { return history[first].names }
        return history[first...].reduce(into: [:]) { $0.merge($1.names) { $0.union($1) } }
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
            guard let common = shared?[type] else { return resources[type] ?? [:] }
            guard let own = resources[type], !own.isEmpty else { return common }
            return common.merging(own) { _, own in own }
        }
        set { resources[type] = newValue }
    }

    package func resource(_ type: String, _ name: String) -> VersionedResource? {
        resources[type]?[name] ?? shared?.resource(type, name)
    }

    package mutating func insert(_ message: some Message, named name: String) {
        resources[TypeURL.of(type(of: message)), default: [:]][name] = VersionedResource(message)
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.generation == right.generation && left.hasEqualContent(to: right)
    }

    /// Whether a proxy would get the same; false also when only names are alike that it does not see.
    /// Cost: that of `differences`.
    package func hasEqualContent(to other: Self) -> Bool {
        resources == other.resources && (shared === other.shared || differences(to: other).isEmpty)
    }

    /// Names by type that may differ between this set and a later one.
    func differences(to next: Self) -> [String: Set<String>] {
        var result = SharedResources.difference(resources, next.resources)
        if shared === next.shared { return result }
        let common = next.shared?.changes(since: shared) ?? SharedResources.difference(shared?.all ?? [:], [:])
        for (type, names) in common { result[type, default: []].formUnion(names) }
        return result
    }
}
