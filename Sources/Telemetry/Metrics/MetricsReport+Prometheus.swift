extension MetricsReport {
    /// Appends all families to `text`: Istio's standard metrics, then what Envoy counts.
    package func write(to text: inout PrometheusText) {
        writeRequests(to: &text)
        writeConnections(to: &text)
        write(clusters, to: &text)
        write(http, to: &text)
        write(listeners, to: &text)
        write(tcp, to: &text)
        write(policies, to: &text)
        text.family(
            "martlet_metric_labels_overflow_total", .counter,
            help: "Observations counted under overflow, for want of room for their labels.")
        text.sample("martlet_metric_labels_overflow_total", labels: "", overflowed)
    }

    private func writeRequests(to text: inout PrometheusText) {
        if requests.isEmpty { return }
        let series = requests.map { ($0.key.text(isHTTP: true), $0.value) }.sorted { $0.0 < $1.0 }
        text.family("istio_requests_total", .counter, help: "Requests handled by an Istio-compatible proxy.")
        for (labels, values) in series { text.sample("istio_requests_total", labels: labels, values.count) }
        text.family("istio_request_duration_milliseconds", .histogram, help: "Duration of requests.")
        for (labels, values) in series {
            text.histogram("istio_request_duration_milliseconds", labels: labels, values.duration)
        }
        text.family("istio_request_bytes", .histogram, help: "Size of requests, heads and bodies.")
        for (labels, values) in series { text.histogram("istio_request_bytes", labels: labels, values.requestBytes) }
        text.family("istio_response_bytes", .histogram, help: "Size of responses, heads and bodies.")
        for (labels, values) in series { text.histogram("istio_response_bytes", labels: labels, values.responseBytes) }
    }

    private func writeConnections(to text: inout PrometheusText) {
        if connections.isEmpty { return }
        let series = connections.map { ($0.key.text(isHTTP: false), $0.value) }.sorted { $0.0 < $1.0 }
        let families: [(String, String, KeyPath<MeshMetrics.Connections, UInt64>)] = [
            ("istio_tcp_connections_opened_total", "TCP connections that were opened.", \.opened),
            ("istio_tcp_connections_closed_total", "TCP connections that were closed.", \.closed),
            ("istio_tcp_sent_bytes_total", "Bytes sent during responses of TCP connections.", \.sentBytes),
            ("istio_tcp_received_bytes_total", "Bytes received during requests of TCP connections.", \.receivedBytes),
        ]
        for (name, help, path) in families {
            text.family(name, .counter, help: help)
            for (labels, values) in series { text.sample(name, labels: labels, values[keyPath: path]) }
        }
    }

    private func write<Group: StatisticGroup>(_ scopes: ScopedStatistics<Group>, to text: inout PrometheusText) {
        if scopes.count == 0 { return }
        let family = Group.family
        let order = (0..<scopes.count).sorted { scopes.names[$0] < scopes.names[$1] }
        let labels = order.map { PrometheusText.labels([(family.label, scopes.names[$0])]) }
        for field in Group.fields {
            let name = "envoy_\(family.name)_\(PrometheusText.name(field.name))"
            text.family(name, field.kind == .gauge ? .gauge : .counter, help: field.help)
            for (number, labels) in zip(order, labels) {
                text.sample(name, labels: labels, scopes[number][keyPath: field.path])
            }
        }
        guard let responses = Group.responses else { return }
        let name = "envoy_\(family.name)_\(responses.prefix)"
        text.family(name + "_xx", .counter, help: "Responses by status class.")
        for (number, labels) in zip(order, labels) {
            let classes = scopes[number][keyPath: responses.path].classes
            for digit in 1..<6 where digit > 1 || classes[digit] > 0 {
                text.sample(
                    name + "_xx", labels: "envoy_response_code_class=\"\(digit)\"," + labels, classes[digit])
            }
        }
        text.family(
            name + "_time", .histogram, help: "Milliseconds from a request's first byte to its response's last.")
        for (number, labels) in zip(order, labels) {
            text.histogram(name + "_time", labels: labels, scopes[number][keyPath: responses.path].time)
        }
    }
}

extension MetricsReport.Labels {
    /// The labels of Istio's standard metrics; what is not known reads `unknown`.
    func text(isHTTP: Bool) -> String {
        var pairs: [(name: String, value: String)] = [("reporter", "\(reporter.text)")]
        pairs += Self.pairs(source, side: "source")
        pairs += Self.pairs(destination, side: "destination")
        pairs += [
            ("destination_service", Self.known(service.host)),
            ("destination_service_name", Self.known(service.name)),
            ("destination_service_namespace", Self.known(service.namespace)),
            ("request_protocol", "\(requestProtocol.text)"),
        ]
        if isHTTP {
            pairs += [
                ("response_code", "\(status)"),
                ("grpc_response_status", grpcStatus >= 0 ? "\(grpcStatus)" : ""),
            ]
        }
        pairs += [("response_flags", flags.text), ("connection_security_policy", "\(security.text)")]
        return PrometheusText.labels(pairs)
    }

    private static func pairs(_ workload: WorkloadLabels, side: String) -> [(name: String, value: String)] {
        [
            (side + "_workload", known(workload.workload)),
            (side + "_workload_namespace", known(workload.namespace)),
            (side + "_principal", known(workload.principal)),
            (side + "_app", known(workload.app)),
            (side + "_version", known(workload.version)),
            (side + "_cluster", known(workload.cluster)),
            (side + "_canonical_service", known(workload.canonicalService)),
            (side + "_canonical_revision", known(workload.canonicalRevision)),
        ]
    }

    private static func known(_ text: String) -> String { text.isEmpty ? "unknown" : text }
}
