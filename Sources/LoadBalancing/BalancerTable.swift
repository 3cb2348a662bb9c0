/// The endpoints of one cluster, prepared for balancing. Immutable; every worker makes its own `Balancer` from it.
package struct BalancerTable: Sendable {
    /// The hosts of one priority.
    struct Level: Sendable {
        var hosts: [Int32]
        /// For the consistent-hash policies.
        var hashes: HashTable
        /// The localities that occur here.
        var localities: [UInt32]
        var hasDegraded: Bool
    }

    package let spec: BalancerSpec
    package let hosts: [BalancerHost]
    let levels: [Level]

    /// - Parameter members: the hosts to choose among; nil = all. Their numbers stay those of `hosts`.
    package init(spec: BalancerSpec, hosts: [BalancerHost], members: [Int]? = nil) {
        self.spec = spec
        self.hosts = hosts
        let chosen = members ?? Array(hosts.indices)
        let priorities = Set(chosen.map { hosts[$0].priority }).sorted()
        levels = priorities.map { priority in
            let members = chosen.filter { hosts[$0].priority == priority }
            let shares = Self.shares(spec: spec, hosts: hosts, members: members)
            let keyed = zip(members, shares).filter { $1 > 0 }.map { (host: $0, key: hosts[$0].hashKey, weight: $1) }
            let hashes =
                switch spec.policy {
                case .ringHash(let least, let most):
                    HashTable.ring(
                        keyed, minimumSize: max(1, least), maximumSize: max(least, most), function: spec.hashFunction)
                case .maglev(let size): HashTable.maglev(keyed, size: size)
                case .roundRobin, .leastRequest, .random, .peakEWMA: HashTable()
                }
            return Level(
                hosts: members.map { Int32($0) }, hashes: hashes,
                localities: spec.localityWeighted ? Set(members.map { hosts[$0].locality }).sorted() : [0],
                hasDegraded: members.contains { hosts[$0].isDegraded })
        }
    }

    /// The level that holds a host; nil when the host is no member.
    package func level(of host: Int) -> Int? {
        levels.firstIndex { $0.hosts.contains(Int32(truncatingIfNeeded: host)) }
    }

    package var hasMembers: Bool { !levels.isEmpty }

    /// Each member's part of the traffic, before health.
    private static func shares(spec: BalancerSpec, hosts: [BalancerHost], members: [Int]) -> [Double] {
        guard spec.localityWeighted else { return members.map { Double(hosts[$0].weight) } }
        var total: [UInt32: Double] = [:]
        for member in members { total[hosts[member].locality, default: 0] += Double(hosts[member].weight) }
        return members.map { member in
            let host = hosts[member]
            return Double(host.localityWeight) * Double(host.weight) / (total[host.locality] ?? 1)
        }
    }
}
