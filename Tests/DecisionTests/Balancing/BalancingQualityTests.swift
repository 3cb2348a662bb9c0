import LoadBalancing
import Resilience
import Testing

private func hash(_ text: String) -> UInt64 {
    let bytes = Array(text.utf8)
    return XXHash64.hash(bytes.span)
}

private func percent(_ value: Double) -> String { "\((value * 1000).rounded() / 10) %" }

/// Figures about the quality of balancing, with their bounds. What the tests print is what `docs/load-balancing.md` shows.
@Suite("Balancing quality")
struct BalancingQualityTests {
    // MARK: Consistent hashing

    private static let hashing: [(name: String, policy: BalancerSpec.Policy)] = [
        ("ring hash", .ringHash(minimumSize: 1024, maximumSize: 8 << 20)),
        ("Maglev", .maglev(tableSize: 65_537)),
    ]

    private func homes(_ policy: BalancerSpec.Policy, _ names: [Int], keys: Int) -> [Int] {
        let hosts = names.map { BalancerHost(hashKey: "10.0.\($0 / 256).\($0 % 256):8080") }
        var balancer = Balancer(BalancerTable(spec: BalancerSpec(policy: policy), hosts: hosts), seed: 7)
        let idle: [UInt32] = []
        return (0..<keys).map { names[balancer.pick(random: 0, hash: hash("user-\($0)"), active: idle.span).host] }
    }

    @Test("an endpoint that leaves takes little more than its own keys along", arguments: [10, 50])
    func disruption(hosts: Int) {
        let keys = 40_000
        for (name, policy) in Self.hashing {
            let all = Array(0..<hosts)
            let before = homes(policy, all, keys: keys)
            let after = homes(policy, all.filter { $0 != 3 }, keys: keys)
            let own = before.count { $0 == 3 }
            let moved = zip(before, after).count { $0 != $1 }
            let needless = Double(moved - own) / Double(keys - own)
            print(
                "\(name), \(hosts) endpoints, one leaves: \(percent(Double(own) / Double(keys))) of keys were its own,",
                "\(percent(Double(moved) / Double(keys))) move, \(percent(needless)) of the others needlessly")
            #expect(zip(before, after).allSatisfy { $1 != 3 || $0 == 3 })
            if case .ringHash = policy {
                // The number of points of each endpoint follows the number of endpoints, as Envoy's: some are added.
                #expect(needless < 0.12, "a ring moves few of the others' keys: \(needless)")
            } else {
                #expect(needless < 0.03, "Maglev moves few of the others' keys: \(needless)")
            }
        }
    }

    @Test("an unhealthy endpoint's keys move alone, and come back", arguments: [10, 50])
    func ejection(hosts: Int) {
        for (name, policy) in Self.hashing {
            let list = (0..<hosts).map { BalancerHost(hashKey: "10.0.0.\($0):8080") }
            var balancer = Balancer(BalancerTable(spec: BalancerSpec(policy: policy), hosts: list), seed: 7)
            let idle: [UInt32] = []
            func all() -> [Int] {
                (0..<20_000).map { balancer.pick(random: 0, hash: hash("user-\($0)"), active: idle.span).host }
            }
            let before = all()
            balancer.setHealth(3, isHealthy: false)
            let without = all()
            #expect(zip(before, without).allSatisfy { $0 == 3 ? $1 != 3 : $0 == $1 }, "\(name)")
            balancer.setHealth(3, isHealthy: true)
            #expect(all() == before, "\(name)")
        }
    }

    @Test("keys spread evenly over endpoints")
    func spread() {
        for (name, policy) in Self.hashing {
            let counts = homes(policy, Array(0..<10), keys: 100_000).reduce(into: [Int](repeating: 0, count: 10)) {
                $0[$1] += 1
            }
            let most = Double(counts.max() ?? 0) / 10_000
            let least = Double(counts.min() ?? 0) / 10_000
            print("\(name), 10 endpoints: the fullest has \(most) and the emptiest \(least) of its even share")
            if case .maglev = policy {
                #expect(most < 1.05 && least > 0.95)
            } else {
                #expect(most < 1.5 && least > 0.6)
            }
        }
    }

    // MARK: Tail latency

