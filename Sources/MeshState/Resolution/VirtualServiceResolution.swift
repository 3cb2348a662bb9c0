import MeshAPI

/// VirtualServices with qualified names and delegates merged in.
struct VirtualServiceResolution {
    let settings: MeshSettings
    private let delegates: [String: VirtualService]
    private(set) var diagnostics: [Diagnostic] = []

    init(settings: MeshSettings, services: [VirtualService]) {
        self.settings = settings
        delegates = Dictionary(
            services.filter(\.isDelegate).map { ("\($0.metadata.namespace)/\($0.metadata.name)", $0) }
        ) { $1 }
    }

    /// Every root VirtualService of `services`, in their order.
    static func resolve(
        _ services: [VirtualService],
        settings: MeshSettings
    ) -> (services: [ResolvedVirtualService], diagnostics: [Diagnostic]) {
        var resolution = VirtualServiceResolution(settings: settings, services: services)
        let resolved = services.filter { !$0.isDelegate }.map { resolution.resolve($0) }
        return (resolved, resolution.diagnostics)
    }

    private mutating func resolve(_ service: VirtualService) -> ResolvedVirtualService {
        let namespace = service.metadata.namespace
        let key = ResourceKey.networking("VirtualService", service.metadata)
        var origins: [SourceLocation: ResourceKey] = [:]
        var rules: [HTTPRoute] = []
        for rule in service.http {
            guard let delegate = rule.delegate else {
                rules.append(qualify(rule, namespace))
                continue
            }
            let name = "\(delegate.namespace ?? namespace)/\(delegate.name)"
            guard let target = delegates[name] else {
                let hint = Suggestion.clause(for: name, among: delegates.keys.sorted())
                warn(
                    key, at: delegate.location,
                    "delegate \(name) does not exist (a VirtualService without hosts)\(hint)")
                continue
            }
            let delegateKey = ResourceKey.networking("VirtualService", target.metadata)
            for part in target.http where part.delegate == nil {
                guard let merged = DelegateMerge.merge(rule, qualify(part, target.metadata.namespace)) else {
                    warn(
                        key, at: part.location,
                        "the match of this rule of \(name) is not part of the root's match: not used")
                    continue
                }
                origins[merged.location] = delegateKey
                rules.append(qualify(merged, namespace))
            }
        }
        return ResolvedVirtualService(
            key: key,
            namespace: namespace,
            hosts: service.hosts.map { Located(settings.resolve($0.value, in: namespace), at: $0.location) },
            gateways: service.gateways.isEmpty ? ["mesh"] : service.gateways.map { gateway($0.value, namespace) },
            http: rules,
            tls: service.tls.map { qualify($0, namespace) },
            tcp: service.tcp.map { qualify($0, namespace) },
            exportTo: service.exportTo.map(\.value),
            location: service.metadata.location,
            delegates: origins
        )
    }

    private mutating func warn(_ key: ResourceKey, at location: SourceLocation, _ message: String) {
        diagnostics.append(Diagnostic(.warning, at: location, resource: key.description, path: "spec.http", message))
    }

    // MARK: Qualified names

    private func gateway(_ name: String, _ namespace: String) -> String {
        name == "mesh" || name.contains("/") ? name : "\(namespace)/\(name)"
    }

    private func qualify(_ gateways: [Located<String>], _ namespace: String) -> [Located<String>] {
        gateways.map { Located(gateway($0.value, namespace), at: $0.location) }
    }

    private func qualify(_ destination: Destination?, _ namespace: String) -> Destination? {
        var result = destination
        if let host = destination?.host.value { result?.host.value = settings.resolve(host, in: namespace) }
        return result
    }

    private func qualify(_ rule: HTTPRoute, _ namespace: String) -> HTTPRoute {
        var result = rule
        for index in result.match.indices {
            result.match[index].gateways = qualify(result.match[index].gateways, namespace)
        }
        for index in result.route.indices {
            result.route[index].destination = qualify(result.route[index].destination, namespace)
        }
        for index in result.mirrors.indices {
            result.mirrors[index].destination = qualify(result.mirrors[index].destination, namespace)
        }
        return result
    }

    private func qualify(_ rule: TLSRoute, _ namespace: String) -> TLSRoute {
        var result = rule
        for index in result.match.indices {
            result.match[index].gateways = qualify(result.match[index].gateways, namespace)
        }
        for index in result.route.indices {
            result.route[index].destination = qualify(result.route[index].destination, namespace)
        }
        return result
    }

    private func qualify(_ rule: TCPRoute, _ namespace: String) -> TCPRoute {
        var result = rule
        for index in result.match.indices {
            result.match[index].gateways = qualify(result.match[index].gateways, namespace)
        }
        for index in result.route.indices {
            result.route[index].destination = qualify(result.route[index].destination, namespace)
        }
        return result
    }
}
