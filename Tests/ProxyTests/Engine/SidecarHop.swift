import Foundation
import Glibc

/// Two listeners of one worker with mutual TLS between them, as between two sidecars: the bootstrap file for it.
struct SidecarHop {
    let key: String
    let certificate: String
    /// Where the second listener listens.
    let middle: UInt16

    /// Makes a certificate that both ends have and trust.
    init() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "hop-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = (folder.appending(path: "key.pem"), folder.appending(path: "certificate.pem"))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=sidecar", "-addext", "subjectAltName=URI:spiffe://cluster.local/ns/a/sa/b", "-keyout",
            files.0.path, "-out", files.1.path,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        key = try String(contentsOf: files.0, encoding: .utf8)
        certificate = try String(contentsOf: files.1, encoding: .utf8)
        middle = LoopbackWorld.freePort()
    }

    func bootstrap(_ row: AllocationTests.Row, endpoint: UInt16) -> String {
        """
        static_resources:
          listeners:
        \(listener("first", port: 0, cluster: "hop"))
        \(listener("second", port: middle, cluster: "up"))
              transport_socket:
                name: tls
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                  require_client_certificate: true
        \(context("[martlet-h2, h2, http/1.1]", 2))
          clusters:
        \(cluster("up", port: endpoint))
        \(cluster("hop", port: middle))
            transport_socket:
              name: tls
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                sni: sidecar
        \(context(row.offers, 0))
            typed_extension_protocol_options:
              envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                auto_config: {http_protocol_options: {}, http2_protocol_options: {}}
        """
    }

    private func context(_ protocols: String, _ indentation: Int) -> String {
        func quoted(_ text: String) -> String { "\"\(text.replacing("\n", with: "\\n"))\"" }
        let text = """
                    common_tls_context:
                      tls_certificates:
                      - certificate_chain: {inline_string: \(quoted(certificate))}
                        private_key: {inline_string: \(quoted(key))}
                      validation_context: {trusted_ca: {inline_string: \(quoted(certificate))}}
                      alpn_protocols: \(protocols)
            """
        return text.split(separator: "\n").map { String(repeating: " ", count: indentation) + $0 }.joined(
            separator: "\n")
    }

    private func cluster(_ name: String, port: UInt16) -> String {
        """
          - name: \(name)
            type: STATIC
            connect_timeout: 1s
            load_assignment:
              cluster_name: \(name)
              endpoints:
              - lb_endpoints:
                - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}
        """
    }

    private func listener(_ name: String, port: UInt16, cluster: String) -> String {
        """
          - name: \(name)
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - name: http
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: http
                  route_config:
                    name: routes
                    virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{match: {prefix: /}, route: {cluster: \(cluster)}}]
                  http_filters:
                  - name: router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
        """
    }
}
