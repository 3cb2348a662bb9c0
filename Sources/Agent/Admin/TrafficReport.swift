package import Proxy
import Telemetry

/// The data plane's counters as text, for the admin and metrics servers.
package struct TrafficReport: DataPlaneReport {
    private let server: ProxyServer
    private let isDrained: @Sendable () -> Bool

    /// - Parameter isDrained: whether the workers have ended, so that nobody is left to ask.
    package init(server: ProxyServer, isDrained: @escaping @Sendable () -> Bool) {
        self.server = server
        self.isDrained = isDrained
    }

    private var workers: [WorkerMetrics] {
        get async { isDrained() ? [] : await server.collectStats() }
    }

    package func prometheus() async -> [UInt8] {
        var text = PrometheusText()
        MetricsReport(await workers).write(to: &text)
        return text.bytes
    }

    package func statistics() async -> String {
        MetricsReport(await workers).plainText()
    }
}