    @Test("with one slow endpoint P2C and peak EWMA keep the tail that round robin loses")
    func slowEndpoint() {
        // Ten endpoints of 10 ms, one of them ten times slower; in sum 70 % of what the nine fast ones can do.
        var services = [Double](repeating: 10, count: 10)
        services[0] = 100
        let world = QueueSimulation(services: services, gap: 10.0 / 9 / 0.7)
        var results: [(name: String, outcome: QueueSimulation.Outcome)] = []
        for (name, policy) in [
            ("round robin", BalancerSpec.Policy.roundRobin), ("random", .random),
            ("least request (P2C)", .leastRequest(choices: 2)),
            ("peak EWMA", .peakEWMA(decay: 10_000_000_000, initial: 10_000_000)),
        ] as [(String, BalancerSpec.Policy)] {
            let outcome = world.run(BalancerSpec(policy: policy), seed: 11)
            results.append((name, outcome))
            print(
                "\(name): p50 \(Int(outcome.percentile(0.5))) ms, p99 \(Int(outcome.percentile(0.99))) ms,",
                "p99.9 \(Int(outcome.percentile(0.999))) ms;",
                "the slow endpoint got \(percent(Double(outcome.counts[0]) / Double(world.requests)))")
        }
        let (turns, choices, average) = (results[0].outcome, results[2].outcome, results[3].outcome)
        #expect(choices.percentile(0.99) * 10 < turns.percentile(0.99))
        #expect(average.percentile(0.99) * 10 < turns.percentile(0.99))
        #expect(average.percentile(0.99) < choices.percentile(0.99))
        #expect(average.counts[0] < choices.counts[0])
        #expect(choices.counts[0] < turns.counts[0] / 2)
    }

    @Test("among equal endpoints nobody pays for it")
    func equalEndpoints() {
        let world = QueueSimulation(services: [Double](repeating: 10, count: 10), gap: 1.0 / 0.7)
        let turns = world.run(BalancerSpec(policy: .roundRobin), seed: 12)
        for policy in [
            BalancerSpec.Policy.leastRequest(choices: 2), .peakEWMA(decay: 10_000_000_000, initial: 10_000_000),
        ] {
            let outcome = world.run(BalancerSpec(policy: policy), seed: 12)
            print("equal endpoints, \(policy): p99 \(Int(outcome.percentile(0.99))) ms, round robin", terminator: " ")
            print("\(Int(turns.percentile(0.99))) ms")
            #expect(outcome.percentile(0.99) < turns.percentile(0.99) * 1.1)
            #expect(outcome.counts.allSatisfy { $0 > 3_000 && $0 < 9_000 }, "\(outcome.counts)")
        }
    }

    // MARK: Localities and priorities

    private func shares(_ spec: BalancerSpec, _ hosts: [BalancerHost], unhealthy: Int, group: (BalancerHost) -> Int)
        -> [Double]
    {
        var balancer = Balancer(BalancerTable(spec: spec, hosts: hosts), seed: 5)
        balancer.setHealth(now: 0) { $0 >= unhealthy }
        var random = SeededRandom(seed: 5)
        let idle: [UInt32] = []
        var counts = [0.0, 0.0]
        for _ in 0..<20_000 {
            let host = balancer.pick(random: random.next(), active: idle.span).host
            if host >= 0 { counts[group(hosts[host])] += 1.0 / 20_000 }
        }
        return counts
    }

    @Test("priorities fail over share by share: 1.4 times the healthy part stays")
    func failover() {
        let hosts = (0..<20).map { BalancerHost(priority: $0 < 10 ? 0 : 1) }
        var spec = BalancerSpec(policy: .roundRobin)
        spec.panicThresholdPercent = 0
        for gone in 0...10 {
            let share = shares(spec, hosts, unhealthy: gone) { Int($0.priority) }
            let expected = Double(min(100, 140 * (10 - gone) / 10)) / 100
            print("failover: \(10 - gone) of 10 local endpoints healthy: \(percent(share[0])) stay local")
            #expect(abs(share[0] - expected) < 0.015, "\(gone) out: \(share), expected \(expected)")
            #expect(abs(share[0] + share[1] - 1) < 0.001)
        }
    }

    @Test("locality weights hold, and give way as a locality's endpoints go")
    func localityWeights() {
        let hosts = (0..<20).map { BalancerHost(locality: $0 < 10 ? 0 : 1, localityWeight: $0 < 10 ? 80 : 20) }
        var spec = BalancerSpec(policy: .leastRequest(choices: 2))
        spec.panicThresholdPercent = 0
        spec.localityWeighted = true
        for gone in [0, 2, 4, 6, 8, 10] {
            let share = shares(spec, hosts, unhealthy: gone) { Int($0.locality) }
            let weight = 80 * min(1, 1.4 * Double(10 - gone) / 10)
            print("locality weights 80 to 20, \(10 - gone) of 10 in the first healthy: it gets \(percent(share[0]))")
            #expect(abs(share[0] - weight / (weight + 20)) < 0.01, "\(gone) out: \(share)")
        }
    }

    // MARK: Outlier detection in time

