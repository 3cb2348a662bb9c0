import Foundation

/// Two proxies with mutual TLS between them, as between two sidecars: a client's and a server's.
final class SidecarPair {
    let port: UInt16
    private let client: ChildProcess
    private let server: ChildProcess
    private let folder: URL

    /// - Parameter protocols: what the client's proxy offers by ALPN; the other takes what Martlet's sidecars take.
    init(to backendPort: UInt16, offering protocols: [String]) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "http2-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (key, certificate) = (folder.appending(path: "key.pem").path, folder.appending(path: "cert.pem").path)
        try ChildProcess.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=sidecar", "-addext", "subjectAltName=URI:spiffe://cluster.local/ns/a/sa/b", "-keyout",
            key, "-out", certificate,
        ])
        let context = """
            tls_certificates: [{ certificate_chain: { filename: \(certificate) }, private_key: { filename: \(key) } }]
            validation_context: { trusted_ca: { filename: \(certificate) } }
            alpn_protocols:
            """
        let middle = try freePort()
        server = try Self.start(
            folder.appending(path: "server.yaml"), listening: middle, to: backendPort,
            downstream: "\(context) [martlet-h2, h2, http/1.1]", upstream: nil)
        try LiveProxy.awaitPort(middle, server)
        port = try freePort()
        client = try Self.start(
            folder.appending(path: "client.yaml"), listening: port, to: middle, downstream: nil,
            upstream: "\(context) [\(protocols.joined(separator: ", "))]")
        try LiveProxy.awaitPort(port, client)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// What the server's proxy has written: a line for each request, with the version of HTTP it came in.
    var serverLog: String { server.output }

    private static func start(
        _ file: URL, listening port: UInt16, to backend: UInt16, downstream: String?, upstream: String?
    ) throws -> ChildProcess {
        try Data(bootstrap(port, backend, downstream, upstream).utf8).write(to: file)
        return try ChildProcess([
            LiveProxy.program, "proxy", "-c", file.path, "--concurrency", "1", "--log-level", "warning",
        ])
    }

    private static func socket(_ type: String, _ context: String, _ more: String, _ indentation: Int) -> String {
        let lines = """
            transport_socket:
              name: tls
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.\(type)
                \(more)
                common_tls_context:
            \(indent(context, 6))
            """
        return indent(lines, indentation)
    }

    private static func indent(_ text: String, _ count: Int) -> String {
        text.split(separator: "\n").map { String(repeating: " ", count: count) + $0 }.joined(separator: "\n")
    }

    private static func bootstrap(_ port: UInt16, _ backend: UInt16, _ downstream: String?, _ upstream: String?)
        -> String
    {
        let server = downstream.map { socket("DownstreamTlsContext", $0, "require_client_certificate: true", 6) } ?? ""
        let client = upstream.map { socket("UpstreamTlsContext", $0, "sni: sidecar", 4) } ?? ""
        let options =
            upstream == nil
            ? ""
            : """
                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                    auto_config: { http_protocol_options: {}, http2_protocol_options: {} }
            """
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
                      server_header_transformation: PASS_THROUGH
                      upgrade_configs: [{ upgrade_type: websocket }]
                      http_protocol_options: { accept_http_10: true }
                      access_log:
                      - name: log
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                          path: /dev/stdout
                          log_format: { text_format_source: { inline_string: "%PROTOCOL% %RESPONSE_CODE%\\n" } }
                      route_config:
                        name: all
                        virtual_hosts:
                        - name: all
                          domains: ["*"]
                          routes: [{ match: { prefix: / }, route: { cluster: next, timeout: 0s } }]
                      http_filters:
                      - name: router
                        typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
            \(server)
              clusters:
              - name: next
                type: STATIC
                connect_timeout: 5s
                load_assignment:
                  cluster_name: next
                  endpoints:
                  - lb_endpoints:
                    - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: \(backend) } } }
            \(client)
            \(options)
            """
    }
}
