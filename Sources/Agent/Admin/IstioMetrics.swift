import Proxy
import Telemetry

/// Istio's standard metrics (istio.io, "Istio Standard Metrics"), added up over the workers.
struct IstioMetrics {
    private struct Series {
        var labels: [(String, String)]
        var requests: WorkerStatistics.Requests
    }

    private var series: [String: Series] = [:]

    init(_ workers: [WorkerStatistics]) {
        for worker in workers {
            for (index, key) in worker.keys.enumerated() { add(worker.requests[index], Self.labels(key, worker)) }
        }
    }

    private mutating func add(_ requests: WorkerStatistics.Requests, _ labels: [(String, String)]) {
        let name = labels.map(\.1).joined(separator: "\u{1f}")
        guard var known = series[name]?.requests else {
            series[name] = Series(labels: labels, requests: requests)
            return
        }
        known.count += requests.count
        known.sumMilliseconds += requests.sumMilliseconds
        known.requestBytes += requests.requestBytes
        known.responseBytes += requests.responseBytes
        for bucket in 0..<20 { known.buckets[bucket] += requests.buckets[bucket] }
        series[name]?.requests = known
    }

    func write(to page: inout PrometheusPage) {
        let all = series.sorted { $0.key < $1.key }.map(\.value)
        page.family("istio_requests_total", .counter)
        for one in all { page.sample(one.labels, Double(one.requests.count)) }
        page.family("istio_request_duration_milliseconds", .histogram)
        for one in all {
            page.histogram(
                one.labels, bounds: WorkerStatistics.bounds, counts: (0..<20).map { one.requests.buckets[$0] },
                sum: one.requests.sumMilliseconds)
        }
    }

    private static func labels(_ key: WorkerStatistics.RequestKey, _ worker: WorkerStatistics) -> [(String, String)] {
        func workload(_ number: Int32) -> WorkloadLabels {
            worker.workloads.indices.contains(Int(number)) ? worker.workloads[Int(number)] : WorkloadLabels()
        }
        let cluster =
            worker.clusters.indices.contains(Int(key.cluster)) ? worker.clusters[Int(key.cluster)] : WorkerStatistics.Cluster()
        let isOutbound = key.direction == .outbound
        let security = isOutbound ? "unknown" : key.isMutual ? "mutual_tls" : "none"
        var service = cluster.service
        // Traffic that no service claims is named after the cluster that carried it (PassthroughCluster and its like).
        if service.name.isEmpty, cluster.name.hasSuffix("Cluster") { service.name = cluster.name }
        return [("reporter", isOutbound ? "source" : "destination")]
            + labels("source", workload(key.source)) + labels("destination", workload(key.destination)) + [
                ("destination_service", known(service.host)),
                ("destination_service_name", known(service.name)),
                ("destination_service_namespace", known(service.namespace)),
                ("request_protocol", key.isGRPC ? "grpc" : "http"),
                ("response_code", "\(key.status)"),
                ("grpc_response_status", key.isGRPC && key.grpcStatus >= 0 ? "\(key.grpcStatus)" : ""),
                ("response_flags", key.flags.text),
                ("connection_security_policy", security),
            ]
    }

    private static func labels(_ side: String, _ labels: WorkloadLabels) -> [(String, String)] {
        [
            ("\(side)_workload", known(labels.workload)),
            ("\(side)_workload_namespace", known(labels.namespace)),
            ("\(side)_principal", known(labels.principal)),
            ("\(side)_app", known(labels.app)),
            ("\(side)_version", known(labels.version)),
            ("\(side)_cluster", known(labels.cluster)),
            ("\(side)_canonical_service", known(labels.canonicalService)),
            ("\(side)_canonical_revision", known(labels.canonicalRevision)),
        ]
    }

    private static func known(_ text: String) -> String { text.isEmpty ? "unknown" : text }
}
