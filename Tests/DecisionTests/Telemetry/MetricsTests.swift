import Telemetry
import Testing

@Suite("Metrics")
struct MetricsTests {
    private func prometheus(_ workers: [WorkerMetrics]) -> String {
        var text = PrometheusText()
        MetricsReport(workers).write(to: &text)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    private func record(_ metrics: inout WorkerMetrics, status: UInt16 = 200, flags: ResponseFlags = []) {
        let source = metrics.mesh.labels.number(
            of: WorkloadLabels(workload: "productpage-v1", namespace: "default", app: "productpage", version: "v1"))
        let destination = metrics.mesh.labels.number(of: WorkloadLabels(workload: "reviews-v2", namespace: "default"))
        let service = metrics.mesh.labels.number(
            of: ServiceLabels(host: "reviews.default.svc.cluster.local", name: "reviews", namespace: "default"))
        let key = RequestKey(
            reporter: .source, source: source, destination: destination, service: service, status: status, flags: flags,
            requestProtocol: .http, security: .unknown)
        metrics.mesh.recordRequest(key, durationMicroseconds: 12_300, requestBytes: 600, responseBytes: 20)
    }

    @Test("Workers' shares of the same labels add up, whatever numbers the workers gave them")
    func merge() {
        var first = WorkerMetrics()
        var second = WorkerMetrics()
        _ = second.mesh.labels.number(of: WorkloadLabels(workload: "other"))
        record(&first)
        record(&first)
        record(&second)
        record(&second, status: 503, flags: [.upstreamConnectionFailure, .upstreamRetryLimitExceeded])
        let text = prometheus([first, second])
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("istio_requests_total{") }
        #expect(lines.count == 2)
        #expect(lines.contains { $0.contains(#"response_code="200""#) && $0.hasSuffix("} 3") })
        #expect(
            lines.contains {
                $0.contains(#"response_code="503""#) && $0.contains(#"response_flags="UF,URX""#) && $0.hasSuffix("} 1")
            })
        #expect(lines.allSatisfy { $0.contains(#"reporter="source",source_workload="productpage-v1""#) })
        #expect(lines.allSatisfy { $0.contains(#"destination_version="unknown""#) })
        #expect(text.contains("# TYPE istio_requests_total counter\n"))
    }

    @Test("A histogram is cumulated, with the sum in its unit and the count in the last bucket")
    func histogram() {
        var metrics = WorkerMetrics()
        record(&metrics)
        record(&metrics)
        let lines = prometheus([metrics]).split(separator: "\n")
        func value(_ prefix: String, _ label: String) -> String? {
            lines.first { $0.hasPrefix(prefix) && $0.contains(label) }.map {
                String($0.split(separator: " ").last ?? "")
            }
        }
        let name = "istio_request_duration_milliseconds"
        #expect(value(name + "_bucket", #"le="10""#) == "0")
        #expect(value(name + "_bucket", #"le="25""#) == "2")
        #expect(value(name + "_bucket", #"le="+Inf""#) == "2")
        #expect(value(name + "_sum", "") == "24.6")
        #expect(value(name + "_count", "") == "2")
        #expect(value("istio_request_bytes_sum", "") == "1200")
    }

    @Test(
        "An observation falls into the bucket whose bound it does not exceed",
        arguments: [
            (0, 0), (500, 0), (501, 1), (1_000, 1), (5_000, 2), (99_999, 6), (100_000, 6), (100_001, 7),
            (5_000_000, 11), (5_000_001, 12), (3_600_000_000, 18), (3_600_000_001, 19), (UInt64.max / 2, 19),
        ] as [(UInt64, Int)])
    func buckets(thousandths: UInt64, bucket: Int) {
        var histogram = Histogram()
        histogram.record(thousandths: thousandths)
        #expect(histogram.counts[bucket] == 1)
        #expect(histogram.count == 1)
    }

