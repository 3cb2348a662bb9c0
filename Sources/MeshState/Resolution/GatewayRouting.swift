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
    /// Port of the Gateway and of the Service in front; names the route configuration `http.<port>`.
    package var port: Int
    /// Port that the proxy listens on.
    package var targetPort: Int
    package var bind: String?
    /// Oldest first, all of one class (HTTP in clear, TLS, TCP).
    package var servers: [GatewayServer]

    package var isHTTP: Bool { servers.first.map { $0.port.transport.isHTTP && !$0.port.transport.needsTLS } ?? false }
    package var isTLS: Bool { servers.first?.port.transport.needsTLS ?? false }
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
    /// Answer 301 to https instead of routing.
    package var httpsRedirect: Bool
}

extension MeshSnapshot {
    /// The Gateways that select a workload, oldest first. Selectors look at the gateway pods of every namespace.
    package func gateways(for workload: MeshWorkload) -> [Gateway] {
        gateways.filter { workload.matches($0.selector) }
    }

    /// What a gateway workload listens on, by port. A server whose class differs from that of an older one on the same port
    /// has no place and is left out.
    package func gatewayListeners(for workload: MeshWorkload) -> [GatewayListener] {
        var listeners: [GatewayListener] = []
        for gateway in gateways(for: workload) {
            let key = ResourceKey.networking("Gateway", gateway.metadata)
            for server in gateway.servers {
                guard let port = server.port else { continue }
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
                    targetPort: targetPort(of: workload, port: port.number),
                    bind: bind,
                    servers: [entry]
                )
                if let same = listeners.firstIndex(where: { $0.port == port.number && $0.bind == bind }) {
                    guard listeners[same].isHTTP == next.isHTTP, listeners[same].isTLS == next.isTLS else { continue }
                    listeners[same].servers.append(entry)
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
                        hosts[host] = GatewayVirtualHost(host: host, rules: [], httpsRedirect: redirect)
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

    private func targetPort(of workload: MeshWorkload, port: Int) -> Int {
        for service in services(of: workload) {
            if let found = service.port(port).flatMap({ workload.port(for: $0.target) }) { return found }
        }
        return port
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