    @Test("a failing endpoint is out after its run of errors, and back after its time, longer each time")
    func ejectionTimes() throws {
        var policy = OutlierPolicy()
        policy.interval = 1_000_000_000
        policy.baseEjection = 10_000_000_000
        policy.maximumEjection = 25_000_000_000
        let health = EndpointHealth(hostCount: 5, outliers: policy)
        var balancer = Balancer(
            BalancerTable(spec: BalancerSpec(), hosts: [BalancerHost](repeating: BalancerHost(), count: 5)), seed: 1)
        var random = SeededRandom(seed: 9)
        let idle: [UInt32] = []
        var seen: UInt32 = 0
        var errors = 0
        var outAt: [UInt64] = []
        var backAt: [UInt64] = []
        // A request every 10 ms; endpoint 2 fails until second 60.
        for time in stride(from: UInt64(1), to: 100_000, by: 10) {
            let now = time * 1_000_000
            var events: [OutlierEvent] = []
            var returning: [Int] = []
            health.sweep(now: now, random: random.next(), events: &events, returning: &returning)
            if !returning.isEmpty { backAt.append(time) }
            if health.version != seen {
                seen = health.version
                balancer.setHealth(now: time) { health.isHealthy($0) }
            }
            let host = balancer.pick(random: random.next(), active: idle.span, now: time).host
            if host == 2, time < 60_000 {
                errors += 1
                if health.record(host, .serverError, now: now, random: 0)?.outcome == .ejected { outAt.append(time) }
            } else {
                _ = health.succeed(host, now: now)
            }
        }
        let lengths = zip(outAt, backAt).map { Double($1 - $0) / 1000 }
        print("outlier: out at \(outAt) ms, for \(lengths) s, \(errors) errors of 6000 requests until it was mended")
        // Five errors, each a fifth of the requests: out within about 250 ms.
        #expect(try #require(outAt.first) < 400)
        #expect(errors == 5 * outAt.count)
        for (length, expected) in zip(lengths, [10.0, 20, 25]) {
            #expect(length >= expected && length <= expected + 1.1)
        }
        #expect(health.isHealthy(2))
    }

    @Test("circuit breakers let exactly their limit through, whoever asks")
    func exactBreaker() async {
        var limits = CircuitLimits()
        limits.requests = 5
        let breaker = CircuitBreaker(limits)
        let (admitted, highest) = await withTaskGroup(of: (Int, UInt32).self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var admitted = 0
                    var highest: UInt32 = 0
                    for _ in 0..<20_000 where breaker.acquire(.request) {
                        admitted += 1
                        highest = max(highest, breaker.active(.request))
                        if admitted % 2 == 0 { breaker.release(.request); breaker.release(.request) }
                    }
                    if admitted % 2 == 1 { breaker.release(.request) }
                    return (admitted, highest)
                }
            }
            return await group.reduce((0, UInt32(0))) { ($0.0 + $1.0, max($0.1, $1.1)) }
        }
        #expect(admitted > 0)
        #expect(highest <= 5)
        #expect(breaker.active(.request) == 0)
        for _ in 0..<5 { #expect(breaker.acquire(.request)) }
        #expect(!breaker.acquire(.request))
    }

    @Test("a retry budget follows the requests in progress")
    func retryBudget() {
        var limits = CircuitLimits()
        limits.retryBudgetPercent = 20
        limits.retryBudgetMinimum = 3
        let breaker = CircuitBreaker(limits)
        var granted = 0
        while breaker.acquire(.retry) { granted += 1 }
        #expect(granted == 3)
        for _ in 0..<100 { _ = breaker.acquire(.request) }
        while breaker.acquire(.retry) { granted += 1 }
        #expect(granted == 20)
    }

    // MARK: Slow start

    @Test("a new endpoint gets its share by and by")
    func slowStart() {
        var spec = BalancerSpec(policy: .roundRobin)
        spec.slowStart = BalancerSpec.SlowStart(window: 60_000)
        let hosts = [BalancerHost](repeating: BalancerHost(), count: 4)
        var balancer = Balancer(BalancerTable(spec: spec, hosts: hosts), seed: 1)
        balancer.startSlowly(3, at: 1_000, now: 1_000)
        let idle: [UInt32] = []
        for (age, factor) in [(0, 0.1), (15_000, 0.25), (30_000, 0.5), (45_000, 0.75), (61_000, 1)]
            as [(UInt64, Double)]
        {
            var count = 0
            for _ in 0..<4000 where balancer.pick(random: 0, active: idle.span, now: 1_000 + age).host == 3 {
                count += 1
            }
            let share = Double(count) / 4000
            print("slow start of 60 s, after \(age / 1000) s: \(percent(share)) of requests")
            #expect(abs(share - factor / (3 + factor)) < 0.01)
        }
    }
}
