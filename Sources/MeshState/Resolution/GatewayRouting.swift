package import MeshAPI

/// A server of a Gateway on a gateway workload.
package struct GatewayServer: Sendable, Equatable {
    /// `namespace/name`
    package var gateway: String
    package var namespace: String
    package var server: Server
    package var port: Server.Port
    package var origin: Origin
}

/// The servers that share a port of a gateway workload.
package struct GatewayListener: Sendable, Equatable {
    /// Port of the first server, and of the Service in front.
    package var port: Int
    /// Port that the proxy listens on; names the route configuration `http.<port>`.
    package var targetPort: Int
    package var bind: String?
    /// Oldest first, all of one class (HTTP in clear, TLS, TCP).
    package var servers: [GatewayServer]

    package var isHTTP: Bool { servers.first.map { $0.port.transport.isHTTP && !$0.port.transport.needsTLS } ?? false }
    package var isTLS: Bool { servers.first?.port.transport.needsTLS ?? false }

    /// Whether two servers of one port can be told apart: HTTP in clear by host, TLS by server name. Bytes in clear cannot: the
    /// older server has the port alone, as in Istio.
    package static func shares(_ older: Server.Port, _ younger: Server.Port) -> Bool {
        if older.transport.needsTLS { return younger.transport.needsTLS }
        return older.transport.isHTTP && younger.transport.isHTTP && !younger.transport.needsTLS
    }
}

/// The merged rules of one host on a gateway.
package struct GatewayVirtualHost: Sendable, Equatable {
    package struct Rule: Sendable, Equatable {
        package var rule: HTTPRoute
        package var virtualService: ResolvedVirtualService

        package var origin: Origin { virtualService.origin(of: rule.location) }
    }

    /// Name or wildcard; `*` is any host.
    package var host: String
    /// Rules of the oldest VirtualService first, those that take every request at the end.
    package var rules: [Rule]
    /// Port of the server that the host came in by first.
    package var port: Int
    /// Answer 301 to https instead of routing.
    package var httpsRedirect: Bool
}

extension MeshSnapshot {
    /// The Gateways that select a workload, oldest first. Selectors look at the gateway pods of every namespace.
    package func gateways(for workload: MeshWorkload) -> [Gateway] {
        let served = gateways.contains { $0.serviceNames != nil } ? Set(services(of: workload).map(\.host)) : []
        return gateways.filter { gateway in
            if let names = gateway.serviceNames { return names.contains(where: served.contains) }
            return workload.matches(gateway.selector)
        }
    }

    /// What a gateway workload listens on, by port. A server that cannot share its port with an older one has no place and is
    /// left out (see `GatewayListener.shares`).
    package func gatewayListeners(for workload: MeshWorkload) -> [GatewayListener] {
        var listeners: [GatewayListener] = []
        for gateway in gateways(for: workload) {
            let key = ResourceKey.networking("Gateway", gateway.metadata)
            for server in gateway.servers {
                guard let port = server.port,
                    let target = targetPort(of: workload, port: port.number, of: gateway)
                else { continue }
                let entry = GatewayServer(
                    gateway: "\(gateway.metadata.namespace)/\(gateway.metadata.name)",
                    namespace: gateway.metadata.namespace,
                    server: server,
                    port: port,
                    origin: Origin(key, at: server.location)
                )
                let bind = server.bind.flatMap { $0.isEmpty || $0 == "0.0.0.0" ? nil : $0 }
                let next = GatewayListener(
                    port: port.number,
                    targetPort: target,
                    bind: bind,
                    servers: [entry]
                )
                if let same = listeners.firstIndex(where: { $0.targetPort == target && $0.bind == bind }) {
                    if listeners[same].servers.allSatisfy({ GatewayListener.shares($0.port, port) }) {
                        listeners[same].servers.append(entry)
                    }
                } else {
                    listeners.append(next)
                }
            }
        }
        return listeners.sorted { ($0.port, $0.bind ?? "") < ($1.port, $1.bind ?? "") }
    }

    /// The virtual hosts of servers that share one route configuration: all HTTP servers of a port, or one HTTPS server.
    package func gatewayVirtualHosts(of servers: [GatewayServer], workload: MeshWorkload) -> [GatewayVirtualHost] {
        var order: [String] = []
        var hosts: [String: GatewayVirtualHost] = [:]
        for server in servers {
            let client = RouteClient(namespace: workload.namespace, labels: workload.labels, gateways: [server.gateway])
            let redirect = server.server.tls?.httpsRedirect ?? false
            for service in virtualServices(visibleIn: workload.namespace)
            where service.gateways.contains(server.gateway) || service.matches(gateway: server.gateway) {
                let rules = service.httpRules(for: client, port: server.port.number)
                guard !rules.isEmpty else { continue }
                for host in server.hosts(of: service) {
                    if hosts[host] == nil {
                        order.append(host)
                        hosts[host] = GatewayVirtualHost(
                            host: host, rules: [], port: server.port.number, httpsRedirect: redirect
                        )
                    }
                    for rule in rules {
                        let entry = GatewayVirtualHost.Rule(rule: rule, virtualService: service)
                        // Two servers of one port may lead the same rule to the same host.
                        if hosts[host]?.rules.contains(entry) == false { hosts[host]?.rules.append(entry) }
                    }
                }
            }
        }
        return order.compactMap { hosts[$0] }.map { host in
            var sorted = host
            sorted.rules = host.rules.filter { !$0.rule.isCatchAll } + host.rules.filter(\.rule.isCatchAll)
            return sorted
        }
    }

    /// The port that the proxy listens on for a server's port; nil when the gateway is tied to Services that do not have it.
    private func targetPort(of workload: MeshWorkload, port: Int, of gateway: Gateway) -> Int? {
        let names = gateway.serviceNames
        for service in services(of: workload) where names?.contains(service.host) ?? true {
            if let found = service.port(port).flatMap({ workload.port(for: $0.target) }) { return found }
        }
        return names == nil ? port : nil
    }
}

extension Gateway {
    /// Services whose pods are the gateway (annotation `internal.istio.io/gateway-service`), instead of a selector.
    var serviceNames: [String]? {
        metadata.annotations["internal.istio.io/gateway-service"].map {
            $0.split(separator: ",").map { String($0).replacing(" ", with: "") }
        }
    }
}

extension GatewayServer {
    /// The hosts on which a VirtualService and this server meet: the narrower of each pair that overlaps.
    package func hosts(of service: ResolvedVirtualService) -> [String] {
        var result: [String] = []
        for own in server.hosts {
            let parts = own.value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[parts.count - 1])
            if parts.count == 2, parts[0] != "*" {
                let allowed = parts[0] == "." ? namespace : String(parts[0])
                guard service.namespace == allowed else { continue }
            }
            for host in service.hosts.map(\.value) {
                let meeting: String? =
                    HostRules.isSubset(host, of: name) ? host : HostRules.isSubset(name, of: host) ? name : nil
                if let meeting, !result.contains(meeting) { result.append(meeting) }
            }
        }
        return result
    }
}

extension HTTPRoute {
    /// Whether the rule takes every request.
    package var isCatchAll: Bool { match.isEmpty || match.contains(where: \.isCatchAll) }
}
