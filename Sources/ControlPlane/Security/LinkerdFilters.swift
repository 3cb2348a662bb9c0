import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// Linkerd's policies of a workload as one RBAC filter: each port that a Server selects is open to those whom an
/// authorization of that Server, of its routes or of its namespace lets in; other ports follow the default policy.
struct LinkerdFilters {
    private let snapshot: MeshSnapshot
    private let workload: MeshWorkload
    private let trustDomains: [String]
    private let servers: [(server: LinkerdServer, port: Int)]
    private let fallback: LinkerdDefaultPolicy
    static let annotation = "config.linkerd.io/default-inbound-policy"
    /// `config.linkerd.io/cluster-networks` of a standard installation.
    private static let clusterNetworks = [
        "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8",
    ]

    /// nil when nothing of Linkerd's concerns the workload.
    init?(snapshot: MeshSnapshot, workload: MeshWorkload, trustDomains: [String]) {
        self.snapshot = snapshot
        self.workload = workload
        self.trustDomains = trustDomains
        servers = snapshot.linkerdPolicies.compactMap { policy in
            guard case .server(let server) = policy, let port = server.port(of: workload) else { return nil }
            return (server, port)
        }
        let annotation =
            workload.annotations?[Self.annotation]
            ?? snapshot.namespaces[workload.namespace]?.metadata.annotations[Self.annotation]
        // A name that nobody knows lets nobody in: whoever wrote it wanted a limit. `LinkerdReport` says so.
        fallback = annotation.map { LinkerdDefaultPolicy(rawValue: $0) ?? .deny } ?? .allUnauthenticated
        if servers.isEmpty, fallback == .allUnauthenticated { return nil }
    }

    func http() -> [WireHTTPFilter] {
        var result: [WireHTTPFilter] = []
        for rules in [audit(), rules(isTCP: false)].compactMap(\.self) {
            result.append(
                WireHTTPFilter(
                    "envoy.filters.http.rbac", Envoy_Extensions_Filters_Http_Rbac_V3_RBAC.with { $0.rules = rules }))
        }
        return result
    }

    func tcp() -> [NetworkFilter] {
        [audit(), rules(isTCP: true)].compactMap(\.self).map { rules in
            NetworkFilter(
                "envoy.filters.network.rbac",
                Envoy_Extensions_Filters_Network_Rbac_V3_RBAC.with {
                    $0.statPrefix = "tcp."
                    $0.rules = rules
                })
        }
    }

    private func rules(isTCP: Bool) -> WireRBAC {
        var rbac = WireRBAC()
        rbac.action = .allow
        for (server, port) in servers {
            add(server.accessPolicy, name: .accessPolicy(server), on: .port(port), to: &rbac)
            for (name, route, principals) in authorizations(of: server) {
                guard let permission = permission(port, route, isTCP: isTCP) else { continue }
                rbac.policies[name.text] = .with {
                    $0.permissions = [permission]
                    $0.principals = [principals]
                }
            }
        }
        add(fallback, name: .defaultInboundPolicy(namespace: workload.namespace), on: elsewhere, to: &rbac)
        return rbac
    }

    /// The ports of no Server.
    private var elsewhere: RBACPermission {
        guard !servers.isEmpty else { return .with { $0.any = true } }
        return .with { $0.notRule.orRules.rules = servers.map { RBACPermission.port($0.port) } }
    }

    /// Ports whose callers are let through and spoken of.
    private func audit() -> WireRBAC? {
        var ports = servers.filter { $0.server.accessPolicy == .audit }.map { RBACPermission.port($0.port) }
        if fallback == .audit { ports.append(elsewhere) }
        guard !ports.isEmpty else { return nil }
        var rbac = WireRBAC()
        rbac.action = .log
        rbac.policies[LinkerdRuleName.audit(namespace: workload.namespace).text] = .with {
            $0.permissions = ports
            $0.principals = [.with { $0.any = true }]
        }
        return rbac
    }

    private func add(
        _ policy: LinkerdDefaultPolicy, name: LinkerdRuleName, on permission: RBACPermission, to rbac: inout WireRBAC
    ) {
        var principals: [RBACPrincipal] = []
        switch policy {
        case .deny: return
        case .allUnauthenticated, .audit: break
        case .allAuthenticated: principals = [.anyone]
        case .clusterUnauthenticated: principals = [.networks(Self.clusterNetworks)]
        case .clusterAuthenticated: principals = [.anyone, .networks(Self.clusterNetworks)]
        }
        rbac.policies[name.text] = .with {
            $0.permissions = [permission]
            $0.principals = [principals.isEmpty ? .with { $0.any = true } : .with { $0.andIds.ids = principals }]
        }
    }

    // MARK: Authorizations

    private typealias Authorization = (name: LinkerdRuleName, route: LinkerdHTTPRoute?, principals: RBACPrincipal)

    private func authorizations(of server: LinkerdServer) -> [Authorization] {
        let routes = snapshot.linkerdPolicies.compactMap { policy -> LinkerdHTTPRoute? in
            guard case .httpRoute(let route) = policy, route.metadata.namespace == server.metadata.namespace,
                route.parents.contains(where: { $0.kind == .server && $0.name == server.metadata.name })
            else { return nil }
            return route
        }
        var result: [Authorization] = []
        for policy in snapshot.linkerdPolicies where policy.metadata.namespace == server.metadata.namespace {
            switch policy {
            case .authorizationPolicy(let authorization):
                let name = LinkerdRuleName.authorization(
                    kind: "AuthorizationPolicy", authorization.metadata, at: server)
                guard let target = authorization.target, let principals = principals(authorization) else { continue }
                switch target.kind {
                case .server where target.name == server.metadata.name: result.append((name, nil, principals))
                case .namespace where target.name == server.metadata.namespace: result.append((name, nil, principals))
                case .httpRoute where target.isLinkerds:
                    guard let route = routes.first(where: { $0.metadata.name == target.name }) else { continue }
                    result.append((name, route, principals))
                default: continue
                }
            case .serverAuthorization(let authorization):
                let name = LinkerdRuleName.authorization(
                    kind: "ServerAuthorization", authorization.metadata, at: server)
                let selects =
                    authorization.serverName == server.metadata.name
                    || authorization.serverSelector?.matches(server.metadata.labels) ?? false
                if selects { result.append((name, nil, principals(authorization))) }
            default: continue
            }
        }
        return result
    }

