import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// The listeners of a pod's own calls: one for each port on which requests are routed, one for each address of a service that
/// is carried as bytes.
struct OutboundListeners {
    let view: ProxyView
    let tables: [String: RouteTable]
    private let names: OutboundNames
    private let parts: ListenerParts

    init(view: ProxyView, tables: [String: RouteTable]) {
        self.view = view
        self.tables = tables
        names = OutboundNames(view: view)
        parts = ListenerParts(configuration: view.mesh)
    }

    /// A listener under construction. The first chain of a match stays; Envoy refuses a second one.
    private struct Draft {
        var listener: Listener
        var isHTTP = false
        var isSniffed = false
        var chains: [FilterChain] = []
        var fallback: FilterChain?
        var matches: Set<String> = []

        mutating func add(_ chain: FilterChain) {
            let match = chain.filterChainMatch
            let key =
                "\(match.serverNames)|\(match.transportProtocol)|\(match.applicationProtocols)|"
                + match.prefixRanges.map { "\($0.addressPrefix)/\($0.prefixLen.value)" }.joined(separator: ",")
            if matches.insert(key).inserted { chains.append(chain) }
        }
    }

    func listeners() -> [Listener] {
        var drafts: [String: Draft] = [:]
        for part in view.scope.listeners {
            for port in names.httpPorts(of: part) { addHTTP(port: port, part: part, to: &drafts) }
            for service in part.services {
                for port in service.ports where names.isServed(port.number, by: part) {
                    add(service, port: port, part: part, to: &drafts)
                }
            }
            addForeignTLS(part, to: &drafts)
        }
        return [virtualOutbound()] + drafts.sorted { $0.key < $1.key }.map { finish($0.value) }
    }

    private func finish(_ draft: Draft) -> Listener {
        var listener = draft.listener
        listener.filterChains = RangedChains.spread(draft.chains)
        let needsTLS = draft.chains.contains {
            !$0.filterChainMatch.serverNames.isEmpty || $0.filterChainMatch.transportProtocol == "tls"
        }
        if draft.isHTTP || draft.isSniffed {
            listener.listenerFilters = [.tlsInspector, .httpInspector]
        } else if needsTLS {
            listener.listenerFilters = [.tlsInspector]
        }
        if draft.isSniffed {
            // Where the server speaks first the client is silent: after this it is treated as plain TCP.
            listener.listenerFiltersTimeout = .init(.seconds(1))
            listener.continueOnListenerFiltersTimeout = true
        } else if draft.isHTTP {
            listener.listenerFiltersTimeout = .init(.zero)
            listener.continueOnListenerFiltersTimeout = true
        }
        if let fallback = draft.fallback {
            listener.defaultFilterChain = fallback
        } else if draft.isHTTP || (needsTLS && listener.address.socketAddress.address == "0.0.0.0") {
            listener.defaultFilterChain = unknown("\(listener.name)-passthrough")
        }
        return listener
    }

    private func unknown(_ name: String) -> FilterChain {
        parts.chain(name, [parts.tcp(view.unknownTraffic ?? Names.blackHole)])
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
        listener.defaultFilterChain = unknown("virtualOutbound-catchall-tcp")
        return listener
    }

    private func draft(_ address: String, port: Int, bindsItself: Bool = false) -> Draft {
        var listener = Listener()
        listener.name = "\(address)_\(port)"
        listener.address = .init(address, port: port)
        listener.bindToPort = .init(bindsItself)
        listener.trafficDirection = .outbound
        return Draft(listener: listener)
    }

    // MARK: Requests

    private func addHTTP(port: Int, part: SidecarScope.Listener, to drafts: inout [String: Draft]) {
        let address = part.port == nil ? "0.0.0.0" : part.bind ?? (part.captureMode == .none ? "127.0.0.1" : "0.0.0.0")
        let key = "\(address)_\(port)"
        var draft = drafts[key] ?? draft(address, port: port, bindsItself: part.captureMode == .none)
        draft.isHTTP = true
        let manager = connectionManager(statPrefix: "outbound_\(key)", table: names.table(part, port: port))
        draft.add(
            parts.chain("\(key)-http", [parts.http(manager)]) {
                // Other TLS on this port (an application that dials https itself) must not fail: it passes through.
                $0.filterChainMatch.transportProtocol = "raw_buffer"
                $0.filterChainMatch.applicationProtocols = view.clearTextProtocols
            }
        )
        drafts[key] = draft
    }

    private func connectionManager(statPrefix: String, table name: String) -> ConnectionManager {
        var manager = parts.connectionManager(statPrefix: statPrefix)
        manager.rds.configSource = .aggregated
        manager.rds.routeConfigName = name
        parts.addFilters(for: tables[name]?.virtualHosts.flatMap(\.routes) ?? [], to: &manager)
        return manager
    }

    // MARK: Bytes

