/// Chooses endpoints of one cluster. A value that one worker owns: turns, health and tables are its own, so choosing
/// takes no lock and allocates nothing.
///
/// Order of the decision: a priority by the health of the priorities, a locality by weight where localities have weights,
/// then a host by policy; an excluded host (a retry's previous ones) is drawn again a few times and accepted when nothing
/// else comes up, as Envoy does.
package struct Balancer: Sendable {
    /// The hosts of one locality that may be chosen (of all localities when these have no weights).
    struct Group: Sendable {
        var weighted: AliasTable
        var turns: TurnQueue
    }

    /// Hosts among which one choice is made.
    struct Choice: Sendable {
        var groups: [Group]
        /// Whose turn it is of the groups, when there are several.
        var localities: TurnQueue
        var count = 0
    }

    struct Level: Sendable {
        /// The healthy hosts; all of them in panic.
        var main: Choice
        /// The degraded ones; nil when there are none.
        var degraded: Choice?
        var healthy = 0
        var degradedCount = 0
        /// Health is ignored.
        var panics = false
        /// Share of requests, cumulative over the levels, in hundredths: healthy hosts of all levels first.
        var upTo: UInt32 = 0
        var degradedUpTo: UInt32 = 0
    }

    let table: BalancerTable
    var levels: [Level]
    var isHealthy: [Bool]
    /// Weights as they are now, with the slow start's share.
    var effective: [Double]
    /// When slow start began, milliseconds; 0 = long ago.
    var startedAt: [UInt64]
    /// When weights change by themselves; .max = never.
    var nextRefresh = UInt64.max
    var averages: ResponseAverages
    var localityTotal: [Double]
    var localityHealthy: [Double]
    var phase: UInt64

    /// - Parameter seed: random bits of this worker, so that workers do not all begin with the same host.
    package init(_ table: BalancerTable, seed: UInt64) {
        self.table = table
        phase = seed
        isHealthy = table.hosts.map(\.isHealthy)
        effective = table.hosts.map { Double($0.weight) }
        startedAt = table.spec.slowStart == nil ? [] : [UInt64](repeating: 0, count: table.hosts.count)
        averages = ResponseAverages(table.spec.policy, hostCount: table.hosts.count)
        let localities = Int(table.hosts.map(\.locality).max() ?? 0) + 1
        localityTotal = [Double](repeating: 0, count: localities)
        localityHealthy = [Double](repeating: 0, count: localities)
        levels = table.levels.map { level in
            let sizes = level.localities.map { locality in
                table.spec.localityWeighted
                    ? level.hosts.count { table.hosts[Int($0)].locality == locality } : level.hosts.count
            }
            func choice() -> Choice {
                Choice(
                    groups: sizes.map {
                        Group(weighted: AliasTable(capacity: $0), turns: TurnQueue(capacity: $0))
                    }, localities: TurnQueue(capacity: sizes.count))
            }
            return Level(main: choice(), degraded: level.hasDegraded ? choice() : nil)
        }
        refresh(now: 0)
    }

    package var hostCount: Int { table.hosts.count }

    package func isHealthy(_ host: Int) -> Bool { isHealthy[host] }

    /// How many hosts are healthy, in all priorities.
    package var healthyCount: Int { levels.reduce(0) { $0 + $1.healthy + $1.degradedCount } }

    package func level(of host: Int) -> Int? { table.level(of: host) }

    /// Marks a host; rebuilds the tables in place, O(hosts).
    package mutating func setHealth(_ host: Int, isHealthy healthy: Bool, now: UInt64 = 0) {
        guard isHealthy[host] != healthy else { return }
        isHealthy[host] = healthy
        refresh(now: now)
    }

    /// Marks all hosts at once. A host without health of its own (by discovery) never becomes healthy.
    package mutating func setHealth(now: UInt64, _ healthy: (Int) -> Bool) {
        var changed = false
        for host in isHealthy.indices {
            let value = table.hosts[host].isHealthy && healthy(host)
            if value != isHealthy[host] {
                isHealthy[host] = value
                changed = true
            }
        }
        if changed { refresh(now: now) }
    }

    /// A host is new, or back after failed health checks: it gets its share slowly. `now` in milliseconds.
    package mutating func startSlowly(_ host: Int, at start: UInt64, now: UInt64) {
        guard table.spec.slowStart != nil else { return }
        startedAt[host] = max(1, start)
        refresh(now: now)
    }

    /// When slow start began for a host; 0 = long ago.
    package func slowStart(of host: Int) -> UInt64 { startedAt.isEmpty ? 0 : startedAt[host] }

    /// Chooses a host.
    ///
    /// - Parameters:
    ///   - random: 64 fresh random bits.
    ///   - hash: the request's hash, for the consistent-hash policies; nil = choose at random.
    ///   - active: requests in progress per host, for least request; may be shorter than the hosts (then 0).
    ///   - now: milliseconds; needed for slow start and peak EWMA.
    package mutating func pick(
        random: UInt64, hash: UInt64? = nil, active: borrowing Span<UInt32>, tried: TriedHosts = TriedHosts(),
        now: UInt64 = 0
    ) -> BalancerPick {
        guard !levels.isEmpty else { return BalancerPick(host: -1, reason: .noHost) }
        if now >= nextRefresh { refresh(now: now) }
        var bits = random
        let ticket = hash.map { UInt32($0 % 100) } ?? UInt32(truncatingIfNeeded: ((random >> 48) * 100) >> 16)
        guard let (number, degraded) = chooseLevel(ticket, avoiding: tried.avoidedLevels) else {
            return BalancerPick(host: -1, reason: .noHealthyHost)
        }
        let panics = levels[number].panics
        if panics, table.spec.failsTrafficOnPanic { return BalancerPick(host: -1, reason: .panicRefused) }
        var host = -1
        for attempt in 0...Int(tried.count > 0 ? tried.redraws : 0) {
            bits = Self.mix(bits)
            host = draw(number, degraded, bits: bits, hash: hash, attempt: attempt, active: active, now: now)
            if host < 0 || !tried.contains(host) { break }
        }
        let reason: BalancerPick.Reason =
            host < 0 ? .noHealthyHost : panics ? .panic : degraded ? .degraded : .chosen
        return BalancerPick(host: host, reason: reason)
    }

    private func chooseLevel(_ ticket: UInt32, avoiding: UInt32) -> (Int, Bool)? {
        if avoiding != 0, let level = chooseOther(ticket, avoiding: avoiding) { return (level, false) }
        for index in levels.indices where ticket < levels[index].upTo { return (index, false) }
        for index in levels.indices where ticket < levels[index].degradedUpTo { return (index, true) }
        return nil
    }

    /// A level among those that are not to be avoided, by their health; nil when none of them has any.
    private func chooseOther(_ ticket: UInt32, avoiding: UInt32) -> Int? {
        var total: UInt32 = 0
        for index in levels.indices where avoiding & Self.bit(index) == 0 { total += health(index) }
        guard total > 0 else { return nil }
        let whole = min(100, total)
        var assigned: UInt32 = 0
        var last: Int?
        for index in levels.indices where avoiding & Self.bit(index) == 0 && health(index) > 0 {
            assigned += health(index) * 100 / whole
            if ticket < assigned { return index }
            last = index
        }
        return last
    }

    /// The bit of a level in `TriedHosts.avoidedLevels`.
    package static func bit(_ level: Int) -> UInt32 { level < 32 ? 1 << UInt32(level) : 0 }

    private mutating func draw(
        _ number: Int, _ degraded: Bool, bits: UInt64, hash: UInt64?, attempt: Int, active: borrowing Span<UInt32>,
        now: UInt64
    ) -> Int {
        switch table.spec.policy {
        case .ringHash, .maglev:
            return drawByHash(number, degraded, hash: hash ?? bits, bits: bits, attempt: attempt)
        case .random, .roundRobin, .leastRequest, .peakEWMA: break
        }
        if degraded {
            guard var choice = levels[number].degraded.take(), choice.count > 0 else { return -1 }
            defer { levels[number].degraded = choice }
            return Self.draw(&choice, table.spec, effective, averages, bits, active, now)
        }
        guard levels[number].main.count > 0 else { return -1 }
        return Self.draw(&levels[number].main, table.spec, effective, averages, bits, active, now)
    }

    /// Static, so that the choice is changed in place while the rest of the balancer is only read.
    @inline(__always)
    private static func draw(
        _ choice: inout Choice, _ spec: borrowing BalancerSpec, _ weights: borrowing [Double],
        _ averages: borrowing ResponseAverages, _ random: UInt64, _ active: borrowing Span<UInt32>, _ now: UInt64
    ) -> Int {
        let group = choice.groups.count > 1 ? choice.localities.next() : 0
        guard choice.groups[group].weighted.count > 0 else { return -1 }
        switch spec.policy {
        case .random, .ringHash, .maglev: return choice.groups[group].weighted.pick(random)
        case .roundRobin: return choice.groups[group].turns.next()
        case .leastRequest(let choices):
            let bias = spec.activeRequestBias
            if bias == 0 { return choice.groups[group].turns.next() }
            var best = choice.groups[group].weighted.pick(random)
            var bits = random
            for _ in 1..<max(2, Int(choices)) {
                bits = mix(bits)
                let other = choice.groups[group].weighted.pick(bits)
                if other != best, isLess(other, best, active, weights, bias) { best = other }
            }
            return best
        case .peakEWMA:
            let first = choice.groups[group].weighted.pick(random)
            var second = choice.groups[group].weighted.pick(mix(random))
            if second == first { second = choice.groups[group].weighted.pick(mix(random ^ 0x5555)) }
            let costs = (
                averages.value(of: first, now: now) * pending(first, active) / weights[first],
                averages.value(of: second, now: now) * pending(second, active) / weights[second]
            )
            return costs.1 < costs.0 ? second : first
        }
    }

    /// Requests in progress, with the one to come.
    @inline(__always)
    private static func pending(_ host: Int, _ active: borrowing Span<UInt32>) -> Double {
        Double((host < active.count ? active[host] : 0) + 1)
    }

    /// Whether `a` has less to do for its weight than `b`.
    @inline(__always)
    private static func isLess(
        _ a: Int, _ b: Int, _ active: borrowing Span<UInt32>, _ weights: borrowing [Double], _ bias: Double
    ) -> Bool {
        var first = Double(a < active.count ? active[a] : 0)
        var second = Double(b < active.count ? active[b] : 0)
        if bias != 1 {
            first = power(first, bias)
            second = power(second, bias)
        }
        return first * weights[b] < second * weights[a]
    }

    private func drawByHash(_ number: Int, _ degraded: Bool, hash: UInt64, bits: UInt64, attempt: Int) -> Int {
        let panics = levels[number].panics
        let size = table.levels[number].hashes.size
        // Unhealthy hosts are walked past; the table never changes, so the other keys stay where they are.
        for step in 0..<min(size, 512) {
            let host = table.levels[number].hashes.find(hash, attempt: attempt + step)
            guard host >= 0 else { break }
            if panics || isHealthy[host] && table.hosts[host].isDegraded == degraded { return host }
        }
        let choice = degraded ? levels[number].degraded : levels[number].main
        guard let group = choice?.groups.first(where: { $0.weighted.count > 0 }) else { return -1 }
        return group.weighted.pick(bits)
    }

    /// A response took so long, for peak EWMA. Times: `microseconds` of the response, `now` in milliseconds.
    @inline(__always)
    package mutating func observe(_ host: Int, microseconds: UInt64, now: UInt64) {
        averages.observe(host, microseconds: microseconds, now: now)
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
