internal import Authorization
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
        var upstream = ClusterDescriptor.Upstream.http1
        /// Requests may go out on streams of HTTP/2.
        var mayStream = false
        var connectTimeoutMilliseconds: UInt64 = 5_000
        var statistics = 0
        /// Number of the service's labels.
        var service: Int32 = 0
        var balancer: Balancer?
        /// Requests in progress, by host.
        var active: [UInt32] = []
        var breaker: CircuitBreaker?
        var highBreaker: CircuitBreaker?
        /// What all workers know of the endpoints' health, and which version of it this worker goes by.
        var health: EndpointHealth?
        var seenHealth: UInt32 = 0
        /// Successes since the last sweep by host, when outlier detection compares hosts.
        var successes: [UInt32] = []
        var detects = false
        /// Active checks are told that the cluster is in use.
        var isChecked = false
        var hasTraffic = false
        var observesTimes = false
        /// Balancers of the subsets; `subsetOf` leads from a number of the snapshot's criteria to one of them.
        var subsets: [Balancer] = []
        var subsetOf: [Int32] = []
        var subsetOfNone = Cluster.allHosts
        var closesOnHealthFailure = false
        var preconnectRatio = 1.0
        var autoSNI = false
    }

    struct Endpoint {
        var pool: Int
        /// The pool of the other protocol, where the request decides which; -1 is none.
        var alternatePool = -1
        /// Number of the destination workload's labels.
        var labels: Int32
        /// For requests of high priority; -1 until one comes.
        var highPool = -1
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
    /// By authorizer: where its policies begin in `policyNumbers`.
    var firstPolicies: [Int] = []
    /// Of authorizer after authorizer: the number of the statistics of each of its policies, and last of its having none
    /// that matches.
    var policyNumbers: [Int] = []
    /// By access log: the number of its sink in the worker's buffer.
    var logSinks: [Int] = []
    /// Connections and exchanges that hold on to it.
    var users = 0
    var isFree = false

    /// The number of the statistics of a policy, or of having none.
    @inline(__always)
    func policyStatistics(_ authorizer: Int, _ policy: PolicyID) -> Int {
        let first = firstPolicies[authorizer]
        guard policy == .none else { return policyNumbers[first &+ Int(policy.index)] }
        let end = authorizer &+ 1 < firstPolicies.count ? firstPolicies[authorizer &+ 1] : policyNumbers.count
        return policyNumbers[end &- 1]
    }

    /// A request to an endpoint is over.
    @inline(__always)
    mutating func finish(_ cluster: Int, _ endpoint: Int) {
        clusters[cluster].active[endpoint &- clusters[cluster].firstEndpoint] &-= 1
    }
}