    @Test("Label values are escaped")
    func escaping() {
        #expect(PrometheusText.labels([("a", "x\"y\\z\n")]) == #"a="x\"y\\z\n""#)
        #expect(PrometheusText.name("ssl.connection_error") == "ssl_connection_error")
    }

    @Test("Labels beyond the bound share one series that says so, and are counted")
    func overflow() {
        var metrics = WorkerMetrics(mesh: MeshMetrics(seriesLimit: 100))
        for number in 0..<1000 {
            let key = RequestKey(reporter: .destination, source: 0, destination: 0, service: 0, status: UInt16(number))
            metrics.mesh.recordRequest(key, durationMicroseconds: 1, requestBytes: 1, responseBytes: 1)
        }
        #expect(metrics.mesh.requests.keys.count == 101)
        #expect(metrics.mesh.requests.overflowed == 900)
        let text = prometheus([metrics])
        #expect(text.contains(#"source_workload="overflow""#))
        #expect(text.contains("martlet_metric_labels_overflow_total 900\n"))
        #expect(metrics.mesh.requests.values.reduce(0) { $0 + $1.count } == 1000)
    }

    @Test("A full label table gives the overflow number, and known labels keep theirs")
    func labelBound() {
        var table = LabelTable(limit: 4)
        let first = table.number(of: WorkloadLabels(workload: "a"))
        _ = table.number(of: WorkloadLabels(workload: "b"))
        #expect(table.number(of: WorkloadLabels(workload: "c")) == LabelTable.overflow)
        #expect(table.number(of: WorkloadLabels(workload: "a")) == first)
        #expect(table.number(of: WorkloadLabels()) == LabelTable.unknown)
        #expect(table.refused == 1)
    }

    @Test("A peer's identity tells its namespace and principal")
    func peer() {
        var table = LabelTable()
        let number = table.number(ofPeer: Array("spiffe://cluster.local/ns/shop/sa/cart".utf8))
        #expect(table.workloads[Int(number)].namespace == "shop")
        #expect(table.workloads[Int(number)].principal == "spiffe://cluster.local/ns/shop/sa/cart")
        #expect(table.number(ofPeer: Array("spiffe://cluster.local/ns/shop/sa/cart".utf8)) == number)
        #expect(table.number(ofPeer: []) == LabelTable.unknown)
    }

    @Test("A peer at an endpoint's address is that workload, unless its identity says otherwise")
    func peerAtAddress() {
        var table = LabelTable()
        let cart = table.number(of: WorkloadLabels(workload: "cart-v1", namespace: "shop", version: "v1"))
        table.learn(.ipv4(0x0AF4_0007, port: 9080), cart)
        let peer = LoggedAddress.ipv4(0x0AF4_0007, port: 51_000)
        let proven = table.number(ofPeer: Array("spiffe://cluster.local/ns/shop/sa/cart".utf8), at: peer)
        #expect(table.workloads[Int(proven)].workload == "cart-v1")
        #expect(table.workloads[Int(proven)].principal == "spiffe://cluster.local/ns/shop/sa/cart")
        let stranger = table.number(ofPeer: Array("spiffe://cluster.local/ns/other/sa/x".utf8), at: peer)
        #expect(table.workloads[Int(stranger)].workload.isEmpty)
        #expect(table.number(ofPeer: [], at: peer) == cart)
        table.forgetAddresses()
        #expect(table.number(ofPeer: [], at: peer) == LabelTable.unknown)
    }

    @Test("A key gives back what it was made of")
    func key() {
        let key = RequestKey(
            reporter: .destination, source: 70_000, destination: -1, service: 3, status: 599, flags: [.noRouteFound],
            requestProtocol: .grpc, security: .mutualTLS, grpcStatus: 16)
        #expect(key.reporter == .destination)
        #expect((key.source, key.destination, key.service) == (70_000, -1, 3))
        #expect((key.status, key.grpcStatus) == (599, 16))
        #expect((key.requestProtocol, key.security) == (.grpc, .mutualTLS))
        #expect(RequestKey(reporter: .source, source: 0, destination: 0, service: 0).grpcStatus == -1)
    }

