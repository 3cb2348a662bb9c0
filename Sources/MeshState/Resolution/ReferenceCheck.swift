package import MeshAPI

/// Looks for references to hosts, subsets, ports and gateways that do not exist.
struct ReferenceCheck {
    let snapshot: MeshSnapshot
    private let hosts: [String]
    private let gateways: Set<String>

    init(_ snapshot: MeshSnapshot) {
        self.snapshot = snapshot
        hosts = snapshot.services.map(\.host)
        gateways = Set(snapshot.gateways.map { "\($0.metadata.namespace)/\($0.metadata.name)" })
    }

    func diagnostics() -> [Diagnostic] {
        var result = snapshot.virtualServices.flatMap(check)
        // Without any Service there is nothing to compare with: a single file is being looked at.
        if !hosts.isEmpty { result += snapshot.destinationRules.flatMap(check) }
        return result + checkDuplicates() + checkCredentials() + GatewayConflicts.diagnostics(snapshot.gateways)
    }

    /// What stops a VirtualService from working: nil when all its destinations exist.
    func faults(of service: ResolvedVirtualService) -> [Diagnostic] {
        service.destinations.flatMap { check($0, of: service) }
    }

    // MARK: VirtualServices

    private func check(_ service: ResolvedVirtualService) -> [Diagnostic] {
        var result = faults(of: service)
        guard !gateways.isEmpty else { return result }
        for gateway in service.gateways where gateway != "mesh" && !gateways.contains(gateway) {
            result.append(
                warning(
                    service.key,
                    at: service.location,
                    "spec.gateways",
                    "no Gateway \(gateway): its requests do not reach this VirtualService\(gatewayHint(gateway))"
                )
            )
        }
        return result
    }

    private func gatewayHint(_ name: String) -> String {
        let bare = name.split(separator: "/").last.map(String.init) ?? name
        if let elsewhere = gateways.sorted().first(where: { $0.hasSuffix("/" + bare) }) {
            return "; did you mean \"\(elsewhere)\"?"
        }
        return Suggestion.clause(for: name, among: gateways.sorted())
    }

    private func check(_ destination: Destination, of service: ResolvedVirtualService) -> [Diagnostic] {
        let host = destination.host.value
        guard let target = snapshot.service(host: host) else {
            guard !hosts.isEmpty, !host.hasPrefix("*") else { return [] }
            return [
                warning(
                    service.key,
                    at: destination.host.location,
                    "destination.host",
                    "no service \(host): its requests get 503\(hostHint(host))"
                )
            ]
        }
        return checkPort(destination, target, service) + checkSubset(destination, target, service)
    }

    private func checkPort(
        _ destination: Destination,
        _ target: MeshService,
        _ service: ResolvedVirtualService
    ) -> [Diagnostic] {
        guard let port = destination.port, target.port(port) == nil else { return [] }
        let ports = target.ports.map { String($0.number) }.joined(separator: ", ")
        return [
            warning(
                service.key,
                at: destination.location,
                "destination.port",
                "\(target.host) has no port \(port), only \(ports): its requests get 503"
            )
        ]
    }

    private func checkSubset(
        _ destination: Destination,
        _ target: MeshService,
        _ service: ResolvedVirtualService
    ) -> [Diagnostic] {
        guard let subset = destination.subset, !subset.value.isEmpty else { return [] }
        let rule = snapshot.destinationRule(for: target.host, clientNamespace: service.namespace)
        guard rule?.subset(subset.value) == nil else { return [] }
        let names = rule?.subsets.map(\.name) ?? []
        let fix =
            rule == nil
            ? "no DestinationRule for \(target.host) is visible in \(service.namespace)"
            : names.isEmpty
                ? "\(rule?.origin.description ?? "its DestinationRule") has no subsets"
                : "\(rule?.origin.description ?? "its DestinationRule") has \(names.joined(separator: ", "))"
        return [
            warning(
                service.key,
                at: subset.location,
                "destination.subset",
                "\(target.host) has no subset \"\(subset.value)\": its requests get 503; \(fix)"
                    + Suggestion.clause(for: subset.value, among: names)
            )
        ]
    }

    /// The same name in another namespace, or a near miss.
    private func hostHint(_ host: String) -> String {
        let name = host.prefix { $0 != "." }
        if let elsewhere = hosts.first(where: { $0.hasPrefix(name + ".") }) {
            return "; did you mean \"\(elsewhere)\"?"
        }
        // Comparing with every host of a large mesh would cost more than the hint is worth.
        return hosts.count <= 500 ? Suggestion.clause(for: host, among: hosts) : ""
    }

    private func checkDuplicates() -> [Diagnostic] {
        var first: [String: ResolvedVirtualService] = [:]
        var result: [Diagnostic] = []
        for service in snapshot.virtualServices where service.gateways.contains("mesh") && service.exportTo.isEmpty {
            for host in service.hosts {
                guard let older = first[host.value] else {
                    first[host.value] = service
                    continue
                }
                result.append(
                    warning(
                        service.key,
                        at: host.location,
                        "spec.hosts",
                        "\(host.value) is routed by \(Origin(older.key, at: older.location)) already:"
                            + " on sidecars this VirtualService is not used for it"
                    )
                )
            }
        }
        return result
    }

    // MARK: DestinationRules and Gateways

    private func check(_ rule: ResolvedDestinationRule) -> [Diagnostic] {
        guard snapshot.service(host: rule.host) == nil, !rule.host.hasPrefix("*") else { return [] }
        return [
            warning(
                rule.origin.resource,
                at: rule.origin.location,
                "spec.host",
                "no service \(rule.host): the rule has no effect\(hostHint(rule.host))"
            )
        ]
    }

    private func checkCredentials() -> [Diagnostic] {
        guard !snapshot.secrets.isEmpty || !snapshot.workloads.isEmpty else { return [] }
        return snapshot.gateways.flatMap { gateway in
            gateway.servers.compactMap(\.tls?.credentialName).compactMap { name in
                // The Secret belongs to the gateway pod's namespace; without pods any namespace will do.
                let namespaces = Set(
                    snapshot.workloads.filter { $0.matches(gateway.selector) && $0.kind == .gateway }.map(\.namespace))
                let exists =
                    namespaces.isEmpty
                    ? snapshot.secrets.keys.contains { $0.hasSuffix("/\(name.value)") }
                    : namespaces.allSatisfy { snapshot.secret(namespace: $0, name: name.value) != nil }
                return exists
                    ? nil
                    : warning(
                        .networking("Gateway", gateway.metadata),
                        at: name.location,
                        "spec.servers.tls.credentialName",
                        "no Secret \"\(name.value)\" in the namespace of the gateway's pods: TLS connections fail"
                    )
            }
        }
    }

    private func warning(_ key: ResourceKey, at location: SourceLocation, _ path: String, _ message: String)
        -> Diagnostic
    {
        Diagnostic(.warning, at: location, resource: key.description, path: path, message)
    }
}

extension ResolvedVirtualService {
    /// Every destination that it sends traffic to.
    package var destinations: [Destination] {
        http.flatMap { $0.route.compactMap(\.destination) + $0.mirrors.compactMap(\.destination) }
            + tls.flatMap { $0.route.compactMap(\.destination) }
            + tcp.flatMap { $0.route.compactMap(\.destination) }
    }
}
