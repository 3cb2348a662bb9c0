package import Proxy
import Telemetry

/// The data plane's counters as text, for the admin and metrics servers.
package struct TrafficReport: DataPlaneReport {
    private let server: ProxyServer

    package init(server: ProxyServer) { self.server = server }

    package func prometheus() async -> [UInt8] {
        var text = PrometheusText()
        MetricsReport(await server.collectStats()).write(to: &text)
        return text.bytes
    }

    package func statistics() async -> String {
        MetricsReport(await server.collectStats()).plainText()
    }
}
