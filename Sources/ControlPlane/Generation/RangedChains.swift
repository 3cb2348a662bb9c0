import SwiftProtobuf
import XDS

/// Chains with ranges of destinations beside chains without, or with wider ones.
///
/// A proxy looks for the narrowest range first and never comes back to a wider one when no name matches there (Envoy's order of
/// matching). So every chain for bytes stands in all the ranges that lie within its own; chains that come earlier keep theirs.
enum RangedChains {
    private typealias Range = Envoy_Config_Core_V3_CidrRange

    static func spread(_ chains: [FilterChain]) -> [FilterChain] {
        var all: [Range] = []
        for range in chains.flatMap(\.filterChainMatch.prefixRanges) where !all.contains(range) { all.append(range) }
        guard !all.isEmpty else { return chains }
        var taken = Set(chains.flatMap { chain in chain.filterChainMatch.prefixRanges.map { key(chain, $0) } })
        return chains.flatMap { chain -> [FilterChain] in
            let own = chain.filterChainMatch.prefixRanges
            guard chain.filterChainMatch.applicationProtocols.isEmpty else { return [chain] }
            let further = all.filter { range in
                let isWithin = own.isEmpty || own.contains { contains($0, range) && $0 != range }
                return isWithin && taken.insert(key(chain, range)).inserted
            }
            guard !further.isEmpty else { return [chain] }
            var copy = chain
            copy.filterChainMatch.prefixRanges = own + further
            guard own.isEmpty else { return [copy] }
            copy.name += "-ranges"
            return [chain, copy]
        }
    }

    private static func key(_ chain: FilterChain, _ range: Range) -> String {
        let match = chain.filterChainMatch
        return "\(match.serverNames)|\(match.transportProtocol)|\(range.addressPrefix)/\(range.prefixLen.value)"
    }

    private static func contains(_ outer: Range, _ inner: Range) -> Bool {
        guard outer.prefixLen.value < inner.prefixLen.value, let a = bits(outer), let b = bits(inner) else {
            return false
        }
        let length = outer.prefixLen.value
        return length == 0 || (a ^ b) >> (32 - length) == 0
    }

    /// Of IPv4 only.
    private static func bits(_ range: Range) -> UInt32? {
        let parts = range.addressPrefix.split(separator: ".").compactMap { UInt8($0) }
        return parts.count == 4 ? parts.reduce(0) { $0 << 8 | UInt32($1) } : nil
    }
}
