import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// What a sidecar does with its pod's own calls.
struct SidecarOutbound {
    let view: ProxyView
    private let parts: ListenerParts

    init(view: ProxyView) {
        self.view = view
        parts = ListenerParts(accessLog: view.accessLog)
    }

    func listeners(routes: [RouteTable]) -> [Listener] {
        let tables = Dictionary(routes.map { ($0.name, $0) }) { first, _ in first }
        var listeners = [virtualOutbound()]
        for port in httpPorts() {
            listeners.append(http(name: "0.0.0.0_\(port)", address: "0.0.0.0", port: port, table: tables["\(port)"]))
        }
        for service in view.services {
            for port in service.ports {
                listeners += listenersOfAddress(service, port: port, tables: tables)
            }
        }
        return listeners
    }

    /// Where captured connections arrive; those that no other listener takes go where they wanted to.
    private func virtualOutbound() -> Listener {
        var listener = Listener()
        listener.name = Names.virtualOutbound
        listener.address = .init("0.0.0.0", port: Names.outboundCapturePort)
        listener.useOriginalDst = .init(true)
        listener.trafficDirection = .outbound
        listener.filterChains = [
            parts.blackHole("virtualOutbound-blackhole", port: Names.outboundCapturePort)
        ]
        listener.defaultFilterChain = parts.chain("virtualOutbound-catchall-tcp", [parts.tcp(Names.passthrough)])
        return listener
    }

    private func http(name: String, address: String, port: Int, table: RouteTable?) -> Listener {
        var listener = Listener()
        listener.name = name
        listener.address = .init(address, port: port)
        listener.bindToPort = .init(false)
        listener.trafficDirection = .outbound
        // Other TLS on this port (an application that dials https itself) must not fail: it passes through.
        listener.listenerFilters = [.tlsInspector, .httpInspector]
        listener.listenerFiltersTimeout = .init(.zero)
        listener.continueOnListenerFiltersTimeout = true
        let manager = connectionManager(statPrefix: "outbound_\(name)", routes: table)
        listener.filterChains = [
            parts.chain("\(name)-http", [parts.http(manager)]) {
                $0.filterChainMatch.transportProtocol = "raw_buffer"
                $0.filterChainMatch.applicationProtocols = view.clearTextProtocols
            }
        ]
        listener.defaultFilterChain = parts.chain("\(name)-passthrough", [parts.tcp(Names.passthrough)])
        return listener
    }

    private func connectionManager(statPrefix: String, routes table: RouteTable?) -> ConnectionManager {
        var manager = parts.connectionManager(statPrefix: statPrefix)
        manager.rds.configSource = .aggregated
        manager.rds.routeConfigName = table?.name ?? ""
        parts.addFilters(for: table?.virtualHosts.flatMap(\.routes) ?? [], to: &manager)
        return manager
    }

    private func listenersOfAddress(
        _ service: MeshService, port: MeshService.Port, tables: [String: RouteTable]
    ) -> [Listener] {
        let kind = port.applicationProtocol
        guard !view.routesRequests(kind), kind != .udp else { return [] }
        let addresses: [String]
        if let address = service.address {
            addresses = [address]
        } else if service.resolution == .headless {
            addresses = view.snapshot.endpoints(of: service, port: port.number).map(\.workload.ip)
        } else {
            addresses = []
        }
        return addresses.map { address in
            let name = "\(address)_\(port.number)"
            var listener = Listener()
            listener.name = name
            listener.address = .init(address, port: port.number)
            listener.bindToPort = .init(false)
            listener.trafficDirection = .outbound
            let (tcp, origin) = tcpFilter(service, port: port)
            listener.metadata = Metadata(origin: origin)
            if kind == .unknown {
                listener.listenerFilters = [.tlsInspector, .httpInspector]
                // Where the server speaks first the client is silent: after this it is treated as plain TCP.
                listener.listenerFiltersTimeout = .init(.seconds(1))
                listener.continueOnListenerFiltersTimeout = true
                let table = tables["\(service.host):\(port.number)"]
                let manager = connectionManager(statPrefix: "outbound_\(name)", routes: table)
                listener.filterChains = [
                    parts.chain("\(name)-http", [parts.http(manager)]) {
                        $0.filterChainMatch.transportProtocol = "raw_buffer"
                        $0.filterChainMatch.applicationProtocols = view.clearTextProtocols
                    }
                ]
                listener.defaultFilterChain = parts.chain("\(name)-tcp", [tcp])
            } else {
                listener.filterChains = [parts.chain("\(name)-tcp", [tcp])]
            }
            return listener
        }
    }

    /// The TCP rules of a VirtualService, else the service itself.
    private func tcpFilter(_ service: MeshService, port: MeshService.Port) -> (NetworkFilter, Origin) {
        let fallback = Names.outboundCluster(port: port.number, host: service.host)
        guard let virtual = view.routing.virtualService(for: service.host),
            let rule = virtual.tcpRules(for: view.client, port: port.number).first
        else { return (parts.tcp(fallback), service.origin) }
        let compiler = RouteCompiler(view: view, listenerPort: port.number, isGateway: false)
        let clusters = rule.route.filter { rule.route.count == 1 || $0.weight > 0 }.compactMap { entry in
            entry.destination.map { (name: compiler.cluster(of: $0), weight: max(1, entry.weight)) }
        }
        guard !clusters.isEmpty else { return (parts.tcp(fallback), service.origin) }
        return (parts.tcp(clusters, statPrefix: fallback), virtual.origin(of: rule.location))
    }

