import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// What a sidecar does with its pod's own calls: the routes by port, and the clusters that are always there.
struct SidecarOutbound {
    let view: ProxyView
    private let names: OutboundNames

    init(view: ProxyView) {
        self.view = view
        names = OutboundNames(view: view)
    }

    func listeners(routes: [RouteTable]) -> [Listener] {
        let tables = Dictionary(routes.map { ($0.name, $0) }) { first, _ in first }
        return OutboundListeners(view: view, tables: tables).listeners()
    }

    func routes() -> [RouteTable] {
        var tables: [RouteTable] = []
        for part in view.scope.listeners {
            for port in names.httpPorts(of: part) {
                tables.append(table(name: names.table(part, port: port), port: port, part: part))
            }
            for service in part.services {
                for port in service.ports where port.applicationProtocol == .unknown {
                    guard names.isServed(port.number, by: part) else { continue }
                    tables.append(sniffedTable(service, port: port.number, part: part))
                }
            }
        }
        return tables
    }

    private func empty(_ name: String) -> RouteTable {
        var table = RouteTable()
        table.name = name
        table.validateClusters = .init(false)
        table.ignorePortInHostMatching = true
        table.maxDirectResponseBodySizeBytes = .init(1 << 20)
        return table
    }

    private func table(name: String, port: Int, part: SidecarScope.Listener) -> RouteTable {
        var table = empty(name)
        var taken: Set<String> = []
        for service in part.services {
            guard let own = service.port(port), view.routesRequests(own.applicationProtocol) else { continue }
            var host = virtualHost(service, port: port, part: part)
            // A domain may stand in one virtual host only; the first service keeps it.
            host.domains = host.domains.filter { taken.insert($0.lowercased()).inserted }
            if !host.domains.isEmpty { table.virtualHosts.append(host) }
        }
        table.virtualHosts += foreignHosts(port: port, part: part, taken: &taken)
        table.virtualHosts.append(unknownHost())
        return table
    }

    private func sniffedTable(_ service: MeshService, port: Int, part: SidecarScope.Listener) -> RouteTable {
        var table = empty("\(service.host):\(port)")
        var host = virtualHost(service, port: port, part: part)
        host.domains = ["*"]
        table.virtualHosts = [host]
        return table
    }

    /// How requests for a service are routed on a port, whatever table they come from.
    func virtualHost(_ service: MeshService, port: Int, part: SidecarScope.Listener) -> VirtualHost {
        var host = VirtualHost()
        host.name = "\(service.host):\(port)"
        host.domains = domains(of: service)
        let compiler = RouteCompiler(view: view, listenerPort: port, isGateway: false)
        if let virtual = part.routing.virtualService(for: service.host) {
            host.routes = compiler.routes(for: virtual, rules: virtual.httpRules(for: view.client, port: port))
            // Rules that do not take every request leave the rest without a route, as in Istio; none at all is no routing.
        }
        if host.routes.isEmpty {
            host.routes = [compiler.defaultRoute(host: service.host, port: port, origin: service.origin)]
        }
        host.includeRequestAttemptCount = true
        host.metadata = Metadata(origin: service.origin)
        return host
    }

    /// Hosts of VirtualServices that are no services in sight: names outside, or made up. A wildcard that routes some service
    /// has done its work there.
    private func foreignHosts(port: Int, part: SidecarScope.Listener, taken: inout Set<String>) -> [VirtualHost] {
        var hosts: [VirtualHost] = []
        let compiler = RouteCompiler(view: view, listenerPort: port, isGateway: false)
        for entry in part.routing.entries where entry.host != "*" {
            if entry.host.hasPrefix("*") {
                if part.services.contains(where: { HostRules.isSubset($0.host, of: entry.host) }) { continue }
            } else if part.service(entry.host) != nil {
                continue
            }
            guard taken.insert(entry.host.lowercased()).inserted else { continue }
            let host = foreignHost(entry.host, entry.virtualService, compiler)
            if !host.routes.isEmpty { hosts.append(host) }
        }
        return hosts
    }

    private func foreignHost(
        _ name: String, _ service: ResolvedVirtualService, _ compiler: RouteCompiler
    ) -> VirtualHost {
        var host = VirtualHost()
        host.name = "\(name):\(compiler.listenerPort)"
        host.domains = [name]
        host.routes = compiler.routes(
            for: service, rules: service.httpRules(for: view.client, port: compiler.listenerPort))
        host.includeRequestAttemptCount = true
        return host
    }

