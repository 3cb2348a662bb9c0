/// Istio's standard metrics of one worker.
package struct MeshMetrics: Sendable {
    /// istio_requests_total and its histograms, for one set of labels.
    package struct Requests: Sendable {
        package var count: UInt64 = 0
        /// istio_request_duration_milliseconds.
        package var duration = Histogram()
        /// istio_request_bytes.
        package var requestBytes = Histogram()
        /// istio_response_bytes.
        package var responseBytes = Histogram()

        package init() {}
    }

    /// istio_tcp_*, for one set of labels.
    package struct Connections: Sendable {
        package var opened: UInt64 = 0
        package var closed: UInt64 = 0
        /// Bytes to the client (istio_tcp_sent_bytes_total counts what the response side sent).
        package var sentBytes: UInt64 = 0
        package var receivedBytes: UInt64 = 0

        package init() {}
    }

    package var labels: LabelTable
    package private(set) var requests: SeriesTable<Requests>
    package private(set) var connections: SeriesTable<Connections>

    /// - Parameter seriesLimit: the most label sets of requests, and of TCP connections.
    package init(seriesLimit: Int = 4096, labelLimit: Int = 8192) {
        labels = LabelTable(limit: labelLimit)
        requests = SeriesTable(limit: seriesLimit, fresh: Requests())
        connections = SeriesTable(limit: seriesLimit, fresh: Connections())
    }

    /// Counts a finished request. Sizes are heads and bodies together.
    package mutating func recordRequest(
        _ key: RequestKey, durationMicroseconds: UInt64, requestBytes: UInt64, responseBytes: UInt64
    ) {
        requests.update(requests.entry(key)) { values in
            values.count &+= 1
            values.duration.record(thousandths: durationMicroseconds)
            values.requestBytes.record(requestBytes)
            values.responseBytes.record(responseBytes)
        }
    }

    /// Counts a TCP connection that was proxied; answers where to report what follows on it.
    package mutating func recordOpened(_ key: RequestKey) {
        connections.update(connections.entry(key)) { $0.opened &+= 1 }
    }

    /// Adds bytes of a TCP connection: since the last report, so that long connections show up while they live.
    package mutating func recordBytes(_ key: RequestKey, received: UInt64, sent: UInt64) {
        connections.update(connections.entry(key)) { values in
            values.receivedBytes &+= received
            values.sentBytes &+= sent
        }
    }

    package mutating func recordClosed(_ key: RequestKey) {
        connections.update(connections.entry(key)) { $0.closed &+= 1 }
    }
}