    /// The ports on which some visible service speaks HTTP.
    private func httpPorts() -> [Int] {
        let ports = view.services.flatMap(\.ports).filter { view.routesRequests($0.applicationProtocol) }.map(\.number)
        return Set(ports + [80]).sorted()
    }

    // MARK: Routes

    func routes() -> [RouteTable] {
        let ports = httpPorts().map { table(name: "\($0)", port: $0, services: servicesWithHTTP(on: $0)) }
        let sniffed = view.services.flatMap { service in
            service.ports.filter { $0.applicationProtocol == .unknown }.map { port in
                table(name: "\(service.host):\(port.number)", port: port.number, services: [service], isSniffed: true)
            }
        }
        return ports + sniffed
    }

    private func servicesWithHTTP(on port: Int) -> [MeshService] {
        view.services.filter { $0.port(port).map { view.routesRequests($0.applicationProtocol) } == true }
    }

    private func table(name: String, port: Int, services: [MeshService], isSniffed: Bool = false) -> RouteTable {
        var table = RouteTable()
        table.name = name
        table.validateClusters = .init(false)
        table.ignorePortInHostMatching = true
        table.maxDirectResponseBodySizeBytes = .init(1 << 20)
        var taken: Set<String> = []
        for service in services {
            var host = virtualHost(service, port: port)
            // A domain may stand in one virtual host only; the first service (in order of host) keeps it.
            host.domains = host.domains.filter { taken.insert($0.lowercased()).inserted }
            if isSniffed { host.domains = ["*"] }
            if !host.domains.isEmpty { table.virtualHosts.append(host) }
        }
        guard !isSniffed else { return table }
        table.virtualHosts += foreignHosts(port: port, taken: &taken)
        table.virtualHosts.append(allowAny())
        return table
    }

    private func virtualHost(_ service: MeshService, port: Int) -> VirtualHost {
        var host = VirtualHost()
        host.name = "\(service.host):\(port)"
        host.domains = domains(of: service)
        let compiler = RouteCompiler(view: view, listenerPort: port, isGateway: false)
        if let virtual = view.routing.virtualService(for: service.host) {
            host.routes = compiler.routes(for: virtual, rules: virtual.httpRules(for: view.client, port: port))
        }
        if host.routes.isEmpty {
            host.routes = [compiler.defaultRoute(host: service.host, port: port, origin: service.origin)]
        }
        host.includeRequestAttemptCount = true
        host.metadata = Metadata(origin: service.origin)
        return host
    }

    /// Hosts of VirtualServices that are no services: names outside, or made up.
    private func foreignHosts(port: Int, taken: inout Set<String>) -> [VirtualHost] {
        var hosts: [VirtualHost] = []
        let compiler = RouteCompiler(view: view, listenerPort: port, isGateway: false)
        for entry in view.routing.entries where view.snapshot.service(host: entry.host) == nil && entry.host != "*" {
            guard taken.insert(entry.host.lowercased()).inserted else { continue }
            let rules = entry.virtualService.httpRules(for: view.client, port: port)
            let routes = compiler.routes(for: entry.virtualService, rules: rules)
            guard !routes.isEmpty else { continue }
            var host = VirtualHost()
            host.name = "\(entry.host):\(port)"
            host.domains = [entry.host]
            host.routes = routes
            host.includeRequestAttemptCount = true
            hosts.append(host)
        }
        return hosts
    }

    /// The names under which a pod of this namespace may call the service.
    private func domains(of service: MeshService) -> [String] {
        var domains = [service.host]
        let name = service.name
        let namespace = service.namespace
        if namespace == view.proxy.namespace { domains.append(name) }
        domains += ["\(name).\(namespace)", "\(name).\(namespace).svc"]
        if let address = service.address { domains.append(address) }
        return domains
    }

    /// ALLOW_ANY: what the mesh does not know goes where the client wanted.
    private func allowAny() -> VirtualHost {
        var route = Route()
        route.name = "allow_any"
        route.match.prefix = "/"
        route.route.cluster = Names.passthrough
        route.route.timeout = .init(.zero)
        var host = VirtualHost()
        host.name = "allow_any"
        host.domains = ["*"]
        host.routes = [route]
        host.includeRequestAttemptCount = true
        return host
    }

    // MARK: Clusters that are always there

    static func fixedClusters() -> [Cluster] {
        var passthrough = Cluster()
        passthrough.name = Names.passthrough
        passthrough.type = .originalDst
        passthrough.lbPolicy = .clusterProvided
        passthrough.connectTimeout = .init(.seconds(10))
        var blackHole = Cluster()
        blackHole.name = Names.blackHole
        blackHole.type = .static
        blackHole.connectTimeout = .init(.seconds(10))
        return [passthrough, blackHole]
    }
}
