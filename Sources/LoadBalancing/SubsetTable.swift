/// Subsets of a cluster's endpoints by their metadata (envoy.config.cluster.v3.Cluster.LbSubsetConfig).
package struct SubsetTable: Sendable {
    /// What happens when no endpoint fits what a route asks for.
    package enum Fallback: UInt8, Sendable, Hashable { case none, anyEndpoint, defaultSubset }

    /// Endpoints are grouped by their values of these keys.
    package struct Selector: Sendable, Hashable {
        /// Sorted.
        package var keys: [String]
        /// Nil: the cluster's.
        package var fallback: Fallback?

        package init(keys: [String], fallback: Fallback? = nil) {
            self.keys = keys.sorted()
            self.fallback = fallback
        }
    }

    /// Keys and values, both as text; equal metadata values have equal texts.
    package typealias Criteria = [String: String]

    private let selectors: [Selector]
    private let fallback: Fallback
    private var numbers: [Criteria: Int] = [:]
    /// By subset; the last one is the default subset when that has endpoints.
    package private(set) var tables: [BalancerTable] = []
    private var defaultTable: Int?

    /// - Parameter metadata: of each host, in the order of `hosts`.
    package init(
        spec: BalancerSpec, hosts: [BalancerHost], metadata: [Criteria], selectors: [Selector], fallback: Fallback,
        defaultSubset: Criteria
    ) {
        self.selectors = selectors
        self.fallback = fallback
        var members: [Criteria: [Int]] = [:]
        for host in hosts.indices {
            for selector in Set(selectors.map(\.keys)) {
                var criteria: Criteria = [:]
                for key in selector { criteria[key] = metadata[host][key] }
                if criteria.count == selector.count { members[criteria, default: []].append(host) }
            }
        }
        for (criteria, hostList) in members.sorted(by: { "\($0.key.sorted(by: <))" < "\($1.key.sorted(by: <))" }) {
            numbers[criteria] = tables.count
            tables.append(BalancerTable(spec: spec, hosts: hosts, members: hostList))
        }
        guard fallback == .defaultSubset || selectors.contains(where: { $0.fallback == .defaultSubset }) else { return }
        let fitting = hosts.indices.filter { host in defaultSubset.allSatisfy { metadata[host][$0.key] == $0.value } }
        guard !fitting.isEmpty else { return }
        defaultTable = tables.count
        tables.append(BalancerTable(spec: spec, hosts: hosts, members: Array(fitting)))
    }

    package enum Answer: Sendable, Equatable {
        /// Index into `tables`.
        case subset(Int)
        case all
        /// No endpoint may be used.
        case nothing
    }

    /// Where requests go that ask for `criteria` (empty: that ask for nothing).
    package func find(_ criteria: Criteria) -> Answer {
        let keys = criteria.keys.sorted()
        let selector = selectors.first { $0.keys == keys }
        if selector != nil, let number = numbers[criteria] { return .subset(number) }
        switch selector?.fallback ?? fallback {
        case .none: return .nothing
        case .anyEndpoint: return .all
        case .defaultSubset: return defaultTable.map { .subset($0) } ?? .nothing
        }
    }
}

extension [String: String] {
    fileprivate func sorted(by areInOrder: (String, String) -> Bool) -> [String] {
        map { "\($0.key)=\($0.value)" }.sorted(by: areInOrder)
    }
}
