import LoadBalancing
import Testing

extension Balancer {
    /// A pick without load figures.
    fileprivate mutating func choose(
        _ random: UInt64, hash: UInt64? = nil, tried: TriedHosts = TriedHosts()
    ) -> BalancerPick {
        let active: [UInt32] = []
        return pick(random: random, hash: hash, active: active.span, tried: tried)
    }
}

private func hash(_ text: String) -> UInt64 {
    let bytes = Array(text.utf8)
    return XXHash64.hash(bytes.span)
}

@Suite("Load balancing")
struct BalancerTests {
    private func counts(
        _ spec: BalancerSpec, _ hosts: [BalancerHost], draws: Int, seed: UInt64, active: [UInt32] = [],
        unhealthy: [Int] = []
    ) -> [Int] {
        var balancer = Balancer(BalancerTable(spec: spec, hosts: hosts), seed: seed)
        for host in unhealthy { balancer.setHealth(host, isHealthy: false) }
        var random = SeededRandom(seed: seed)
        var counts = [Int](repeating: 0, count: hosts.count)
        for _ in 0..<draws {
            let pick = balancer.pick(random: random.next(), active: active.span)
            if pick.host >= 0 { counts[pick.host] += 1 }
        }
        return counts
    }

    /// Pearson's statistic against expected shares.
    private func chiSquare(_ counts: [Int], _ shares: [Double]) -> Double {
        let total = Double(counts.reduce(0, +))
        let sum = shares.reduce(0, +)
        return zip(counts, shares).reduce(0) { result, pair in
            let expected = total * pair.1 / sum
            return result + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
        }
    }

    @Test("round robin gives every host its turn")
    func roundRobin() {
        let seed = UInt64.random(in: .min ... .max)
        let hosts = [BalancerHost](repeating: BalancerHost(), count: 5)
        #expect(counts(BalancerSpec(), hosts, draws: 500, seed: seed) == [100, 100, 100, 100, 100], "seed \(seed)")
    }

    @Test("round robin with weights is exact, not only on average")
    func weightedRoundRobin() {
        let seed = UInt64.random(in: .min ... .max)
        let hosts = [1, 2, 7].map { BalancerHost(weight: $0) }
        let counts = counts(BalancerSpec(), hosts, draws: 1000, seed: seed)
        for (count, expected) in zip(counts, [100, 200, 700]) {
            #expect(abs(count - expected) <= 2, "seed \(seed): \(counts)")
        }
    }

    @Test("random follows the weights", arguments: [[1, 1, 1, 1], [1, 2, 3, 4], [100, 1, 1, 50]] as [[UInt32]])
    func random(weights: [UInt32]) {
        let seed = UInt64.random(in: .min ... .max)
        let counts = counts(
            BalancerSpec(policy: .random), weights.map { BalancerHost(weight: $0) }, draws: 40_000, seed: seed)
        // Three degrees of freedom: above 27.9 once in 250,000 runs.
        #expect(chiSquare(counts, weights.map(Double.init)) < 27.9, "seed \(seed): \(counts)")
    }

    @Test("least request prefers the idle host, and is fair among equals")
    func leastRequest() {
        let seed = UInt64.random(in: .min ... .max)
        let spec = BalancerSpec(policy: .leastRequest(choices: 2))
        let hosts = [BalancerHost](repeating: BalancerHost(), count: 4)
        let even = counts(spec, hosts, draws: 40_000, seed: seed)
        #expect(chiSquare(even, [1, 1, 1, 1]) < 27.9, "seed \(seed): \(even)")
        // The busy host is chosen only when both choices fall on it: one time in sixteen.
        let busy = counts(spec, hosts, draws: 40_000, seed: seed, active: [9, 0, 0, 0])
        #expect(abs(Double(busy[0]) - 2500) < 5 * 48.4, "seed \(seed): \(busy)")
    }

    @Test("least request weighs the load by the weight")
    func weightedLeastRequest() {
        let seed = UInt64.random(in: .min ... .max)
        let hosts = [BalancerHost(weight: 1), BalancerHost(weight: 4)]
        let counts = counts(
            BalancerSpec(policy: .leastRequest(choices: 2)), hosts, draws: 10_000, seed: seed, active: [1, 3])
        #expect(counts[1] > counts[0] * 4, "seed \(seed): \(counts)")
    }

    @Test(
        "an unhealthy host gets nothing, its turn goes to the others",
        arguments: [
            BalancerSpec.Policy.roundRobin, .random, .leastRequest(choices: 2),
            .ringHash(minimumSize: 1024, maximumSize: 8 << 20), .maglev(tableSize: 65_537),
        ])
    func health(policy: BalancerSpec.Policy) {
        let seed = UInt64.random(in: .min ... .max)
        let hosts = (0..<4).map { BalancerHost(hashKey: "10.0.0.\($0):80") }
        let counts = counts(BalancerSpec(policy: policy), hosts, draws: 3000, seed: seed, unhealthy: [1])
        #expect(counts[1] == 0, "seed \(seed): \(counts)")
        #expect(counts.reduce(0, +) == 3000)
        #expect(counts.count { $0 > 0 } == 3)
    }

