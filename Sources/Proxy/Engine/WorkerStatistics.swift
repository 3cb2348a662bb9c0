internal import TLS
package import Telemetry

/// Counters of one worker; plain numbers, copied out when someone asks.
package struct WorkerStatistics: Sendable {
    /// Counters of one cluster, as Envoy names them (`cluster.<name>.upstream_…`).
    package struct Cluster: Sendable {
        package var name = ""
        package var service = ServiceLabels()
        package var requests: UInt64 = 0
        package var activeRequests: Int = 0
        package var connections: UInt64 = 0
        package var activeConnections: Int = 0
        package var connectFailures: UInt64 = 0
        package var connectTimeouts: UInt64 = 0
        package var transportFailures: UInt64 = 0
        package var handshakes: UInt64 = 0
        package var resets: UInt64 = 0
        package var requestTimeouts: UInt64 = 0
        package var perTryTimeouts: UInt64 = 0
        package var retries: UInt64 = 0
        package var retriesExhausted: UInt64 = 0
        package var retriesOverflowed: UInt64 = 0
        package var overflows: UInt64 = 0
        package var noHealthyUpstream: UInt64 = 0
        /// By status class: 1xx … 5xx.
        package var responses: InlineArray<6, UInt64> = InlineArray(repeating: 0)
    }

    /// What one series of Istio's request metrics is about; numbers are those of `workloads`.
    package struct RequestKey: Sendable, Hashable {
        package var direction: TrafficDirection
        package var source: Int32
        package var destination: Int32
        /// Index into `clusters`; -1 is none.
        package var cluster: Int32
        package var status: UInt16
        package var flags: ResponseFlags
        /// 0 none, 1 mutual TLS.
        package var isMutual: Bool
        package var isGRPC: Bool
        package var grpcStatus: Int16
    }

    /// Counts and duration histogram of one series.
    package struct Requests: Sendable {
        package var count: UInt64 = 0
        package var sumMilliseconds: Double = 0
        package var requestBytes: UInt64 = 0
        package var responseBytes: UInt64 = 0
        /// Not cumulative; the last is everything above the last bound.
        package var buckets: InlineArray<20, UInt64> = InlineArray(repeating: 0)
    }

    /// Upper bounds of the duration buckets, milliseconds (Envoy's default).
    package static let bounds: [Double] = [
        0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
        3_600_000,
    ]

    package var downstreamConnections: UInt64 = 0
    package var downstreamActive: Int = 0
    package var downstreamRequests: UInt64 = 0
    package var handshakes: UInt64 = 0
    package var handshakeFailures: UInt64 = 0
    package var noFilterChain: UInt64 = 0
    package var inspectionTimeouts: UInt64 = 0
    package var deniedConnections: UInt64 = 0
    package var deniedRequests: UInt64 = 0
    package var protocolErrors: UInt64 = 0
    package var tunnelsOpened: UInt64 = 0
    package var tunnelsClosed: UInt64 = 0
    package var tunnelBytesSent: UInt64 = 0
    package var tunnelBytesReceived: UInt64 = 0
    package var clusters: [Cluster] = [Cluster()]
    package var workloads: [WorkloadLabels] = [WorkloadLabels()]
    package private(set) var keys: [RequestKey] = []
    package private(set) var requests: [Requests] = []
    /// Number of this proxy's own labels.
    package var local: Int32 = 0

    private var clusterNumbers: [String: Int] = [:]
    private var workloadNumbers: [WorkloadLabels: Int32] = [WorkloadLabels(): 0]
    private var series: [RequestKey: Int] = [:]
    private var lastSeries = -1

    init() {}

    /// The number of a cluster's counters; they outlive snapshots. Number 0 counts what has no cluster.
    mutating func cluster(_ descriptor: ClusterDescriptor) -> Int {
        if let known = clusterNumbers[descriptor.name] {
            clusters[known].service = descriptor.service
            return known
        }
        var entry = Cluster()
        entry.name = descriptor.statName
        entry.service = descriptor.service
        clusters.append(entry)
        clusterNumbers[descriptor.name] = clusters.count - 1
        return clusters.count - 1
    }

    mutating func intern(_ labels: WorkloadLabels) -> Int32 {
        if let known = workloadNumbers[labels] { return known }
        // A bound, so that nobody can fill the memory with made-up identities.
        guard workloads.count < 10_000 else { return 0 }
        let number = Int32(workloads.count)
        workloads.append(labels)
        workloadNumbers[labels] = number
        return number
    }

    /// Labels of a peer that is known by its certificate only.
    mutating func labels(ofPeer certificate: TLSCertificate?) -> Int32 {
        guard let identity = certificate?.identity else { return 0 }
        let text = String(decoding: identity, as: UTF8.self)
        var labels = WorkloadLabels(principal: text)
        let parts = text.split(separator: "/")
        // spiffe: trust-domain ns NAMESPACE sa ACCOUNT
        if parts.count >= 6, parts[2] == "ns" { labels.namespace = String(parts[3]) }
        return intern(labels)
    }

    /// Counts a finished request. Allocates only when the series is new.
    mutating func count(_ key: RequestKey, microseconds: UInt64, received: Int, sent: Int) {
        if lastSeries < 0 || keys[lastSeries] != key {
            if let known = series[key] {
                lastSeries = known
            } else {
                guard keys.count < 20_000 else { return }
                keys.append(key)
                requests.append(Requests())
                lastSeries = keys.count - 1
                series[key] = lastSeries
            }
        }
        let index = lastSeries
        requests[index].count &+= 1
        requests[index].sumMilliseconds += Double(microseconds) / 1000
        requests[index].requestBytes &+= UInt64(received)
        requests[index].responseBytes &+= UInt64(sent)
        requests[index].buckets[Self.bucket(microseconds)] &+= 1
    }

    private static func bucket(_ microseconds: UInt64) -> Int {
        switch microseconds {
        case ...500: 0
        case ...1_000: 1
        case ...5_000: 2
        case ...10_000: 3
        case ...25_000: 4
        case ...50_000: 5
        case ...100_000: 6
        case ...250_000: 7
        case ...500_000: 8
        case ...1_000_000: 9
        case ...2_500_000: 10
        case ...5_000_000: 11
        case ...10_000_000: 12
        case ...30_000_000: 13
        case ...60_000_000: 14
        case ...300_000_000: 15
        case ...600_000_000: 16
        case ...1_800_000_000: 17
        case ...3_600_000_000: 18
        default: 19
        }
    }
}
