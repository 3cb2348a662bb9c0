import MeshAPI

/// Servers of Gateways that get no traffic, because an older one has their port.
enum GatewayConflicts {
    /// Gateways with the same selector run on the same workloads. In order of age.
    static func diagnostics(_ gateways: [Gateway]) -> [Diagnostic] {
        var taken: [String: (port: Server.Port, origin: Origin)] = [:]
        var found: [Diagnostic] = []
        for gateway in gateways where gateway.serviceNames == nil {
            let key = ResourceKey.networking("Gateway", gateway.metadata)
            let selector = gateway.selector.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            for server in gateway.servers {
                guard let port = server.port else { continue }
                let place = "\(selector)|\(server.bind ?? "")|\(port.number)"
                guard let older = taken[place] else {
                    taken[place] = (port, Origin(key, at: server.location))
                    continue
                }
                guard !GatewayListener.shares(older.port, port) else { continue }
                found.append(
                    Diagnostic(
                        .warning, at: server.location, resource: key.description, path: "spec.servers.port",
                        "port \(port.number) belongs to \(older.origin), and \(port.transport.rawValue) cannot share it with "
                            + "\(older.port.transport.rawValue): this server gets no traffic"
                    )
                )
            }
        }
        return found
    }
}