    @Test("below the panic threshold health is ignored")
    func panic() {
        var spec = BalancerSpec()
        let hosts = [BalancerHost](repeating: BalancerHost(), count: 4)
        let table = BalancerTable(spec: spec, hosts: hosts)
        var balancer = Balancer(table, seed: 1)
        for host in 0..<3 { balancer.setHealth(host, isHealthy: false) }
        #expect(balancer.choose(0).reason == .panic)
        // Istio's default: never.
        spec.panicThresholdPercent = 0
        balancer = Balancer(BalancerTable(spec: spec, hosts: hosts), seed: 1)
        for host in 0..<3 { balancer.setHealth(host, isHealthy: false) }
        #expect(balancer.choose(0) == BalancerPick(host: 3, reason: .chosen))
        balancer.setHealth(3, isHealthy: false)
        #expect(balancer.choose(0) == BalancerPick(host: -1, reason: .noHealthyHost))
        balancer.setHealth(2, isHealthy: true)
        #expect(balancer.choose(0) == BalancerPick(host: 2, reason: .chosen))
    }

    @Test("a cluster without hosts says so")
    func empty() {
        var balancer = Balancer(BalancerTable(spec: BalancerSpec(), hosts: []), seed: 1)
        #expect(balancer.choose(0) == BalancerPick(host: -1, reason: .noHost))
    }

    @Test("a lower priority takes what the higher one cannot")
    func priorities() {
        let seed = UInt64.random(in: .min ... .max)
        let hosts = (0..<4).map { BalancerHost(priority: $0 < 2 ? 0 : 1) }
        let spec = BalancerSpec(policy: .random)
        #expect(counts(spec, hosts, draws: 1000, seed: seed)[2...].reduce(0, +) == 0)
        // Half of priority 0 is healthy: 1.4 * 50 % = 70 % stay with it.
        let spilled = counts(spec, hosts, draws: 20_000, seed: seed, unhealthy: [1])
        #expect(abs(Double(spilled[0]) - 14_000) < 5 * 64.8, "seed \(seed): \(spilled)")
        #expect(counts(spec, hosts, draws: 1000, seed: seed, unhealthy: [0, 1])[..<2].reduce(0, +) == 0)
    }

    @Test("localities share by their own weights")
    func localities() {
        let seed = UInt64.random(in: .min ... .max)
        var spec = BalancerSpec(policy: .random)
        spec.localityWeighted = true
        let hosts =
            [BalancerHost(locality: 0, localityWeight: 80)]
            + [BalancerHost](repeating: BalancerHost(locality: 1, localityWeight: 20), count: 2)
        let counts = counts(spec, hosts, draws: 40_000, seed: seed)
        #expect(chiSquare(counts, [80, 10, 10]) < 23, "seed \(seed): \(counts)")
    }

    @Test("a retry goes to a host that was not tried")
    func triedHosts() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        let hosts = [BalancerHost](repeating: BalancerHost(), count: 3)
        var balancer = Balancer(BalancerTable(spec: BalancerSpec(), hosts: hosts), seed: seed)
        var tried = TriedHosts()
        tried.insert(0)
        tried.insert(2)
        for _ in 0..<100 {
            #expect(balancer.choose(random.next(), tried: tried).host == 1, "seed \(seed)")
        }
        // When all were tried, one of them is better than none.
        tried.insert(1)
        #expect(balancer.choose(random.next(), tried: tried).host >= 0)
    }
}

@Suite("Consistent hashing")
struct ConsistentHashTests {
    private static func hosts(_ count: Int) -> [BalancerHost] {
        (0..<count).map { BalancerHost(hashKey: "10.0.0.\($0):80") }
    }

    private static let policies: [BalancerSpec.Policy] = [
        .ringHash(minimumSize: 1024, maximumSize: 8 << 20), .maglev(tableSize: 65_537),
    ]

    private func homes(_ policy: BalancerSpec.Policy, _ hosts: [BalancerHost], without gone: Int? = nil) -> [Int] {
        var balancer = Balancer(BalancerTable(spec: BalancerSpec(policy: policy), hosts: hosts), seed: 3)
        if let gone { balancer.setHealth(gone, isHealthy: false) }
        return (0..<2000).map { key in
            balancer.choose(0, hash: hash("key\(key)")).host
        }
    }

    @Test("a key keeps its host, on every worker", arguments: policies)
    func stable(policy: BalancerSpec.Policy) {
        #expect(homes(policy, Self.hosts(5)) == homes(policy, Self.hosts(5)))
    }

    @Test("when a host goes, only its keys move", arguments: policies)
    func disruption(policy: BalancerSpec.Policy) {
        let before = homes(policy, Self.hosts(5))
        let after = homes(policy, Self.hosts(5), without: 2)
        for (old, new) in zip(before, after) where old != 2 { #expect(old == new) }
        #expect(!after.contains(2))
    }

    @Test("hosts hold shares by weight", arguments: policies)
    func shares(policy: BalancerSpec.Policy) {
        var hosts = Self.hosts(4)
        hosts[0].weight = 3
        let counts = homes(policy, hosts).reduce(into: [0, 0, 0, 0]) { $0[$1] += 1 }
        #expect(counts[0] > 2 * counts[1] / 2 && counts[0] > 700, "\(counts)")
    }

    @Test(
        "the hash is xxHash64",
        arguments: [
            ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
            ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
        ] as [(String, UInt64)])
    func reference(text: String, expected: UInt64) {
        #expect(hash(text) == expected)
    }
}
