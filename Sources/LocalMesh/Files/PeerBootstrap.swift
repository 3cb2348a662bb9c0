/// Bootstraps of peers that are not Martlet's proxy: a stock Envoy, and a gRPC program.
package struct PeerBootstrap: Sendable {
    package enum ControlPlane: Sendable, Equatable {
        case socket(String)
        case tcp(host: String, port: Int)
    }

    /// The authorities of the control plane's certificate, where it is reached over TCP.
    package enum Trust: Sendable, Equatable {
        case file(String)
        case inline(String)
    }

    package var node: ProxyBootstrap
    package var controlPlane: ControlPlane
    package var trust: Trust
    /// A name in the control plane's certificate, whatever address it is reached at.
    package static let serverName = "control-plane.martlet.internal"
    /// The workload's token for discovery; nil presents none.
    package var token: String?
    /// SO_MARK of what the proxy sends, for the capture rules of the local mesh; 0 sets none.
    package var mark: Int
    package var adminPort: Int

    package init(
        node: ProxyBootstrap, controlPlane: ControlPlane, trust: Trust = .file(""), token: String? = nil, mark: Int = 0,
        adminPort: Int = 15000
    ) {
        self.trust = trust
        self.node = node
        self.controlPlane = controlPlane
        self.token = token
        self.mark = mark
        self.adminPort = adminPort
    }

    /// The bootstrap of `martlet proxy` with what a stock Envoy needs beside it.
    package var envoy: JSONValue {
        guard case .object(var root) = node.document, case .object(var resources)? = root["dynamic_resources"],
            case .object(var ads)? = resources["ads_config"], case .object(var own)? = root["node"],
            case .object(var metadata)? = own["metadata"]
        else { return node.document }
        if let token {
            let header: JSONValue = ["key": "authorization", "value": .string("Bearer \(token)")]
            ads["grpc_services"] = [["envoy_grpc": ["cluster_name": "xds-grpc"], "initial_metadata": [header]]]
        }
        resources["ads_config"] = .object(ads)
        root["dynamic_resources"] = .object(resources)
        if mark != 0 {
            metadata["SOCKET_MARK"] = .string("\(mark)")
            own["metadata"] = .object(metadata)
            root["node"] = .object(own)
            // SOL_SOCKET 1, SO_MARK 36.
            let option: JSONValue = [
                "level": 1, "name": 36, "int_value": .number(mark), "state": "STATE_PREBIND",
            ]
            root["cluster_manager"] = ["upstream_bind_config": ["socket_options": [option]]]
        }
        if case .tcp(let host, let port) = controlPlane { root["static_resources"] = tcpCluster(host, port) }
        root["admin"] = [
            "address": ["socket_address": ["address": "127.0.0.1", "port_value": .number(adminPort)]]
        ]
        return .object(root)
    }

    private func tcpCluster(_ host: String, _ port: Int) -> JSONValue {
        let address: JSONValue = [
            "socket_address": ["address": .string(host), "port_value": .number(port)]
        ]
        return [
            "clusters": [
                [
                    "name": "xds-grpc",
                    "type": "STRICT_DNS",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": [
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": [
                            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                            "explicit_http_config": ["http2_protocol_options": [:]],
                        ]
                    ],
                    "transport_socket": transportSocket,
                    "load_assignment": [
                        "cluster_name": "xds-grpc",
                        "endpoints": [["lb_endpoints": [["endpoint": ["address": address]]]]],
                    ],
                ]
            ]
        ]
    }

    private var transportSocket: JSONValue {
        let authorities: JSONValue =
            switch trust {
            case .file(let path): ["filename": .string(path)]
            case .inline(let text): ["inline_string": .string(text)]
            }
        let name: JSONValue = .string(Self.serverName)
        return [
            "name": "envoy.transport_sockets.tls",
            "typed_config": [
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": name,
                "common_tls_context": [
                    "alpn_protocols": ["h2"],
                    "validation_context": [
                        "trusted_ca": authorities,
                        "match_typed_subject_alt_names": [["san_type": "DNS", "matcher": ["exact": name]]],
                    ],
                ],
            ],
        ]
    }

    /// What `GRPC_XDS_BOOTSTRAP` points to (gRFC A27).
    package var grpc: JSONValue {
        guard case .object(let root) = node.document, case .object(var own)? = root["node"],
            case .object(var metadata)? = own["metadata"]
        else { return [:] }
        metadata["GENERATOR"] = "grpc"
        // gRPC presents no call credentials to the control plane: the token stands in its description of itself.
        if let token { metadata["MARTLET_TOKEN"] = .string(token) }
        own["metadata"] = .object(metadata)
        let address: String
        var credentials: JSONValue = ["type": "insecure"]
        switch controlPlane {
        case .socket(let path): address = "unix://\(path)"
        case .tcp(let host, let port):
            address = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            var settings: JSONValue = [:]
            if case .file(let path) = trust { settings = ["ca_certificate_file": .string(path)] }
            credentials = ["type": "tls", "config": settings]
        }
        return [
            "xds_servers": [
                [
                    "server_uri": .string(address),
                    "channel_creds": [credentials],
                    "server_features": ["xds_v3"],
                ]
            ],
            "node": .object(own),
        ]
    }
}
