import Foundation
import Testing

/// `martlet proxy` in front of a backend, both real processes.
final class LiveProxy {
    static let program = ProcessInfo.processInfo.environment["MARTLET"] ?? ".build/release/martlet"
    /// Asked for by MARTLET_LIVE=1, as scripts/test.sh does: they take a minute, and every peer must be there.
    static let isEnabled = ProcessInfo.processInfo.environment["MARTLET_LIVE"] == "1"
    /// Scripts and files of the peers.
    static let peers = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Peers").path

    let port: UInt16
    let backendPort: UInt16
    private let proxy: ChildProcess
    private let folder: URL

    /// Starts a proxy that sends all to the backend on `backendPort`, with HTTP/2 or HTTP/1.1.
    init(to backendPort: UInt16, upstreamHTTP2: Bool, workers: Int = 1) throws {
        port = try freePort()
        self.backendPort = backendPort
        folder = FileManager.default.temporaryDirectory.appending(path: "http2-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: "bootstrap.yaml")
        let text = Self.bootstrap(port, backendPort, upstreamHTTP2: upstreamHTTP2)
        try Data(text.utf8).write(to: file)
        proxy = try ChildProcess([
            Self.program, "proxy", "-c", file.path, "--concurrency", "\(workers)", "--log-level", "warning",
        ])
        try Self.awaitPort(port, proxy)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var output: String { proxy.output }
    var isRunning: Bool { proxy.isRunning }

    /// Waits until somebody listens.
    static func awaitPort(_ port: UInt16, _ child: ChildProcess) throws {
        let deadline = Date(timeIntervalSinceNow: 20)
        while (try? LiveConnection(port: port)) == nil {
            guard Date.now < deadline, child.isRunning else {
                throw LiveFailure(description: "\(child.name) does not listen on \(port):\n\(child.output)")
            }
            usleep(20_000)
        }
    }

    /// Waits until a condition holds.
    static func eventually(_ what: String, _ condition: () -> Bool) throws {
        let deadline = Date(timeIntervalSinceNow: 20)
        while !condition() {
            guard Date.now < deadline else { throw LiveFailure(description: "\(what) does not come") }
            usleep(20_000)
        }
    }

    private static func bootstrap(_ port: UInt16, _ backend: UInt16, upstreamHTTP2: Bool) -> String {
        let options =
            upstreamHTTP2
            ? """
                  typed_extension_protocol_options:
                    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                      "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                      explicit_http_config:
                        http2_protocol_options: {}
            """ : ""
        return """
            static_resources:
              listeners:
                - name: in
                  address: { socket_address: { address: 127.0.0.1, port_value: \(port) } }
                  filter_chains:
                    - filters:
                        - name: hcm
                          typed_config:
                            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                            stat_prefix: in
                            codec_type: AUTO
                            http2_protocol_options: { max_concurrent_streams: \(SpecCases.limit), allow_connect: true }
                            upgrade_configs: [{ upgrade_type: websocket }]
                            route_config:
                              name: all
                              virtual_hosts:
                                - name: all
                                  domains: ["*"]
                                  routes:
                                    - match: { prefix: / }
                                      route: { cluster: backend, timeout: 0s }
                            http_filters:
                              - name: router
                                typed_config:
                                  "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
              clusters:
                - name: backend
                  type: STATIC
                  connect_timeout: 5s
                  circuit_breakers:
                    thresholds:
                      - { max_connections: 10000, max_pending_requests: 10000, max_requests: 10000 }
                  load_assignment:
                    cluster_name: backend
                    endpoints:
                      - lb_endpoints:
                          - endpoint:
                              address: { socket_address: { address: 127.0.0.1, port_value: \(backend) } }
            \(options)
            """
    }
}

/// A backend and a proxy for a whole suite.
struct LiveScope: SuiteTrait, TestScoping {
    var upstreamHTTP2: Bool

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    )
        async throws
    {
        let port = try freePort()
        let backend = try ChildProcess([
            LiveProxy.program, "example-service", "--address", "127.0.0.1", "--port", "\(port)", "--name", "backend",
        ])
        try LiveProxy.awaitPort(port, backend)
        let proxy = try LiveProxy(to: port, upstreamHTTP2: upstreamHTTP2)
        try await Self.$port.withValue(proxy.port) { try await function() }
        withExtendedLifetime(backend) {}
        #expect(proxy.isRunning, "the proxy ended: \(proxy.output)")
    }

    /// Where the suite's proxy listens.
    @TaskLocal static var port: UInt16 = 0
}

extension Trait where Self == LiveScope {
    static func proxy(upstreamHTTP2: Bool) -> Self { LiveScope(upstreamHTTP2: upstreamHTTP2) }
}
