package import Proxy
import Telemetry

/// The data plane's counters as text: Envoy's names, Istio's metrics.
package struct TrafficReport: DataPlaneReport {
    private let server: ProxyServer

    package init(server: ProxyServer) { self.server = server }

    package func prometheus() async -> [UInt8] {
        var page = PrometheusPage()
        let workers = await server.collectStats()
        proxyFamilies(workers, &page)
        clusterFamilies(workers, &page)
        IstioMetrics(workers).write(to: &page)
        return page.bytes
    }

    package func statistics() async -> String {
        let workers = await server.collectStats()
        var lines: [String] = []
        for (name, _, value) in Self.totals(workers) { lines.append("\(name): \(value)\n") }
        for (name, cluster) in Self.clusters(workers) {
            for (counter, _, value) in Self.values(cluster) { lines.append("cluster.\(name).\(counter): \(value)\n") }
        }
        return lines.joined()
    }

    package func clusters() async -> String {
        let workers = await server.collectStats()
        var lines: [String] = []
        for (name, cluster) in Self.clusters(workers) {
            for (counter, _, value) in Self.values(cluster) { lines.append("\(name)::\(counter)::\(value)\n") }
        }
        return lines.joined()
    }

    package func connections() async -> Int {
        await server.collectStats().reduce(0) { $0 + $1.downstreamActive }
    }

    private func proxyFamilies(_ workers: [WorkerStatistics], _ page: inout PrometheusPage) {
        for (name, kind, value) in Self.totals(workers) {
            page.family("envoy_\(name.map { $0 == "." ? "_" : "\($0)" }.joined())", kind)
            page.sample([], Double(value))
        }
    }

    private func clusterFamilies(_ workers: [WorkerStatistics], _ page: inout PrometheusPage) {
        let clusters = Self.clusters(workers)
        for (index, family) in Self.values(WorkerStatistics.Cluster()).enumerated() {
            page.family("envoy_cluster_\(family.0)", family.1)
            for (name, cluster) in clusters {
                page.sample([("envoy_cluster_name", name)], Double(Self.values(cluster)[index].2))
            }
        }
    }

    private typealias Value = (String, PrometheusPage.Kind, Int)

    private static func totals(_ workers: [WorkerStatistics]) -> [Value] {
        func sum(_ counter: (WorkerStatistics) -> UInt64) -> Int { workers.reduce(0) { $0 + Int(clamping: counter($1)) } }
        return [
            ("http.downstream_cx_active", .gauge, workers.reduce(0) { $0 + $1.downstreamActive }),
            ("http.downstream_cx_total", .counter, sum(\.downstreamConnections)),
            ("http.downstream_cx_protocol_error", .counter, sum(\.protocolErrors)),
            ("http.downstream_rq_total", .counter, sum(\.downstreamRequests)),
            ("http.rbac.denied", .counter, sum(\.deniedRequests)),
            ("tcp.rbac.denied", .counter, sum(\.deniedConnections)),
            ("listener.ssl.handshake", .counter, sum(\.handshakes)),
            ("listener.ssl.connection_error", .counter, sum(\.handshakeFailures)),
            ("listener.no_filter_chain_match", .counter, sum(\.noFilterChain)),
            ("listener.downstream_pre_cx_timeout", .counter, sum(\.inspectionTimeouts)),
            ("server.concurrency", .gauge, workers.count),
        ]
    }

    private static func values(_ cluster: WorkerStatistics.Cluster) -> [Value] {
        var values: [Value] = [
            ("upstream_cx_active", .gauge, cluster.activeConnections),
            ("upstream_cx_total", .counter, Int(clamping: cluster.connections)),
            ("upstream_cx_connect_fail", .counter, Int(clamping: cluster.connectFailures)),
            ("upstream_cx_connect_timeout", .counter, Int(clamping: cluster.connectTimeouts)),
            ("ssl_handshake", .counter, Int(clamping: cluster.handshakes)),
            ("ssl_connection_error", .counter, Int(clamping: cluster.transportFailures)),
            ("upstream_rq_active", .gauge, cluster.activeRequests),
            ("upstream_rq_total", .counter, Int(clamping: cluster.requests)),
            ("upstream_rq_timeout", .counter, Int(clamping: cluster.requestTimeouts)),
            ("upstream_rq_per_try_timeout", .counter, Int(clamping: cluster.perTryTimeouts)),
            ("upstream_rq_retry", .counter, Int(clamping: cluster.retries)),
            ("upstream_rq_retry_limit_exceeded", .counter, Int(clamping: cluster.retriesExhausted)),
            ("upstream_rq_retry_overflow", .counter, Int(clamping: cluster.retriesOverflowed)),
            ("upstream_rq_pending_overflow", .counter, Int(clamping: cluster.overflows)),
            ("upstream_rq_rx_reset", .counter, Int(clamping: cluster.resets)),
            ("upstream_cx_none_healthy", .counter, Int(clamping: cluster.noHealthyUpstream)),
        ]
        for statusClass in 1...5 {
            values.append(("upstream_rq_\(statusClass)xx", .counter, Int(clamping: cluster.responses[statusClass])))
        }
        return values
    }

    /// All workers' counters of each cluster, added up; in the order of names.
    private static func clusters(_ workers: [WorkerStatistics]) -> [(String, WorkerStatistics.Cluster)] {
        var sums: [String: WorkerStatistics.Cluster] = [:]
        for cluster in workers.flatMap(\.clusters) where !cluster.name.isEmpty {
            guard var sum = sums[cluster.name] else {
                sums[cluster.name] = cluster
                continue
            }
            sum.requests += cluster.requests
            sum.activeRequests += cluster.activeRequests
            sum.connections += cluster.connections
            sum.activeConnections += cluster.activeConnections
            sum.connectFailures += cluster.connectFailures
            sum.connectTimeouts += cluster.connectTimeouts
            sum.transportFailures += cluster.transportFailures
            sum.handshakes += cluster.handshakes
            sum.resets += cluster.resets
            sum.requestTimeouts += cluster.requestTimeouts
            sum.perTryTimeouts += cluster.perTryTimeouts
            sum.retries += cluster.retries
            sum.retriesExhausted += cluster.retriesExhausted
            sum.retriesOverflowed += cluster.retriesOverflowed
            sum.overflows += cluster.overflows
            sum.noHealthyUpstream += cluster.noHealthyUpstream
            for index in 0..<6 { sum.responses[index] += cluster.responses[index] }
            sums[cluster.name] = sum
        }
        return sums.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
