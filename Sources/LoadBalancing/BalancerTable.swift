/// The endpoints of one cluster, prepared for balancing. Immutable; every worker makes its own `Balancer` from it.
package struct BalancerTable: Sendable {
    /// The hosts of one priority.
    struct Level: Sendable {
        var hosts: [Int32]
        /// For the consistent-hash policies.
        var hashes: HashTable
    }

    package let spec: BalancerSpec
    package let hosts: [BalancerHost]
    let levels: [Level]

    package init(spec: BalancerSpec, hosts: [BalancerHost]) {
        self.spec = spec
        self.hosts = hosts
        let priorities = Set(hosts.map(\.priority)).sorted()
        levels = priorities.map { priority in
            let members = hosts.indices.filter { hosts[$0].priority == priority }
            let shares = Self.shares(spec: spec, hosts: hosts, members: members)
            let keyed = zip(members, shares).filter { $1 > 0 }.map { (host: $0, key: hosts[$0].hashKey, weight: $1) }
            let hashes =
                switch spec.policy {
                case .ringHash(let least, let most):
                    HashTable.ring(keyed, minimumSize: max(1, least), maximumSize: max(least, most))
                case .maglev(let size): HashTable.maglev(keyed, size: size)
                case .roundRobin, .leastRequest, .random: HashTable()
                }
            return Level(hosts: members.map { Int32($0) }, hashes: hashes)
        }
    }

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
