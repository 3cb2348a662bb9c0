import MeshAPI

/// TrafficSplits as rules of sidecars.
///
/// Where a VirtualService for sidecars names the same host it decides alone, and the split is left out with a warning; of two
/// splits of a host the older one counts. A wildcard VirtualService gives way, as to any rule of the exact host. Requests that
/// another rule sends to the host are not split again.
struct TrafficSplitResolution {
    let settings: MeshSettings
    let groups: [HTTPRouteGroup]
    private(set) var diagnostics: [Diagnostic] = []

    init(settings: MeshSettings, groups: [HTTPRouteGroup]) {
        self.settings = settings
        self.groups = groups
    }

    static func resolve(
        _ splits: [TrafficSplit], groups: [HTTPRouteGroup], beside services: [ResolvedVirtualService],
        settings: MeshSettings
    ) -> (services: [ResolvedVirtualService], diagnostics: [Diagnostic]) {
        guard !splits.isEmpty else { return ([], []) }
        var owners: [String: Origin] = [:]
        for service in services where service.gateways.contains("mesh") {
            for host in service.hosts where owners[host.value] == nil {
                owners[host.value] = Origin(service.key, at: service.location)
            }
        }
        var resolution = TrafficSplitResolution(settings: settings, groups: groups)
        var resolved: [ResolvedVirtualService] = []
        for split in splits {
            let rule = resolution.resolve(split)
            let host = rule.hosts[0]
            if let owner = owners[host.value] {
                resolution.warn(
                    rule.key, at: host.location, "spec.service",
                    "\(host.value) is routed by \(owner): this TrafficSplit is not used"
                )
                continue
            }
            owners[host.value] = Origin(rule.key, at: rule.location)
            resolved.append(rule)
        }
        return (resolved, resolution.diagnostics)
    }

    private mutating func resolve(_ split: TrafficSplit) -> ResolvedVirtualService {
        let namespace = split.metadata.namespace
        let key = ResourceKey(
            group: "split.smi-spec.io", kind: "TrafficSplit", namespace: namespace, name: split.metadata.name
        )
        let root = Located(settings.resolve(split.service.value, in: namespace), at: split.service.location)
        let backends = split.backends.map { backend in
            let host = Located(settings.resolve(backend.service.value, in: namespace), at: backend.service.location)
            return (Destination(at: backend.location, host: host), backend)
        }
        let shares = backends.map { HTTPRouteDestination(at: $1.location, $0, weight: $1.weight) }
        let place = split.metadata.location
        var rules: [HTTPRoute] = []
        let match = matches(split, key)
        if split.matches.isEmpty {
            rules = [HTTPRoute(at: place, match: [], route: shares)]
        } else {
            if !match.isEmpty { rules = [HTTPRoute(at: place, match: match, route: shares)] }
            // What the groups do not take goes to the service itself.
            let own = HTTPRouteDestination(at: place, Destination(at: place, host: root), weight: 1)
            rules.append(HTTPRoute(at: place, match: [], route: [own]))
        }
        let connections = backends.map { RouteDestination(at: $1.location, $0, weight: $1.weight) }
        return ResolvedVirtualService(
            key: key, namespace: namespace, hosts: [root], gateways: ["mesh"], http: rules, tls: [],
            tcp: split.matches.isEmpty ? [TCPRoute(at: place, route: connections)] : [], exportTo: [], location: place
        )
    }

    private mutating func matches(_ split: TrafficSplit, _ key: ResourceKey) -> [HTTPMatchRequest] {
        var result: [HTTPMatchRequest] = []
        for reference in split.matches {
            let group = groups.first {
                $0.metadata.namespace == split.metadata.namespace && $0.metadata.name == reference.name
            }
            guard let group else {
                let message = "no HTTPRouteGroup \(reference.name): it selects nothing"
                warn(key, at: reference.location, "spec.matches", message)
                continue
            }
            for match in group.matches {
                let headers = match.headers.sorted { $0.key < $1.key }.map {
                    HTTPMatchRequest.Named(name: $0.key, match: .regex($0.value, match.location))
                }
                let path = match.pathRegex.map { StringMatch.regex($0.value, $0.location) }
                let methods = match.methods.contains("*") ? [] : match.methods
                let verbs: [StringMatch?] =
                    methods.isEmpty ? [nil] : methods.map { StringMatch.exact($0, match.location) }
                result += verbs.map {
                    HTTPMatchRequest(at: match.location, uri: path, method: $0, headers: headers)
                }
            }
        }
        return result
    }

    private mutating func warn(_ key: ResourceKey, at location: SourceLocation, _ path: String, _ message: String) {
        diagnostics.append(Diagnostic(.warning, at: location, resource: key.description, path: path, message))
    }
}
