/// Which metric families are recorded.
package struct TelemetryDescriptor: Sendable {
    /// istio_requests_total, istio_request_duration_milliseconds and their like.
    package var recordsIstioMetrics = true

    package init(recordsIstioMetrics: Bool = true) { self.recordsIstioMetrics = recordsIstioMetrics }
}
