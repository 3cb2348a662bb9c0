/// `networking.istio.io` WorkloadEntry: one endpoint that is no pod.
package struct WorkloadEntry: Sendable, Equatable {
    /// Also the form of a ServiceEntry's endpoints.
    package struct Spec: ObjectDecodable {
        package var location: SourceLocation
        /// IP address, DNS name or `unix://` path.
        package var address: String
        package var ports: [String: Int]
        package var labels: [String: String]
        package var network: String?
        /// `region/zone/subzone`
        package var locality: String?
        package var weight: Int?
        package var serviceAccount: String?

        package init(_ reader: ObjectReader) {
            self.init(template: reader)
            checkAddress(reader)
        }

        /// A spec that gets its address later.
        init(template reader: ObjectReader) {
            location = reader.location
            address = reader.string("address") ?? ""
            var ports: [String: Int] = [:]
            for (name, path, node) in reader.members("ports") {
                ports[name] = reader.int(node, path, in: 1...65535) ?? 0
            }
            self.ports = ports
            labels = reader.stringMap("labels")
            network = reader.string("network")
            locality = reader.string("locality")
            weight = reader.int("weight")
            serviceAccount = reader.string("serviceAccount")
            NameRules.checkLabels(labels, key: "labels", reader)
        }

        private func checkAddress(_ reader: ObjectReader) {
            if address.isEmpty, (network ?? "").isEmpty { reader.error(nil, "address is required") }
            if address.isEmpty, !(network ?? "").isEmpty {
                reader.warning(nil, "without an address the endpoint is reached through its network's gateway only")
            }
            if address.hasPrefix("unix://") {
                let path = address.dropFirst("unix://".count)
                if !path.hasPrefix("/"), !path.hasPrefix("@") {
                    reader.error("address", "UDS must be an absolute path or abstract socket, found \"\(address)\"")
                }
                if !ports.isEmpty { reader.error("ports", "a Unix socket has no ports") }
            } else if !address.isEmpty, !AddressRules.isAddress(address), let fault = HostRules.faultOfWildcard(address)
            {
                reader.error("address", fault)
            }
            for name in ports.keys.sorted() where !NameRules.isLabel(name) {
                reader.error("ports", "\"\(name)\" is not a port name: letters, digits and -")
            }
        }
    }

    package var metadata: ObjectMeta
    package var spec: Spec?

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        spec = document.object("spec")
        if !document.has("spec") { document.error(nil, "spec is required") }
    }
}
