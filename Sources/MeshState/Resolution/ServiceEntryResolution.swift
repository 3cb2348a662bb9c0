import MeshAPI

/// ServiceEntries as services: one for each host and namespace, entries of the same host and namespace joined.
enum ServiceEntryResolution {
    /// - Parameter previous: addresses by host that were handed out before.
    static func resolve(
        _ entries: [ServiceEntry], settings: MeshSettings, previous: [String: String], taken: [String]
    ) -> [MeshService] {
        var services: [MeshService] = []
        var places: [String: Int] = [:]
        for entry in entries {
            for host in entry.hosts {
                let next = MeshService(entry, host: host.value)
                if let place = places[next.key] {
                    services[place].join(next)
                } else {
                    places[next.key] = services.count
                    services.append(next)
                }
            }
        }
        var addresses = AddressAllocator(settings.entryNetwork, taken: taken)
        for service in services where needsAddress(service) {
            if let address = previous[service.host] { addresses.keep(address, for: service.host) }
        }
        // Namespaces that have the same host share its address: names have no namespace.
        var given: [String: String] = [:]
        for index in services.indices where needsAddress(services[index]) {
            let host = services[index].host
            let address = given[host] ?? addresses.allocate(for: host)
            given[host] = address
            services[index].addresses = [address]
        }
        return services.sorted { ($0.host, $0.namespace) < ($1.host, $1.namespace) }
    }

    /// Hosts that the proxy resolves or whose endpoints it knows can have an address of their own; a wildcard has no name to
    /// resolve, and NONE goes where the client wanted.
    private static func needsAddress(_ service: MeshService) -> Bool {
        guard service.addresses.isEmpty, !service.host.hasPrefix("*") else { return false }
        return service.resolution != .entry(.none) && service.resolution != .entry(.dynamicDNS)
    }
}

extension MeshService {
    init(_ entry: ServiceEntry, host: String) {
        let metadata = entry.metadata
        self.init(
            name: host,
            namespace: metadata.namespace,
            host: host,
            resolution: .entry(entry.resolution),
            addresses: entry.addresses,
            ports: entry.ports.map { port in
                Port(
                    number: port.number, name: port.name, target: .number(port.targetPort ?? port.number),
                    applicationProtocol: ApplicationProtocol(transport: port.transport), location: port.location
                )
            },
            selector: entry.workloadSelector ?? [:],
            publishNotReadyAddresses: false,
            labels: metadata.labels,
            exportTo: entry.exportTo.isEmpty ? nil : entry.exportTo.map(\.value),
            origin: Origin(.networking("ServiceEntry", metadata), at: metadata.location),
            entry: Entry(
                isExternal: entry.placement == .external, endpoints: entry.endpoints,
                subjectAltNames: entry.subjectAltNames
            )
        )
    }

    /// Adds the ports and endpoints of a younger entry of the same host and namespace.
    fileprivate mutating func join(_ other: MeshService) {
        ports += other.ports.filter { port($0.number) == nil }
        addresses += other.addresses.filter { !addresses.contains($0) }
        entry?.endpoints += other.entry?.endpoints ?? []
        if selector.isEmpty { selector = other.selector }
    }
}
