internal import EventLoop
internal import LoadBalancing
internal import Resilience
internal import TLS

/// A snapshot as one worker executes it: the snapshot, and what requests need of it as flat numbers, so that picking an
/// endpoint touches no reference count.
struct Generation {
    struct Cluster {
        /// Of `endpoints`; balancing counts hosts from here.
        var firstEndpoint = 0
        var exists = false
        var discovery = ClusterDescriptor.Discovery.fixed
        var connectTimeoutMilliseconds: UInt64 = 5_000
        var statistics = 0
        /// Number of the service's labels.
        var service: Int32 = 0
        var sendsAttemptCount = true
        var balancer: Balancer?
        /// Requests in progress, by host.
        var active: [UInt32] = []
        var breaker: CircuitBreaker?
        var outliers: OutlierDetector?
        var outlierInterval: UInt64 = 0
        var nextSweep: UInt64 = 0

        /// The host that balancing chooses; -1 is none.
        @inline(__always)
        mutating func pick(random: UInt64, hash: UInt64?, tried: TriedHosts) -> Int {
            var counts: [UInt32] = []
            swap(&counts, &active)
            let host = balancer?.pick(random: random, hash: hash, active: counts.span, tried: tried).host ?? -1
            swap(&counts, &active)
            if host >= 0 { active[host] &+= 1 }
            return host
        }

        /// Lets ejected hosts come back whose time is over.
        mutating func sweep(now: UInt64, returning: inout [Int]) {
            guard outliers != nil, now >= nextSweep else { return }
            nextSweep = now &+ max(1, outlierInterval)
            outliers?.sweep(now: now &* 1_000_000, returning: &returning)
            for host in returning { balancer?.setHealth(host, isHealthy: true) }
        }

        /// Tells outlier detection how an attempt went; an ejected host is taken out of balancing.
        mutating func report(_ endpoint: Int, _ result: OutlierDetector.Result, now: UInt64) {
            guard outliers != nil else { return }
            let host = endpoint - firstEndpoint
            if outliers?.record(host, result, now: now &* 1_000_000) != nil {
                balancer?.setHealth(host, isHealthy: false)
            }
        }
    }

    struct Endpoint {
        var pool: Int
        /// Number of the destination workload's labels.
        var labels: Int32
    }

    struct Chain {
        var listener: Int
        var isDefault: Bool
        var descriptor: FilterChainDescriptor
        var http: HTTPConnectionManager?
        var tcp: TCPProxyDescriptor?
        var context: TLSContext?
        /// Of the connection manager or the TCP proxy.
        var statistics = 0
    }

    let snapshot: RuntimeSnapshot
    var clusters: [Cluster] = []
    var endpoints: [Endpoint] = []
    var chains: [Chain] = []
    /// By listener.
    var listenerStatistics: [Int] = []
    /// By access log: the number of its sink in the worker's buffer.
    var logSinks: [Int] = []
    /// Connections and exchanges that hold on to it.
    var users = 0
    var isFree = false

    /// A request to an endpoint is over.
    @inline(__always)
    mutating func finish(_ cluster: Int, _ endpoint: Int) {
        clusters[cluster].active[endpoint &- clusters[cluster].firstEndpoint] &-= 1
    }
}
