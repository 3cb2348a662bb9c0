/// `networking.istio.io` ServiceEntry: hosts that are not Services of the mesh's namespaces.
package struct ServiceEntry: Sendable, Equatable {
    package enum Placement: String, CaseIterable, Sendable {
        case external = "MESH_EXTERNAL"
        case inside = "MESH_INTERNAL"
    }

    package enum Resolution: String, CaseIterable, Sendable {
        case none = "NONE"
        case fixed = "STATIC"
        case dns = "DNS"
        case dnsRoundRobin = "DNS_ROUND_ROBIN"
        case dynamicDNS = "DYNAMIC_DNS"
    }

    package struct Port: ObjectDecodable {
        package var location: SourceLocation
        package var number: Int
        package var name: String
        package var transport: String
        package var targetPort: Int?

        package init(_ reader: ObjectReader) {
            location = reader.location
            number = reader.int("number", in: 1...65535) ?? 0
            if !reader.has("number") { reader.error(nil, "number is required") }
            name = reader.requiredString("name")
            transport = reader.string("protocol") ?? ""
            targetPort = reader.int("targetPort", in: 1...65535)
            let known = Server.Port.Transport.allCases.map(\.rawValue) + ["UDP", "REDIS", "MYSQL", "HTTP_PROXY"]
            if !transport.isEmpty, !known.contains(transport.uppercased()) {
                reader.error(
                    "protocol",
                    "unsupported protocol \"\(transport)\": expected one of \(known.joined(separator: ", "))"
                )
            }
        }
    }

    package var metadata: ObjectMeta
    package var hosts: [Located<String>]
    package var addresses: [String]
    package var ports: [Port]
    package var placement: Placement
    package var resolution: Resolution
    package var endpoints: [WorkloadEntry.Spec]
    package var workloadSelector: [String: String]?
    package var exportTo: [Located<String>]
    package var subjectAltNames: [String]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec", required: true)
        hosts = spec.locatedStrings("hosts")
        addresses = spec.strings("addresses")
        ports = spec.objects("ports")
        placement = spec.choice("location") ?? .external
        resolution = spec.choice("resolution") ?? .none
        endpoints = spec.objects("endpoints")
        workloadSelector = spec.object("workloadSelector", WorkloadLabels.self)?.labels
        exportTo = spec.locatedStrings("exportTo")
        subjectAltNames = spec.strings("subjectAltNames")
        ServiceEntryRules.check(self, spec)
    }

    /// `{labels: {…}}`.
    struct WorkloadLabels: ObjectDecodable {
        var labels: [String: String]

        init(_ reader: ObjectReader) {
            labels = reader.stringMap("labels")
            for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
                if name.isEmpty { reader.error("labels", "a label needs a name") }
                if name.contains("*") || value.contains("*") {
                    reader.error("labels", "wildcard is not supported in selector: \(name)=\(value)")
                }
            }
        }
    }
}
