/// The Envoy bootstrap of a sidecar or a gateway: who it is, and that everything else comes from the control plane's socket.
package struct ProxyBootstrap: Equatable, Sendable {
    package enum Role: String, Sendable {
        case sidecar
        case router
    }

    package var role: Role
    package var address: String
    package var pod: String
    package var namespace: String
    package var workload: String
    package var serviceAccount: String
    package var labels: [String: String]
    package var mesh: String
    /// The control plane's Unix socket.
    package var socket: String

    package init(
        role: Role,
        address: String,
        pod: String,
        namespace: String,
        workload: String,
        serviceAccount: String,
        labels: [String: String],
        mesh: String,
        socket: String
    ) {
        self.role = role
        self.address = address
        self.pod = pod
        self.namespace = namespace
        self.workload = workload
        self.serviceAccount = serviceAccount
        self.labels = labels
        self.mesh = mesh
        self.socket = socket
    }

    /// `sidecar~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local`
    package var nodeID: String {
        "\(role.rawValue)~\(address)~\(pod).\(namespace)~\(namespace).svc.cluster.local"
    }

    package var document: JSONValue {
        let source: JSONValue = ["ads": [:], "resource_api_version": "V3"]
        return [
            "node": [
                "id": .string(nodeID),
                "cluster": .string("\(WorkloadLabels.canonicalName(labels, workload: workload)).\(namespace)"),
                "metadata": [
                    "NAMESPACE": .string(namespace),
                    "SERVICE_ACCOUNT": .string(serviceAccount),
                    "LABELS": JSONValue(labels),
                    "WORKLOAD_NAME": .string(workload),
                    "CLUSTER_ID": "Kubernetes",
                    "INSTANCE_IPS": .string(address),
                    "MESH_ID": .string(mesh),
                ],
            ],
            "dynamic_resources": [
                "ads_config": [
                    "api_type": "DELTA_GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [["envoy_grpc": ["cluster_name": "xds-grpc"]]],
                ],
                "lds_config": source,
                "cds_config": source,
            ],
            "static_resources": ["clusters": [controlPlane]],
            "admin": ["address": ["socket_address": ["address": "127.0.0.1", "port_value": 15000]]],
        ]
    }

    private var controlPlane: JSONValue {
        [
            "name": "xds-grpc",
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": [
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": [
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": ["http2_protocol_options": [:]],
                ]
            ],
            "load_assignment": [
                "cluster_name": "xds-grpc",
                "endpoints": [
                    ["lb_endpoints": [["endpoint": ["address": ["pipe": ["path": .string(socket)]]]]]]
                ],
            ],
        ]
    }
}
