/// Bootstraps of peers that are not Martlet's proxy: a stock Envoy, and a gRPC program.
package struct PeerBootstrap: Sendable {
    package enum ControlPlane: Sendable, Equatable {
        case socket(String)
        case tcp(host: String, port: Int)
    }

    package var node: ProxyBootstrap
    package var controlPlane: ControlPlane
    /// The workload's token for discovery; nil presents none.
    package var token: String?
    /// SO_MARK of what the proxy sends, for the capture rules of the local mesh; 0 sets none.
    package var mark: Int
    package var adminPort: Int

    package init(
        node: ProxyBootstrap, controlPlane: ControlPlane, token: String? = nil, mark: Int = 0, adminPort: Int = 15000
    ) {
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
                    "load_assignment": [
                        "cluster_name": "xds-grpc",
                        "endpoints": [["lb_endpoints": [["endpoint": ["address": address]]]]],
                    ],
                ]
            ]
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
        let address =
            switch controlPlane {
            case .socket(let path): "unix://\(path)"
            case .tcp(let host, let port): "\(host):\(port)"
            }
        return [
            "xds_servers": [
                [
                    "server_uri": .string(address),
                    "channel_creds": [["type": "insecure"]],
                    "server_features": ["xds_v3"],
                ]
            ],
            "node": .object(own),
        ]
    }
}