    private func add(
        _ service: MeshService, port: MeshService.Port, part: SidecarScope.Listener, to drafts: inout [String: Draft]
    ) {
        let kind = port.applicationProtocol
        guard !view.routesRequests(kind), kind != .udp else { return }
        let place = addresses(of: service, port: port)
        for address in place.own {
            let key = "\(address)_\(port.number)"
            var draft = drafts[key] ?? draft(address, port: port.number)
            fill(&draft, service, port: port, part: part, wildcard: nil)
            if draft.fallback == nil, draft.chains.isEmpty { continue }
            drafts[key] = draft
        }
        guard place.isAnywhere || !place.ranges.isEmpty else { return }
        let key = "0.0.0.0_\(port.number)"
        var draft = drafts[key] ?? draft("0.0.0.0", port: port.number)
        fill(&draft, service, port: port, part: part, wildcard: place.ranges)
        drafts[key] = draft
    }

    private struct Place {
        var own: [String] = []
        var ranges: [String] = []
        /// Nothing but the name or the port tells the service.
        var isAnywhere = false
    }

    private func addresses(of service: MeshService, port: MeshService.Port) -> Place {
        var place = Place()
        place.own = service.addresses.filter { !$0.contains("/") }
        place.ranges = service.addresses.filter { $0.contains("/") }
        if service.resolution == .headless {
            place.own = view.snapshot.endpoints(of: service, port: port.number).map(\.workload.ip)
        } else if service.addresses.isEmpty, service.entry != nil {
            place.isAnywhere = true
        }
        return place
    }

    private func fill(
        _ draft: inout Draft, _ service: MeshService, port: MeshService.Port, part: SidecarScope.Listener,
        wildcard ranges: [String]?
    ) {
        let name = draft.listener.name
        let routes = L4Routes(view: view, part: part, service: service, port: port)
        draft.listener.metadata = Metadata(origin: routes.origin)
        if port.applicationProtocol.isTLS {
            for (number, route) in routes.tls().enumerated() {
                draft.add(
                    parts.chain("\(name)-tls-\(service.host)-\(number)", [self.filter(route)]) {
                        $0.filterChainMatch.serverNames = route.serverNames
                        $0.filterChainMatch.transportProtocol = "tls"
                        $0.filterChainMatch.prefixRanges = route.ranges
                        $0.metadata = Metadata(origin: route.origin)
                    }
                )
            }
        }
        let tcp = routes.tcp()
        for (number, route) in tcp.ranged.enumerated() {
            draft.add(
                parts.chain("\(name)-tcp-\(number)", [self.filter(route)]) {
                    $0.filterChainMatch.prefixRanges = route.ranges
                    $0.metadata = Metadata(origin: route.origin)
                }
            )
        }
        let rest = self.filter(tcp.rest)
        if let ranges {
            if port.applicationProtocol.isTLS, ranges.isEmpty {
                draft.add(
                    parts.chain("\(name)-tls-\(service.host)", [rest]) {
                        $0.filterChainMatch.serverNames = [service.host]
                        $0.filterChainMatch.transportProtocol = "tls"
                    }
                )
            } else if ranges.isEmpty {
                if draft.fallback == nil { draft.fallback = parts.chain("\(name)-tcp", [rest]) }
            } else {
                draft.add(
                    parts.chain("\(name)-tcp-\(service.host)", [rest]) {
                        $0.filterChainMatch.prefixRanges = ranges.compactMap(L4Routes.range)
                    }
                )
            }
            return
        }
        guard port.applicationProtocol == .unknown else {
            draft.add(parts.chain("\(name)-tcp", [rest]))
            return
        }
        draft.isSniffed = true
        let manager = connectionManager(statPrefix: "outbound_\(name)", table: "\(service.host):\(port.number)")
        draft.add(
            parts.chain("\(name)-http", [parts.http(manager)]) {
                $0.filterChainMatch.transportProtocol = "raw_buffer"
                $0.filterChainMatch.applicationProtocols = view.clearTextProtocols
            }
        )
        if draft.fallback == nil { draft.fallback = parts.chain("\(name)-tcp", [rest]) }
    }

    private func filter(_ route: L4Routes.Route) -> NetworkFilter {
        parts.tcp(
            route.clusters, statPrefix: route.name, tunnel: route.tunnel, idleTimeout: route.idleTimeout)
    }

    /// TLS rules of VirtualServices for names that are no service: told apart by the server name on the ports they match.
    private func addForeignTLS(_ part: SidecarScope.Listener, to drafts: inout [String: Draft]) {
        for entry in part.routing.entries where part.service(entry.host) == nil {
            let rules = entry.virtualService.tlsRules(for: view.client, port: nil)
            for rule in rules {
                for match in rule.match {
                    let port = match.port ?? 443
                    let compiler = RouteCompiler(view: view, listenerPort: port, isGateway: false)
                    let clusters = L4Routes.clusters(rule.route, compiler)
                    let served = match.sniHosts.map(\.value).filter { HostRules.isSubset($0, of: entry.host) }
                    guard let first = clusters.first, !served.isEmpty, names.isServed(port, by: part) else { continue }
                    let key = "0.0.0.0_\(port)"
                    var draft = drafts[key] ?? draft("0.0.0.0", port: port)
                    draft.add(
                        parts.chain("\(key)-tls-\(entry.host)", [parts.tcp(clusters, statPrefix: first.name)]) {
                            $0.filterChainMatch.serverNames = served
                            $0.filterChainMatch.transportProtocol = "tls"
                            $0.metadata = Metadata(origin: entry.virtualService.origin(of: rule.location))
                        }
                    )
                    drafts[key] = draft
                }
            }
        }
    }
}