    /// Makes the virtual hosts of a VirtualService anew after its rules changed.
    /// - Returns: the names of the tables that changed; nil when more than virtual hosts must be made anew.
    func update(_ tables: inout [String: EncodedRouteTable], for service: ResolvedVirtualService) -> Set<String>? {
        var changed: Set<String> = []
        for part in view.scope.listeners {
            for host in service.hosts.map(\.value) {
                // A wildcard may route any number of services.
                if host.hasPrefix("*") { return nil }
                guard part.routing.virtualService(for: host)?.key == service.key else { continue }
                if let known = part.service(host) {
                    for port in known.ports where names.isServed(port.number, by: part) {
                        let own = "\(host):\(port.number)"
                        let name =
                            port.applicationProtocol == .unknown ? own : names.table(part, port: port.number)
                        // Not in this table: another service has its names, or the port is not routed here.
                        guard let domains = tables[name]?.domains(own) else { continue }
                        var made = virtualHost(known, port: port.number, part: part)
                        made.domains = domains
                        guard tables[name]?.replace(made) == true else { return nil }
                        changed.insert(name)
                    }
                } else {
                    for (name, table) in tables {
                        guard let port = Int(name.split(separator: ":").last ?? ""),
                            table.domains("\(host):\(port)") != nil
                        else { continue }
                        let compiler = RouteCompiler(view: view, listenerPort: port, isGateway: false)
                        let made = foreignHost(host, service, compiler)
                        guard !made.routes.isEmpty, tables[name]?.replace(made) == true else { return nil }
                        changed.insert(name)
                    }
                    if changed.isEmpty { return nil }
                }
            }
        }
        return changed
    }

    /// The names under which a pod of this namespace may call the service.
    private func domains(of service: MeshService) -> [String] {
        var domains = [service.host]
        let addresses = service.addresses.filter { !$0.contains("/") }
        guard service.entry == nil else { return domains + addresses }
        let name = service.name
        let namespace = service.namespace
        if namespace == view.proxy.namespace { domains.append(name) }
        domains += ["\(name).\(namespace)", "\(name).\(namespace).svc"]
        return domains + addresses
    }

    /// What the mesh does not know goes where the client wanted (ALLOW_ANY), or gets 502 (REGISTRY_ONLY).
    private func unknownHost() -> VirtualHost {
        var route = Route()
        route.match.prefix = "/"
        var host = VirtualHost()
        if let cluster = view.unknownTraffic {
            route.name = "allow_any"
            route.route.cluster = cluster
            route.route.timeout = .init(.zero)
            host.includeRequestAttemptCount = true
        } else {
            route.name = "block_all"
            route.directResponse.status = 502
        }
        host.name = route.name
        host.domains = ["*"]
        host.routes = [route]
        return host
    }

    // MARK: Clusters that are always there

    static func fixedClusters() -> [Cluster] {
        var passthrough = Cluster()
        passthrough.name = Names.passthrough
        passthrough.type = .originalDst
        passthrough.lbPolicy = .clusterProvided
        passthrough.connectTimeout = .init(.seconds(10))
        PolicyCompiler.followClient(&passthrough)
        var blackHole = Cluster()
        blackHole.name = Names.blackHole
        blackHole.type = .static
        blackHole.connectTimeout = .init(.seconds(10))
        return [passthrough, blackHole]
    }
}

/// Which ports and names of route tables the listeners of a sidecar have.
struct OutboundNames {
    let view: ProxyView
    private let claimed: Set<Int>

    init(view: ProxyView) {
        self.view = view
        claimed = Set(view.scope.listeners.compactMap { $0.port?.number }.filter { $0 != 0 })
    }

    /// Whether connections to a port belong to this listener of the scope.
    func isServed(_ port: Int, by part: SidecarScope.Listener) -> Bool {
        guard let own = part.port?.number, own != 0 else { return !claimed.contains(port) }
        return own == port
    }

    /// The ports on which requests are routed: those of a service in sight, and 80.
    func httpPorts(of part: SidecarScope.Listener) -> [Int] {
        if let own = part.port, own.number != 0 {
            let kind = ApplicationProtocol(transport: own.transport)
            return kind.isHTTP || own.transport.isEmpty ? [own.number] : []
        }
        let ports = part.services.flatMap(\.ports).filter { view.routesRequests($0.applicationProtocol) }.map(\.number)
        return Set(ports + [80]).subtracting(claimed).sorted()
    }

    func table(_ part: SidecarScope.Listener, port: Int) -> String {
        guard let bind = part.bind, !bind.isEmpty, part.port != nil else { return "\(port)" }
        return "\(bind):\(port)"
    }
}
