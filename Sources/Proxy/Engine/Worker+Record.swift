internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import LoadBalancing
internal import Memory
internal import Resilience
internal import Routing
internal import TLS
internal import Telemetry

/// What is written down about requests and connections when they are over.
extension Worker where Wire: ~Copyable {
    /// Number of the counters of an exchange's cluster.
    func exchangeStatistics(_ exchange: Handle) -> Int {
        let cluster = exchanges[exchange].cluster
        return cluster >= 0 ? generations[exchanges[exchange].generation].clusters[cluster].statistics : 0
    }

    /// Number of the counters of an upstream connection's cluster.
    func clusterStatistics(_ handle: Handle) -> Int {
        let pool = connections[handle].pool
        return pool >= 0 ? pools[pool].statistics : 0
    }

    /// Counts an exchange and writes its line.
    @inline(__always)
    mutating func record(_ exchange: Handle) {
        statistics.downstreamRequests &+= 1
        let ended = transport.microseconds
        let duration = ended &- exchanges[exchange].startedAt
        let status = exchanges[exchange].status
        let statistic = exchangeStatistics(exchange)
        if statistic > 0, status >= 100, status < 600 { statistics.clusters[statistic].responses[Int(status / 100)] &+= 1 }
        let manager = httpManager(exchange)
        let generation = exchanges[exchange].generation
        if generations[generation].snapshot.telemetry.recordsIstioMetrics {
            countRequest(exchange, manager, statistic, duration)
        }
        if !manager.accessLogs.isEmpty { writeLog(exchange, manager, duration: duration) }
    }

    private mutating func countRequest(
        _ exchange: Handle, _ manager: HTTPConnectionManager, _ statistic: Int, _ duration: UInt64
    ) {
        let downstream = exchanges[exchange].downstream
        let isInbound = manager.direction == .inbound
        let endpoint = exchanges[exchange].endpoint
        let destination: Int32
        let source: Int32
        var isMutual = false
        if isInbound {
            source = connections.contains(downstream) ? connections[downstream].peerLabels : 0
            destination = statistics.local
            isMutual = source != 0
        } else {
            source = statistics.local
            destination = endpoint >= 0 ? generations[exchanges[exchange].generation].endpoints[endpoint].labels : 0
        }
        let key = WorkerStatistics.RequestKey(
            direction: manager.direction, source: source, destination: destination, cluster: Int32(statistic),
            status: exchanges[exchange].status, flags: exchanges[exchange].flags, isMutual: isMutual, isGRPC: false,
            grpcStatus: -1)
        statistics.count(
            key, microseconds: duration, received: exchanges[exchange].bytesReceived, sent: exchanges[exchange].bytesSent)
    }
}
