import Glibc
import LoadBalancing

/// Requests that arrive at random at a few endpoints, in virtual time: each endpoint serves one request after the other.
/// The balancer under test decides where each goes, and learns what a proxy's worker would learn.
struct QueueSimulation {
    /// Mean service times, milliseconds.
    var services: [Double]
    /// Mean time between arrivals, milliseconds.
    var gap: Double
    var requests = 60_000

    struct Outcome {
        /// Sorted response times, milliseconds.
        var times: [Double]
        /// Requests by endpoint.
        var counts: [Int]

        func percentile(_ share: Double) -> Double { times[min(times.count - 1, Int(Double(times.count) * share))] }
    }

    func run(_ spec: BalancerSpec, seed: UInt64) -> Outcome {
        let hosts = services.indices.map { BalancerHost(hashKey: "10.0.0.\($0):80") }
        var balancer = Balancer(BalancerTable(spec: spec, hosts: hosts), seed: seed)
        var random = SeededRandom(seed: seed)
        func exponential(_ mean: Double) -> Double {
            -mean * log(1 - Double(random.next() >> 11) / 9_007_199_254_740_992)
        }
        var active = [UInt32](repeating: 0, count: services.count)
        var freeAt = [Double](repeating: 0, count: services.count)
        var counts = [Int](repeating: 0, count: services.count)
        /// In order of their end per endpoint, since each serves in turn.
        var running = [[(start: Double, end: Double)]](repeating: [], count: services.count)
        var heads = [Int](repeating: 0, count: services.count)
        var times: [Double] = []
        var now = 0.0
        for _ in 0..<requests {
            now += exponential(gap)
            for host in services.indices {
                while heads[host] < running[host].count, running[host][heads[host]].end <= now {
                    let done = running[host][heads[host]]
                    heads[host] += 1
                    active[host] -= 1
                    balancer.observe(host, microseconds: UInt64((done.end - done.start) * 1000), now: UInt64(done.end))
                }
            }
            let host = balancer.pick(random: random.next(), active: active.span, now: UInt64(now)).host
            active[host] += 1
            counts[host] += 1
            let end = max(now, freeAt[host]) + exponential(services[host])
            freeAt[host] = end
            running[host].append((now, end))
            times.append(end - now)
        }
        times.sort()
        return Outcome(times: times, counts: counts)
    }
}
