import MeshAPI

/// Services with host names, protocols and addresses.
enum ServiceResolution {
    static func resolve(_ services: [Service], settings: MeshSettings, previous: [String: String]) -> [MeshService] {
        let sorted = services.sorted {
            ($0.metadata.namespace, $0.metadata.name) < ($1.metadata.namespace, $1.metadata.name)
        }
        var addresses = AddressAllocator(settings.serviceNetwork, taken: sorted.compactMap(givenAddress))
        var aliases = AddressAllocator(settings.entryNetwork, taken: [])
        // Addresses that were handed out before stay, so that a new service cannot move an old one.
        for service in sorted where needsAddress(service) {
            let host = settings.host(service: service.metadata.name, namespace: service.metadata.namespace)
            guard let address = previous[host] else { continue }
            addresses.keep(address, for: host)
            aliases.keep(address, for: host)
        }
        return sorted.map { service in
            let host = settings.host(service: service.metadata.name, namespace: service.metadata.namespace)
            switch service.form {
            case .clusterIP(let given):
                let address = given ?? addresses.allocate(for: host)
                return MeshService(service, host: host, resolution: .clusterIP(address), addresses: [address])
            case .headless:
                return MeshService(service, host: host, resolution: .headless, addresses: [])
            case .externalName(let name):
                return MeshService(
                    service, host: host, resolution: .externalName(name), addresses: [aliases.allocate(for: host)]
                )
            }
        }
    }

    private static func givenAddress(_ service: Service) -> String? {
        if case .clusterIP(let address) = service.form { address } else { nil }
    }

    private static func needsAddress(_ service: Service) -> Bool {
        switch service.form {
        case .clusterIP(nil), .externalName: true
        default: false
        }
    }
}

extension MeshService {
    init(_ service: Service, host: String, resolution: Resolution, addresses: [String]) {
        let metadata = service.metadata
        let exportTo = metadata.annotations["networking.istio.io/exportTo"]?
            .split(separator: ",")
            .map { $0.drop { $0 == " " } }
            .map { String($0.prefix { $0 != " " }) }
        self.init(
            name: metadata.name,
            namespace: metadata.namespace,
            host: host,
            resolution: resolution,
            addresses: addresses + service.externalIPs,
            ports: service.ports.map { port in
                Port(
                    number: port.number,
                    name: port.name ?? "",
                    target: port.target,
                    applicationProtocol: ApplicationProtocol(port),
                    location: port.location
                )
            },
            selector: service.selector,
            publishNotReadyAddresses: service.publishNotReadyAddresses,
            labels: metadata.labels,
            exportTo: exportTo,
            origin: Origin(
                ResourceKey(group: "", kind: "Service", namespace: metadata.namespace, name: metadata.name),
                at: metadata.location
            ),
            hasClientAffinity: service.hasClientAffinity,
            prefersNearby: service.prefersNearby
        )
    }
}

/// Hands out addresses of a /16 by a hash of the name, so that a service has the same address in every run.
struct AddressAllocator {
    private let network: (UInt8, UInt8)
    private var taken: Set<String>
    private var kept: [String: String] = [:]

    init(_ network: (UInt8, UInt8), taken: [String]) {
        self.network = network
        self.taken = Set(taken)
    }

    mutating func keep(_ address: String, for host: String) {
        guard address.hasPrefix("\(network.0).\(network.1)."), taken.insert(address).inserted else { return }
        kept[host] = address
    }

    mutating func allocate(for host: String) -> String {
        if let address = kept[host] { return address }
        // FNV-1a, 32 bits: Swift's own hashes differ from run to run.
        var hash: UInt32 = 2_166_136_261
        for byte in host.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        // The first and last 16 addresses stay free: gateways, DNS servers and broadcast live there.
        let size: UInt32 = 65_536 - 32
        var offset = hash % size
        for _ in 0..<size {
            let value = offset + 16
            let address = "\(network.0).\(network.1).\(value >> 8).\(value & 0xFF)"
            if taken.insert(address).inserted { return address }
            offset = (offset + 1) % size
        }
        return "0.0.0.0"
    }
}
