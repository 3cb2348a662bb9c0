extension PeerAuthentication {
    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec")
        selector = spec.object("selector", LabelSelector.self)?.matchLabels
        let mutual = spec.object("mtls", MutualTLS.self)
        mode = mutual?.mode ?? .unset
        modeLocation = mutual?.location ?? metadata.location
        var ports: [PortMode] = []
        for (name, value) in spec.objectMap("portLevelMtls", MutualTLS.self) {
            guard let port = Int(name), (1...65535).contains(port) else {
                spec.error("portLevelMtls", "port must be between 1-65535, found \"\(name)\"")
                continue
            }
            ports.append(PortMode(port: port, mode: value.mode, location: value.location))
        }
        portLevel = ports
        if spec.has("portLevelMtls") {
            if (selector ?? [:]).isEmpty {
                spec.error("portLevelMtls", "portLevelMtls requires selector: ports belong to workloads")
            }
            if ports.isEmpty, spec.members("portLevelMtls").isEmpty {
                spec.error("portLevelMtls", "portLevelMtls must not be empty when it is given")
            }
        }
    }

    private struct MutualTLS: ObjectDecodable {
        var location: SourceLocation
        var mode: Mode

        init(_ reader: ObjectReader) {
            location = reader.has("mode") ? reader.location(of: "mode") : reader.location
            mode = reader.choice("mode") ?? .unset
        }
    }
}
