/// Chooses endpoints of one cluster. A value that one worker owns: turns, health and tables are its own, so choosing
/// takes no lock and allocates nothing.
///
/// Order of the decision: a priority by the health of the priorities, then within it a host by policy; an excluded host
/// (a retry's previous ones) is drawn again a few times and accepted when nothing else comes up, as Envoy does.
package struct Balancer: Sendable {
    private struct Level: Sendable {
        var weighted: AliasTable
        var turns: TurnQueue
        var healthy = 0
        /// Health is ignored.
        var panics = false
        /// Share of requests, cumulative, in hundredths.
        var upTo: UInt32 = 0
    }

    private let table: BalancerTable
    private var levels: [Level]
    private var isHealthy: [Bool]
    private var localityTotal: [Double]
    private var localityHealthy: [Double]
    private var phase: UInt64

    /// How often an excluded host is drawn again (`host_selection_retry_max_attempts`, Istio's value).
    private static let redraws = 5

    /// - Parameter seed: random bits of this worker, so that workers do not all begin with the same host.
    package init(_ table: BalancerTable, seed: UInt64) {
        self.table = table
        phase = seed
        isHealthy = table.hosts.map(\.isHealthy)
        let localities = Int(table.hosts.map(\.locality).max() ?? 0) + 1
        localityTotal = [Double](repeating: 0, count: localities)
        localityHealthy = [Double](repeating: 0, count: localities)
        levels = table.levels.map {
            Level(weighted: AliasTable(capacity: $0.hosts.count), turns: TurnQueue(capacity: $0.hosts.count))
        }
        refresh()
    }

    package var hostCount: Int { table.hosts.count }

    package func isHealthy(_ host: Int) -> Bool { isHealthy[host] }

    /// How many hosts are healthy, in all priorities.
    package var healthyCount: Int { levels.reduce(0) { $0 + $1.healthy } }

    /// Marks a host; rebuilds the tables in place, O(hosts).
    package mutating func setHealth(_ host: Int, isHealthy healthy: Bool) {
        guard isHealthy[host] != healthy else { return }
        isHealthy[host] = healthy
        refresh()
    }

    /// Chooses a host.
    ///
    /// - Parameters:
    ///   - random: 64 fresh random bits.
    ///   - hash: the request's hash, for the consistent-hash policies; nil = choose at random.
    ///   - active: requests in progress per host, for least request; may be shorter than the hosts (then 0).
    package mutating func pick(
        random: UInt64, hash: UInt64? = nil, active: borrowing Span<UInt32>, tried: TriedHosts = TriedHosts()
    ) -> BalancerPick {
        guard !table.hosts.isEmpty else { return BalancerPick(host: -1, reason: .noHost) }
        var bits = random
        guard let number = chooseLevel(random) else { return BalancerPick(host: -1, reason: .noHealthyHost) }
        let reason: BalancerPick.Reason = levels[number].panics ? .panic : .chosen
        var host = -1
        for attempt in 0...Self.redraws {
            bits = Self.mix(bits)
            host = draw(number, bits: bits, hash: hash, attempt: attempt, active: active)
            if host < 0 || !tried.contains(host) { break }
        }
        return BalancerPick(host: host, reason: host < 0 ? .noHealthyHost : reason)
    }

    private func chooseLevel(_ random: UInt64) -> Int? {
        if levels.count == 1 { return levels[0].upTo > 0 ? 0 : nil }
        let ticket = UInt32(truncatingIfNeeded: ((random >> 48) * 100) >> 16)
        for index in levels.indices where ticket < levels[index].upTo { return index }
        return nil
    }

    private mutating func draw(
        _ number: Int, bits: UInt64, hash: UInt64?, attempt: Int, active: borrowing Span<UInt32>
    ) -> Int {
        guard levels[number].weighted.count > 0 else { return -1 }
        switch table.spec.policy {
        case .random: return levels[number].weighted.pick(bits)
        case .roundRobin: return levels[number].turns.next()
        case .leastRequest(let choices):
            var best = levels[number].weighted.pick(bits)
            var bits = bits
            for _ in 1..<max(2, Int(choices)) {
                bits = Self.mix(bits)
                let other = levels[number].weighted.pick(bits)
                if load(other, active) < load(best, active) { best = other }
            }
            return best
        case .ringHash, .maglev:
            let hashes = table.levels[number].hashes
            // Unhealthy hosts are walked past; the table never changes, so the other keys stay where they are.
            for step in 0..<min(hashes.size, 512) {
                let host = hashes.find(hash ?? bits, attempt: attempt + step)
                if host >= 0, isHealthy[host] || levels[number].panics { return host }
            }
            return levels[number].weighted.pick(bits)
        }
    }

    /// Requests in progress, with the one to come, by weight.
    @inline(__always)
    private func load(_ host: Int, _ active: borrowing Span<UInt32>) -> Double {
        let requests = host < active.count ? active[host] : 0
        return Double(requests + 1) / Double(table.hosts[host].weight)
    }

    /// splitmix64: further bits from the ones that were passed in.
    @inline(__always)
    static func mix(_ bits: UInt64) -> UInt64 {
        var z = bits &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension Balancer {
    /// Recomputes priority loads, panic and the tables of every level. Works in place.
    private mutating func refresh() {
        let threshold = UInt32(table.spec.panicThresholdPercent)
        var totalHealth: UInt32 = 0
        for index in levels.indices {
            let members = table.levels[index].hosts
            levels[index].healthy = members.count { isHealthy[Int($0)] }
            totalHealth += health(index)
        }
        let total = min(100, totalHealth)
        var assigned: UInt32 = 0
        for index in levels.indices {
            let count = UInt32(table.levels[index].hosts.count)
            let healthyPercent = count == 0 ? 0 : UInt32(levels[index].healthy) * 100 / count
            levels[index].panics = total < 100 && threshold > 0 && healthyPercent < threshold
            if total > 0 { assigned = min(100, assigned + health(index) * 100 / total) }
            levels[index].upTo = assigned
        }
        if total == 0 {
            // No healthy host anywhere: in panic the first priority takes everything, otherwise nobody does.
            for index in levels.indices { levels[index].upTo = threshold > 0 ? 100 : 0 }
        } else if let last = levels.indices.last(where: { health($0) > 0 }) {
            // What integer division lost goes to the last priority that takes traffic.
            for index in last..<levels.count { levels[index].upTo = 100 }
        }
        for index in levels.indices { refreshTables(index) }
    }

    /// A priority's health with overprovisioning, 0...100.
    private func health(_ index: Int) -> UInt32 {
        let count = UInt32(table.levels[index].hosts.count)
        guard count > 0 else { return 0 }
        return min(100, UInt32(table.spec.overprovisioningPercent) * UInt32(levels[index].healthy) / count)
    }

    private mutating func refreshTables(_ index: Int) {
        let members = table.levels[index].hosts
        let panics = levels[index].panics
        if table.spec.localityWeighted {
            for locality in localityTotal.indices { (localityTotal[locality], localityHealthy[locality]) = (0, 0) }
            for member in members {
                let host = table.hosts[Int(member)]
                localityTotal[Int(host.locality)] += Double(host.weight)
                if isHealthy[Int(member)] { localityHealthy[Int(host.locality)] += Double(host.weight) }
            }
        }
        levels[index].weighted.removeAll()
        levels[index].turns.removeAll()
        for member in members where panics || isHealthy[Int(member)] {
            let share = weight(Int(member), ignoringHealth: panics)
            guard share > 0 else { continue }
            phase = Self.mix(phase)
            levels[index].weighted.add(Int(member), weight: share)
            levels[index].turns.add(Int(member), weight: share, phase: Double(phase >> 11) / 9_007_199_254_740_992)
        }
        levels[index].weighted.finish()
    }

    private func weight(_ index: Int, ignoringHealth: Bool) -> Double {
        let host = table.hosts[index]
        guard table.spec.localityWeighted else { return Double(host.weight) }
        let total = localityTotal[Int(host.locality)]
        let available = ignoringHealth ? total : localityHealthy[Int(host.locality)]
        guard available > 0 else { return 0 }
        let health = min(1, available / total * Double(table.spec.overprovisioningPercent) / 100)
        return Double(host.localityWeight) * health * Double(host.weight) / available
    }
}
