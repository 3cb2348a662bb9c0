/// Kubernetes Service: a name and an address for a set of pods.
package struct Service: Sendable, Equatable {
    package enum Form: Sendable, Equatable {
        /// ClusterIP, NodePort and LoadBalancer are one here; nil means that an address is allocated.
        case clusterIP(String?)
        /// `clusterIP: None`.
        case headless
        /// An alias of a DNS name.
        case externalName(String)
    }

    package struct Port: ObjectDecodable {
        package enum Target: Sendable, Equatable {
            case number(Int)
            /// Name of a container port.
            case name(String)
        }

        package var location: SourceLocation
        package var name: String?
        package var number: Int
        package var target: Target
        /// `TCP`, `UDP` or `SCTP`.
        package var transport: String
        package var appProtocol: String?
        package var nodePort: Int?

        package init(_ reader: ObjectReader) {
            location = reader.location
            name = reader.string("name")
            number = reader.int("port", in: 1...65535) ?? 0
            if !reader.has("port") { reader.error(nil, "port is required") }
            transport = reader.string("protocol") ?? "TCP"
            appProtocol = reader.string("appProtocol")
            nodePort = reader.int("nodePort", in: 0...65535)
            target = reader.portTarget("targetPort") ?? .number(number)
            if !["TCP", "UDP", "SCTP"].contains(transport) {
                reader.error("protocol", "\"\(transport)\" is not a transport: use TCP, UDP or SCTP")
            }
        }
    }

    package var metadata: ObjectMeta
    package var form: Form
    package var ports: [Port]
    /// Empty when no pods are selected.
    package var selector: [String: String]
    package var publishNotReadyAddresses: Bool
    /// `sessionAffinity: ClientIP`: a client's connections go to one pod.
    package var hasClientAffinity: Bool
    /// `trafficDistribution` or the older annotations ask for endpoints nearby first.
    package var prefersNearby: Bool
    package var externalIPs: [String]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        ports = spec.objects("ports")
        selector = spec.stringMap("selector")
        publishNotReadyAddresses = spec.bool("publishNotReadyAddresses") ?? false
        let type = spec.string("type") ?? "ClusterIP"
        let clusterIP = spec.string("clusterIP") ?? spec.strings("clusterIPs").first
        let externalName = spec.string("externalName")
        switch (type, clusterIP) {
        case ("ExternalName", _):
            form = .externalName(externalName ?? "")
            if (externalName ?? "").isEmpty { spec.error(nil, "externalName is required for type ExternalName") }
        case (_, "None"?): form = .headless
        case (_, let address?) where !address.isEmpty:
            form = .clusterIP(address)
            if !AddressRules.isAddress(address) {
                spec.error("clusterIP", "\"\(address)\" is not an IP address (or None)")
            }
        default: form = .clusterIP(nil)
        }
        if !["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].contains(type) {
            spec.error(
                "type",
                "unsupported value \"\(type)\": expected one of ClusterIP, NodePort, LoadBalancer, ExternalName"
            )
        }
        hasClientAffinity = spec.string("sessionAffinity") == "ClientIP"
        externalIPs = spec.strings("externalIPs")
        let hints =
            metadata.annotations["service.kubernetes.io/topology-mode"]
            ?? metadata.annotations["service.kubernetes.io/topology-aware-hints"]
        let distribution =
            spec.string("trafficDistribution") ?? metadata.annotations["networking.istio.io/traffic-distribution"]
        prefersNearby =
            ["PreferClose", "PreferSameZone", "PreferSameNode"].contains(distribution ?? "")
            || ["auto", "Auto"].contains(hints ?? "")
        spec.accept(
            "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy", "externalTrafficPolicy",
            "sessionAffinityConfig", "loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges",
            "allocateLoadBalancerNodePorts", "healthCheckNodePort"
        )
        Self.check(ports, spec)
    }

    private static func check(_ ports: [Port], _ spec: ObjectReader) {
        var names: Set<String> = []
        var numbers: Set<String> = []
        for port in ports {
            if ports.count > 1, (port.name ?? "").isEmpty {
                spec.error("ports", "port \(port.number) needs a name, because there are several ports")
            }
            // The proxies go by numbers: such a Service works here, as it does in Istio when it comes from elsewhere.
            if let name = port.name, !name.isEmpty, !names.insert(name).inserted {
                spec.warning("ports", "port name \"\(name)\" is given twice: Kubernetes would refuse this Service")
            }
            if !numbers.insert("\(port.number)/\(port.transport)").inserted {
                spec.error("ports", "port \(port.number) is given twice")
            }
        }
    }
}

extension ObjectReader {
    /// A port given as a number or as the name of a container port.
    func portTarget(_ key: String) -> Service.Port.Target? {
        guard let node = node(key) else { return nil }
        if case .scalar(let scalar) = node.content, !scalar.isPlain || YAMLScalar.integer(scalar.text) == nil {
            // A quoted number is a number here too: the field's schema is int-or-string.
            if let number = YAMLScalar.integer(scalar.text), (1...65535).contains(number) {
                return .number(Int(number))
            }
            return text(node, path(of: key)).map { .name($0) }
        }
        // Zero stands for "not given" in manifests written from Go structures.
        return int(key, in: 0...65535).flatMap { $0 == 0 ? nil : .number($0) }
    }
}
