package import MeshAPI

/// What the proxies of a namespace, or of some of its workloads, see of the mesh (kind Sidecar). Without a Sidecar they see all
/// that is exported to their namespace.
package struct SidecarScope: Sendable {
    /// What holds for the calls to one port, or to all ports that no other listener names.
    package struct Listener: Sendable {
        /// Nil is the listener for all other ports.
        package var port: Sidecar.Port?
        package var bind: String?
        package var captureMode: Sidecar.CaptureMode
        /// In order of host; at most one for each host.
        package var services: [MeshService]
        package var routing: SidecarRouting

        package func service(_ host: String) -> MeshService? { index[host].map { services[$0] } }

        fileprivate let index: [String: Int]

        fileprivate init(
            port: Sidecar.Port? = nil, bind: String? = nil, captureMode: Sidecar.CaptureMode = .standard,
            services: [MeshService], routing: SidecarRouting
        ) {
            self.port = port
            self.bind = bind
            self.captureMode = captureMode
            self.services = services
            self.routing = routing
            index = Dictionary(services.enumerated().map { ($1.host, $0) }) { first, _ in first }
        }
    }

    package var sidecar: Sidecar?
    package var listeners: [Listener]
    /// Those of all listeners, and those that imported VirtualServices send traffic to: in order of host.
    package var services: [MeshService]
    /// Nil is the mesh's own policy.
    package var outboundPolicy: Sidecar.OutboundPolicy?
    private let index: [String: Int]

    package func service(_ host: String) -> MeshService? { index[host].map { services[$0] } }

    /// Puts a newer version of a VirtualService in its place, which has the same hosts and destinations.
    package mutating func replace(_ service: ResolvedVirtualService) {
        for index in listeners.indices { listeners[index].routing.replace(service) }
    }

    /// The listener for ports that have none of their own.
    package var catchAll: Listener? { listeners.first { ($0.port?.number ?? 0) == 0 } }

    /// The routes of all VirtualServices in sight, as they hold where no listener narrows them.
    package var routing: SidecarRouting { catchAll?.routing ?? SidecarRouting([]) }

    init(_ snapshot: MeshSnapshot, namespace: String, labels: [String: String]) {
        let visible = Self.unique(snapshot.services(visibleIn: namespace), namespace)
        let virtual = snapshot.virtualServices(visibleIn: namespace).filter {
            $0.gateways.contains("mesh") || $0.matchesMesh
        }
        let sidecar = snapshot.sidecar(namespace: namespace, labels: labels)
        self.sidecar = sidecar
        outboundPolicy = sidecar?.outboundTrafficPolicy
        if let sidecar, !sidecar.egress.isEmpty {
            let known = Dictionary(visible.map { ($0.host, $0) }) { first, _ in first }
            listeners = sidecar.egress.map { egress in
                let imports = egress.hosts.map { Import($0.value, in: namespace) }
                let routes = virtual.filter { service in imports.contains { $0.takes(service) } }
                var services = visible.filter { service in imports.contains { $0.takes(service) } }
                var hosts = Set(services.map(\.host))
                // What imported routes lead to must be reachable, though it was not listed.
                for destination in routes.flatMap(\.destinations) where hosts.insert(destination.host.value).inserted {
                    if let service = known[destination.host.value] { services.append(service) }
                }
                return Listener(
                    port: egress.port, bind: egress.bind, captureMode: egress.captureMode,
                    services: services.sorted { $0.host < $1.host }, routing: SidecarRouting(routes)
                )
            }
            services = Self.unique(listeners.flatMap(\.services).sorted { $0.host < $1.host }, namespace)
        } else {
            listeners = [Listener(services: visible, routing: SidecarRouting(virtual))]
            services = visible
        }
        index = Dictionary(services.enumerated().map { ($1.host, $0) }) { first, _ in first }
    }

    /// One service for each host: the namespace's own before others, Services before ServiceEntries, then the oldest.
    private static func unique(_ services: [MeshService], _ namespace: String) -> [MeshService] {
        var places: [String: Int] = [:]
        var result: [MeshService] = []
        result.reserveCapacity(services.count)
        for service in services {
            guard let place = places[service.host] else {
                places[service.host] = result.count
                result.append(service)
                continue
            }
            let isBetter = (service.namespace == namespace ? 0 : 1, service.entry == nil ? 0 : 1)
            let current = (result[place].namespace == namespace ? 0 : 1, result[place].entry == nil ? 0 : 1)
            if isBetter < current { result[place] = service }
        }
        return result
    }

    /// An entry of `egress.hosts`: `namespace/dnsName`.
    private struct Import {
        /// Nil is any.
        var namespace: String?
        var host: String
        var isNothing: Bool

        init(_ text: String, in own: String) {
            let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let place = parts.count == 2 ? parts[0] : "*"
            host = parts.last ?? "*"
            isNothing = place == "~"
            namespace = place == "*" ? nil : place == "." ? own : place
        }

        func takes(_ service: MeshService) -> Bool {
            guard !isNothing, namespace == nil || namespace == service.namespace else { return false }
            return HostRules.isSubset(service.host, of: host)
        }

        func takes(_ service: ResolvedVirtualService) -> Bool {
            guard !isNothing, namespace == nil || namespace == service.namespace else { return false }
            return service.hosts.contains { HostRules.overlap($0.value, host) }
        }
    }
}

extension MeshSnapshot {
    /// The Sidecar of a workload: of its namespace with a selector that takes it, of its namespace without selector, of the root
    /// namespace without selector; the oldest of several.
    package func sidecar(namespace: String, labels: [String: String]) -> Sidecar? {
        let own = sidecars.filter { $0.metadata.namespace == namespace }
        let selecting = own.first { sidecar in
            guard let selector = sidecar.workloadSelector, !selector.isEmpty else { return false }
            return selector.allSatisfy { labels[$0.key] == $0.value }
        }
        return selecting ?? own.first { ($0.workloadSelector ?? [:]).isEmpty }
            ?? sidecars.first {
                $0.metadata.namespace == settings.rootNamespace && ($0.workloadSelector ?? [:]).isEmpty
            }
    }

    package func scope(namespace: String, labels: [String: String]) -> SidecarScope {
        SidecarScope(self, namespace: namespace, labels: labels)
    }
}