    /// nil when something that is required does not exist: then nobody can prove it.
    private func principals(_ policy: LinkerdAuthorizationPolicy) -> RBACPrincipal? {
        var all: [RBACPrincipal] = []
        for reference in policy.required {
            let namespace = reference.namespace ?? policy.metadata.namespace
            switch reference.kind {
            case .serviceAccount: all.append(account(reference.name, namespace))
            case .meshTLSAuthentication:
                guard case .meshTLSAuthentication(let tls)? = find(reference, namespace) else { return nil }
                let named = tls.references.map { other in
                    other.kind == .namespace
                        ? RBACPrincipal(LinkerdIdentity.namespace(other.name, trustDomains: trustDomains))
                        : account(other.name, other.namespace ?? namespace)
                }
                all.append(.either(tls.identities.map(identity) + named))
            case .networkAuthentication:
                guard case .networkAuthentication(let networks)? = find(reference, namespace) else { return nil }
                all.append(.either(networks.networks.map(RBACPrincipal.network)))
            default: return nil
            }
        }
        return all.isEmpty ? .with { $0.any = true } : .with { $0.andIds.ids = all }
    }

    private func find(_ reference: LinkerdReference, _ namespace: String) -> LinkerdPolicy? {
        snapshot.linkerdPolicies.first { policy in
            guard policy.metadata.name == reference.name, policy.metadata.namespace == namespace else { return false }
            switch policy {
            case .meshTLSAuthentication: return reference.kind == .meshTLSAuthentication
            case .networkAuthentication: return reference.kind == .networkAuthentication
            default: return false
            }
        }
    }

    private func principals(_ authorization: LinkerdServerAuthorization) -> RBACPrincipal {
        var all: [RBACPrincipal] = []
        if !authorization.networks.isEmpty { all.append(.either(authorization.networks.map(RBACPrincipal.network))) }
        if !authorization.unauthenticated {
            all.append(
                .either(
                    authorization.identities.map(identity)
                        + authorization.accounts.map {
                            account($0.name, $0.namespace ?? authorization.metadata.namespace)
                        }))
        }
        return all.isEmpty ? .with { $0.any = true } : .with { $0.andIds.ids = all }
    }

    private func identity(_ text: String) -> RBACPrincipal {
        RBACPrincipal(LinkerdIdentity(text, trustDomains: trustDomains))
    }

    private func account(_ name: String, _ namespace: String) -> RBACPrincipal {
        RBACPrincipal(LinkerdIdentity.account(name, namespace: namespace, trustDomains: trustDomains))
    }

    // MARK: Requests

    /// nil when the permission is about requests and the filter judges connections.
    private func permission(_ port: Int, _ route: LinkerdHTTPRoute?, isTCP: Bool) -> RBACPermission? {
        guard let route else { return .port(port) }
        guard !isTCP else { return nil }
        let matches = route.rules.flatMap(\.matches).map(Self.permission)
        let isOpen = route.rules.isEmpty || route.rules.contains { $0.matches.isEmpty }
        let requests = isOpen ? RBACPermission.with { $0.any = true } : .with { $0.orRules.rules = matches }
        guard !route.hostnames.isEmpty else { return .with { $0.andRules.rules = [.port(port), requests] } }
        let hosts = RBACPermission.with { $0.orRules.rules = route.hostnames.map(Self.host) }
        return .with { $0.andRules.rules = [.port(port), hosts, requests] }
    }

    /// The authority of requests to a name, with or without a port.
    private static func host(_ name: String) -> RBACPermission {
        let pattern =
            name.hasPrefix("*.")
            ? "[^:/]+" + PolicyMatchers.quoted(String(name.dropFirst())) : PolicyMatchers.quoted(name)
        return .header(":authority", PolicyMatchers.regex("(?i)" + pattern + "(:[0-9]+)?"))
    }

    private static func permission(_ match: LinkerdHTTPRoute.Match) -> RBACPermission {
        var all: [RBACPermission] = []
        switch match.path {
        case .exact(let path): all.append(.with { $0.urlPath.path.exact = path })
        case .regex(let pattern): all.append(.with { $0.urlPath.path = PolicyMatchers.regex(pattern) })
        case .prefix(let path):
            // Whole segments: /admin takes /admin and /admin/x, not /administrator.
            let base = path.hasSuffix("/") ? String(path.dropLast()) : path
            let pattern = PolicyMatchers.quoted(base) + "(/.*)?"
            all.append(.with { $0.urlPath.path = PolicyMatchers.regex(pattern) })
        case nil: break
        }
        if let method = match.method { all.append(.header(":method", PolicyMatchers.exact(method))) }
        for header in match.headers {
            all.append(
                .header(
                    header.name,
                    header.isRegex ? PolicyMatchers.regex(header.value) : PolicyMatchers.exact(header.value)))
        }
        return all.isEmpty ? .with { $0.any = true } : .with { $0.andRules.rules = all }
    }
}
