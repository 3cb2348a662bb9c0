import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// Where the connections to a port of a service go: its VirtualService's `tls` and `tcp` rules, else the service itself.
struct L4Routes {
    struct Route {
        var name: String
        var clusters: [(name: String, weight: Int)]
        var serverNames: [String] = []
        var ranges: [Envoy_Config_Core_V3_CidrRange] = []
        var origin: Origin
        /// Of the first destination's DestinationRule.
        var tunnel: (target: String, usesPost: Bool)?
        /// How long a connection may be silent (`connectionPool.tcp.idleTimeout` of the first destination).
        var idleTimeout: Duration?
    }

    private let view: ProxyView
    private let port: Int
    private let fallback: Route
    private let virtual: ResolvedVirtualService?
    private let host: String
    private let compiler: RouteCompiler

    init(view: ProxyView, part: SidecarScope.Listener, service: MeshService, port: MeshService.Port) {
        self.view = view
        self.port = port.number
        host = service.host
        let cluster = Names.outboundCluster(port: port.number, host: service.host)
        fallback = Route(
            name: cluster, clusters: [(cluster, 1)], origin: service.origin,
            tunnel: Self.tunnel(view, host: service.host, port: port.number, subset: nil),
            idleTimeout: view.policy(host: service.host, port: port.number, subset: nil).connectionPool?.tcp?
                .idleTimeout
        )
        virtual = part.routing.virtualService(for: service.host)
        compiler = RouteCompiler(view: view, listenerPort: port.number, isGateway: false)
    }

    var origin: Origin { tcp().rest.origin }

    /// Rules by server name, in order.
    func tls() -> [Route] {
        guard let virtual else { return [] }
        var found: [Route] = []
        for rule in virtual.tlsRules(for: view.client, port: port) {
            let clusters = Self.clusters(rule.route, compiler)
            guard let first = clusters.first else { continue }
            for match in rule.match {
                found.append(
                    Route(
                        name: first.name, clusters: clusters, serverNames: match.sniHosts.map(\.value),
                        ranges: match.destinationSubnets.compactMap(Self.range),
                        origin: virtual.origin(of: rule.location), tunnel: tunnel(of: rule.route),
                        idleTimeout: Self.idleTimeout(of: rule.route, compiler)
                    )
                )
            }
        }
        return found
    }

    /// Rules for ranges of destinations, and what holds for the rest: the first rule without a range.
    func tcp() -> (ranged: [Route], rest: Route) {
        guard let virtual else { return ([], fallback) }
        var ranged: [Route] = []
        for rule in virtual.tcpRules(for: view.client, port: port) {
            let clusters = Self.clusters(rule.route, compiler)
            guard let first = clusters.first else { continue }
            var route = Route(
                name: first.name, clusters: clusters, origin: virtual.origin(of: rule.location),
                tunnel: tunnel(of: rule.route), idleTimeout: Self.idleTimeout(of: rule.route, compiler)
            )
            if rule.match.isEmpty || rule.match.contains(where: { $0.destinationSubnets.isEmpty }) {
                return (ranged, route)
            }
            route.ranges = rule.match.flatMap(\.destinationSubnets).compactMap(Self.range)
            ranged.append(route)
        }
        return (ranged, fallback)
    }

    private func tunnel(of route: [RouteDestination]) -> (target: String, usesPost: Bool)? {
        Self.tunnel(of: route, compiler)
    }

    static func tunnel(of route: [RouteDestination], _ compiler: RouteCompiler) -> (target: String, usesPost: Bool)? {
        guard let first = route.first?.destination else { return nil }
        return Self.tunnel(
            compiler.view, host: first.host.value, port: compiler.port(of: first), subset: first.subset?.value
        )
    }

    private static func tunnel(
        _ view: ProxyView, host: String, port: Int, subset: String?
    ) -> (target: String, usesPost: Bool)? {
        guard view.proxy.features.contains(.tunneling),
            let tunnel = view.policy(host: host, port: port, subset: subset).tunnel,
            tunnel.httpMethod != "POST" || view.proxy.features.contains(.postTunneling)
        else { return nil }
        return ("\(tunnel.targetHost):\(tunnel.targetPort)", tunnel.httpMethod == "POST")
    }

    static func idleTimeout(of route: [RouteDestination], _ compiler: RouteCompiler) -> Duration? {
        guard let first = route.first?.destination else { return nil }
        let policy = compiler.view.policy(
            host: first.host.value, port: compiler.port(of: first), subset: first.subset?.value)
        return policy.connectionPool?.tcp?.idleTimeout
    }

    static func clusters(_ route: [RouteDestination], _ compiler: RouteCompiler) -> [(name: String, weight: Int)] {
        route.filter { route.count == 1 || $0.weight > 0 }.compactMap { entry in
            entry.destination.map { (name: compiler.cluster(of: $0), weight: max(1, entry.weight)) }
        }
    }

    /// `10.1.0.0/16`; an address without a length is itself.
    static func range(_ text: String) -> Envoy_Config_Core_V3_CidrRange? {
        let parts = text.split(separator: "/")
        guard let address = parts.first else { return nil }
        var range = Envoy_Config_Core_V3_CidrRange()
        range.addressPrefix = String(address)
        let whole: UInt32 = address.contains(":") ? 128 : 32
        range.prefixLen = .init(parts.count == 2 ? UInt32(parts[1]) ?? whole : whole)
        return range
    }
}
