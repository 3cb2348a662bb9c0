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
    /// Where the pod runs; without it the labels tell (see `place`).
    package var locality: Locality?
    /// Relative share among the endpoints of its locality.
    package var weight: Int?
    /// Annotations of the pod by which it is configured: those of `config.linkerd.io`.
    package var annotations: [String: String]?
    /// Numbers of named Service ports, of a WorkloadEntry.
    package var servicePorts: [String: Int]?

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
        locality = try values.decodeIfPresent(Locality.self, forKey: .locality)
        weight = try values.decodeIfPresent(Int.self, forKey: .weight)
        servicePorts = try values.decodeIfPresent([String: Int].self, forKey: .servicePorts)
        annotations = try values.decodeIfPresent([String: String].self, forKey: .annotations)
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

extension MeshWorkload {
    /// Region, zone and subzone. Of pods: Istio's label `istio-locality` (with dots for slashes), else those that Kubernetes
    /// gives to nodes, which here stand on the pod.
    package var place: Locality {
        if let locality { return locality }
        if let text = labels["istio-locality"] { return Locality(text.replacing(".", with: "/")) }
        return Locality(
            region: labels["topology.kubernetes.io/region"] ?? "",
            zone: labels["topology.kubernetes.io/zone"] ?? "",
            subzone: labels["topology.istio.io/subzone"] ?? ""
        )
    }

    /// A pod-like view of a WorkloadEntry, or of an endpoint of a ServiceEntry.
    package init(_ spec: WorkloadEntry.Spec, name: String, namespace: String) {
        self.init(
            name: name, namespace: namespace, ip: spec.address, workload: spec.labels["app"] ?? name,
            labels: spec.labels, serviceAccount: spec.serviceAccount ?? "default",
            sidecar: spec.labels["security.istio.io/tlsMode"] == "istio"
        )
        locality = spec.locality.map { Locality($0) }
        weight = spec.weight
        servicePorts = spec.ports.isEmpty ? nil : spec.ports
    }
}

/// A place in the world, from wide to narrow; empty parts are unknown.
package struct Locality: Sendable, Hashable, Codable, CustomStringConvertible {
    package var region: String
    package var zone: String
    package var subzone: String

    package init(region: String = "", zone: String = "", subzone: String = "") {
        self.region = region
        self.zone = zone
        self.subzone = subzone
    }

    /// `region/zone/subzone`; parts may be missing at the end.
    package init(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        self.init(
            region: parts.first ?? "", zone: parts.count > 1 ? parts[1] : "", subzone: parts.count > 2 ? parts[2] : ""
        )
    }

    package var description: String { "\(region)/\(zone)/\(subzone)" }
    package var isEmpty: Bool { region.isEmpty && zone.isEmpty && subzone.isEmpty }

    /// Whether this is inside of a pattern such as `us-west/*` or `us-west/zone1`.
    package func isPart(of pattern: String) -> Bool {
        if pattern == "*" { return true }
        let wanted = pattern.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        for (part, own) in zip(wanted, [region, zone, subzone]) where part != "*" && part != own { return false }
        return true
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

    package init(workload: MeshWorkload, port: Int, takesMutualTLS: Bool) {
        self.workload = workload
        self.port = port
        self.takesMutualTLS = takesMutualTLS
    }
}
