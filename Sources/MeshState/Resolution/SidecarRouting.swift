import MeshAPI

/// Which VirtualService routes which host for the sidecars of a namespace.
package struct SidecarRouting: Sendable {
    /// One entry for each host pattern, in the order of precedence of their VirtualServices.
    package var entries: [(host: String, virtualService: ResolvedVirtualService)]
    private var exact: [String: Int] = [:]
    private var wildcards: [Int] = []

    init(_ candidates: [ResolvedVirtualService]) {
        entries = []
        for service in candidates {
            for host in service.hosts where exact[host.value] == nil {
                exact[host.value] = entries.count
                if host.value.hasPrefix("*") { wildcards.append(entries.count) }
                entries.append((host.value, service))
            }
        }
    }

    /// Puts a newer version of a VirtualService in its place, which has the same hosts.
    package mutating func replace(_ service: ResolvedVirtualService) {
        for host in service.hosts {
            guard let place = exact[host.value], entries[place].virtualService.key == service.key else { continue }
            entries[place].virtualService = service
        }
    }

    /// The VirtualService for a host: an exact host beats wildcards, a longer wildcard a shorter one, an older resource a
    /// younger one. VirtualServices of one host are not merged on sidecars.
    package func virtualService(for host: String) -> ResolvedVirtualService? {
        if let index = exact[host] { return entries[index].virtualService }
        let best = wildcards.filter { HostRules.isSubset(host, of: entries[$0].host) }
            .max { entries[$0].host.utf8.count < entries[$1].host.utf8.count }
        return best.map { entries[$0].virtualService }
    }
}

extension MeshSnapshot {
    /// Routing of the sidecars of a namespace. VirtualServices private to the namespace come first, then those exported to it by
    /// name, then public ones; each group oldest first.
    package func sidecarRouting(in namespace: String) -> SidecarRouting {
        SidecarRouting(virtualServices(visibleIn: namespace).filter { $0.gateways.contains("mesh") || $0.matchesMesh })
    }

    package func virtualServices(visibleIn namespace: String) -> [ResolvedVirtualService] {
        let visible = virtualServices.filter { $0.isVisible(in: namespace) }
        let isPrivate = { (service: ResolvedVirtualService) in
            service.namespace == namespace && (service.exportTo == ["."] || service.exportTo == [namespace])
        }
        let isPublic = { (service: ResolvedVirtualService) in service.exportTo.isEmpty || service.exportTo.contains("*")
        }
        return visible.filter(isPrivate) + visible.filter { !isPrivate($0) && !isPublic($0) } + visible.filter(isPublic)
    }
}

extension ResolvedVirtualService {
    /// Whether a rule asks for `mesh` in its own match, which overrides the gateways of the resource.
    package var matchesMesh: Bool { matches(gateway: "mesh") }

    func matches(gateway: String) -> Bool {
        http.contains { $0.match.contains { $0.gateways.contains { $0.value == gateway } } }
            || tls.contains { $0.match.contains { $0.gateways.contains { $0.value == gateway } } }
            || tcp.contains { $0.match.contains { $0.gateways.contains { $0.value == gateway } } }
    }
}
