package import MeshAPI

/// A running pod, as `workloads.json` reports it.
package struct MeshWorkload: Sendable, Hashable, Codable {
    package struct Port: Sendable, Hashable, Codable {
        package var name: String?
        package var number: Int
        /// `TCP` or `UDP`.
        package var `protocol`: String?

        package init(name: String? = nil, number: Int, protocol: String? = nil) {
            self.name = name
            self.number = number
            self.protocol = `protocol`
        }
    }

    package enum Kind: String, Sendable, Codable {
        case pod, gateway
    }

    /// Name of the pod.
    package var name: String
    package var namespace: String
    package var ip: String
    /// Name of the Deployment or the like that made the pod.
    package var workload: String
    package var labels: [String: String]
    package var serviceAccount: String
    package var ports: [Port]
    package var ready: Bool
    /// Whether a proxy stands before the pod and takes mutual TLS.
    package var sidecar: Bool
    package var kind: Kind

    package init(
        name: String,
        namespace: String,
        ip: String,
        workload: String,
        labels: [String: String] = [:],
        serviceAccount: String = "default",
        ports: [Port] = [],
        ready: Bool = true,
        sidecar: Bool = true,
        kind: Kind = .pod
    ) {
        self.name = name
        self.namespace = namespace
        self.ip = ip
        self.workload = workload
        self.labels = labels
        self.serviceAccount = serviceAccount
        self.ports = ports
        self.ready = ready
        self.sidecar = sidecar
        self.kind = kind
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(String.self, forKey: .name)
        namespace = try values.decode(String.self, forKey: .namespace)
        ip = try values.decode(String.self, forKey: .ip)
        workload = try values.decodeIfPresent(String.self, forKey: .workload) ?? name
        labels = try values.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
        serviceAccount = try values.decodeIfPresent(String.self, forKey: .serviceAccount) ?? "default"
        ports = try values.decodeIfPresent([Port].self, forKey: .ports) ?? []
        ready = try values.decodeIfPresent(Bool.self, forKey: .ready) ?? false
        sidecar = try values.decodeIfPresent(Bool.self, forKey: .sidecar) ?? false
        kind = try values.decodeIfPresent(Kind.self, forKey: .kind) ?? .pod
    }

    package func matches(_ selector: [String: String]) -> Bool {
        selector.allSatisfy { labels[$0.key] == $0.value }
    }

    /// The pod's port that a Service port leads to, or nil when it names one that the pod does not have.
    package func port(for target: Service.Port.Target) -> Int? {
        switch target {
        case .number(let number): number
        case .name(let name): ports.first { $0.name == name }?.number
        }
    }
}

/// Contents of `workloads.json`.
package struct WorkloadList: Sendable, Hashable, Codable {
    package var workloads: [MeshWorkload]

    package init(workloads: [MeshWorkload]) { self.workloads = workloads }
}

/// A pod's address behind a Service port.
package struct MeshEndpoint: Sendable, Hashable {
    package var workload: MeshWorkload
    package var port: Int
    /// Whether clients with automatic mutual TLS use it towards this endpoint.
    package var takesMutualTLS: Bool
}