    @Test("TCP connections report opening, bytes and closing without a response code")
    func tcp() {
        var metrics = WorkerMetrics()
        let key = RequestKey(reporter: .source, source: 0, destination: 0, service: 0, requestProtocol: .tcp)
        metrics.mesh.recordOpened(key)
        metrics.mesh.recordBytes(key, received: 10, sent: 20)
        metrics.mesh.recordBytes(key, received: 1, sent: 2)
        metrics.mesh.recordClosed(key)
        let lines = prometheus([metrics]).split(separator: "\n").filter { $0.hasPrefix("istio_tcp") }
        #expect(lines.count == 4)
        #expect(lines.allSatisfy { !$0.contains("response_code") && $0.contains(#"request_protocol="tcp""#) })
        #expect(lines.contains { $0.hasPrefix("istio_tcp_received_bytes_total") && $0.hasSuffix(" 11") })
        #expect(lines.contains { $0.hasPrefix("istio_tcp_sent_bytes_total") && $0.hasSuffix(" 22") })
    }

    @Test("Envoy's statistics appear under Envoy's names in both texts")
    func statistics() {
        var workers = [WorkerMetrics(), WorkerMetrics()]
        for index in workers.indices {
            let cluster = workers[index].clusters.number(of: "outbound|80||a.b.svc")
            workers[index].clusters[cluster].requests += 2
            workers[index].clusters[cluster].activeConnections += 1
            workers[index].clusters[cluster].outcomes.record(status: 503, microseconds: 700)
            let listener = workers[index].listeners.number(of: "[::]:15006")
            workers[index].listeners[listener].connections += 1
        }
        let text = prometheus(workers)
        #expect(text.contains("envoy_cluster_upstream_rq_total{envoy_cluster_name=\"outbound|80||a.b.svc\"} 4\n"))
        #expect(text.contains("# TYPE envoy_cluster_upstream_cx_active gauge\n"))
        #expect(
            text.contains(
                "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"5\",envoy_cluster_name=\"outbound|80||a.b.svc\"} 2\n"
            ))
        #expect(
            text.contains(
                "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"outbound|80||a.b.svc\",le=\"1\"} 2\n"))
        let plain = MetricsReport(workers).plainText()
        #expect(plain.contains("cluster.outbound|80||a.b.svc.upstream_rq_total: 4\n"))
        #expect(plain.contains("cluster.outbound|80||a.b.svc.upstream_rq_5xx: 2\n"))
        #expect(plain.contains("listener.[__]_15006.downstream_cx_total: 2\n"))
        #expect(!MetricsReport(workers).plainText(usedOnly: true).contains(": 0\n"))
    }

    @Test("Each family has one HELP and one TYPE before its samples")
    func families() {
        var metrics = WorkerMetrics()
        record(&metrics)
        _ = metrics.clusters.number(of: "a")
        _ = metrics.http.number(of: "b")
        _ = metrics.tcp.number(of: "c")
        var seen: Set<Substring> = []
        var current: Substring = ""
        for line in prometheus([metrics]).split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                current = line.split(separator: " ")[2]
                #expect(seen.insert(current).inserted, "\(current) twice")
            } else if !line.hasPrefix("#") {
                #expect(line.hasPrefix(current), "\(line) outside its family")
            }
        }
        #expect(seen.count > 50)
    }

    @Test("Flags are found again by their short names")
    func flagNames() {
        for bit in 0..<ResponseFlags.count {
            let flag = ResponseFlags(rawValue: 1 << UInt32(bit))
            #expect(ResponseFlags(shortName: flag.text) == flag)
        }
        #expect(ResponseFlags(shortName: "XX") == nil)
        #expect(ResponseFlags().text == "-")
    }
}
