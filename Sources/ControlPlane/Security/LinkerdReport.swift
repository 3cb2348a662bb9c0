import MeshAPI
import MeshState

/// Says which of Linkerd's policies mean nobody or nothing: what they name is not there, or no one is called so.
struct LinkerdReport {
    private let snapshot: MeshSnapshot
    private let trustDomains: [String]
    private var found: [Diagnostic] = []

    static func diagnostics(_ snapshot: MeshSnapshot, trustDomains: [String]) -> [Diagnostic] {
        var report = LinkerdReport(snapshot: snapshot, trustDomains: trustDomains)
        report.checkDefaults()
        for policy in snapshot.linkerdPolicies { report.check(policy) }
        return report.found
    }

    private init(snapshot: MeshSnapshot, trustDomains: [String]) {
        self.snapshot = snapshot
        self.trustDomains = trustDomains
    }

    private mutating func warn(_ kind: String, _ metadata: ObjectMeta, _ path: String, _ message: String) {
        let name = metadata.namespace.isEmpty ? metadata.name : "\(metadata.namespace)/\(metadata.name)"
        found.append(
            Diagnostic(.warning, at: metadata.location, resource: "\(kind) \(name)", path: path, message))
    }

    // MARK: The annotation

    private mutating func checkDefaults() {
        let path = "metadata.annotations[\(LinkerdFilters.annotation)]"
        for namespace in snapshot.namespaces.values.sorted(by: { $0.name < $1.name }) {
            guard let fault = Self.fault(of: namespace.metadata.annotations) else { continue }
            warn("Namespace", namespace.metadata, path, fault)
        }
        var told: Set<String> = []
        for pod in snapshot.workloads {
            let name = "\(pod.namespace)/\(pod.workload)"
            guard let fault = Self.fault(of: pod.annotations ?? [:]), told.insert(name).inserted else { continue }
            let place = SourceLocation(file: "pods", line: 0, column: 0)
            found.append(Diagnostic(.warning, at: place, resource: "Pods of \(name)", path: path, fault))
        }
    }

    private static func fault(of annotations: [String: String]) -> String? {
        guard let name = annotations[LinkerdFilters.annotation], LinkerdDefaultPolicy(rawValue: name) == nil else {
            return nil
        }
        let names = LinkerdDefaultPolicy.allCases.map(\.rawValue)
        return "\"\(name)\" is no policy, so that nobody is let in: expected one of \(names.joined(separator: ", "))"
            + Suggestion.clause(for: name, among: names)
    }

    // MARK: Policies

    private mutating func check(_ policy: LinkerdPolicy) {
        switch policy {
        case .server(let server): check(server)
        case .authorizationPolicy(let policy): check(policy)
        case .meshTLSAuthentication(let tls):
            check(tls.identities, "MeshTLSAuthentication", tls.metadata, "spec.identities")
        case .serverAuthorization(let authorization): check(authorization)
        case .httpRoute(let route):
            for parent in route.parents where parent.kind == .server {
                guard servers(in: route.metadata.namespace, named: parent.name).isEmpty else { continue }
                let text = "no Server \(parent.name) is in the namespace: the route belongs to nothing"
                warn("HTTPRoute", route.metadata, "spec.parentRefs", text)
            }
        case .networkAuthentication: break
        }
    }

    private mutating func check(_ server: LinkerdServer) {
        guard !snapshot.workloads.isEmpty, !snapshot.workloads.contains(where: { server.port(of: $0) != nil }) else {
            return
        }
        let isSelected = snapshot.workloads.contains {
            $0.namespace == server.metadata.namespace && server.podSelector.matches($0.labels)
        }
        if isSelected {
            warn(
                "Server", server.metadata, "spec.port",
                "no running pod that it selects has such a port: it opens nothing")
        } else {
            warn("Server", server.metadata, "spec.podSelector", "no running pod has these labels: it is about nothing")
        }
    }

    private mutating func check(_ policy: LinkerdAuthorizationPolicy) {
        let kind = "AuthorizationPolicy"
        let metadata = policy.metadata
        if let target = policy.target {
            let isThere =
                switch target.kind {
                case .server: !servers(in: metadata.namespace, named: target.name).isEmpty
                case .httpRoute where target.isLinkerds: has(.httpRoute, target.name, metadata.namespace)
                default: true
                }
            let text = "\(target.kind?.rawValue ?? "resource") \(target.name)"
            if !isThere {
                warn(kind, metadata, "spec.targetRef", "no \(text) is in the namespace: nobody is let in by the policy")
            } else if target.kind == .grpcRoute || target.kind == .httpRoute && !target.isLinkerds {
                warn(
                    kind, metadata, "spec.targetRef",
                    "policies of the \(text) (\(target.group)) are not carried out yet: nobody is let in by this one")
            }
        }
        for reference in policy.required {
            let namespace = reference.namespace ?? metadata.namespace
            guard let wanted = reference.kind, wanted != .serviceAccount, !has(wanted, reference.name, namespace) else {
                continue
            }
            warn(
                kind, metadata, "spec.requiredAuthenticationRefs",
                "no \(wanted.rawValue) \(namespace)/\(reference.name) is there: nobody can prove it")
        }
    }

    private mutating func check(_ authorization: LinkerdServerAuthorization) {
        let kind = "ServerAuthorization"
        let metadata = authorization.metadata
        let isUsed =
            authorization.serverName.map { !servers(in: metadata.namespace, named: $0).isEmpty }
            ?? servers(in: metadata.namespace).contains {
                authorization.serverSelector?.matches($0.metadata.labels) ?? false
            }
        if !isUsed {
            warn(kind, metadata, "spec.server", "no such Server is in the namespace: nobody is let in by it")
        }
        check(authorization.identities, kind, metadata, "spec.client.meshTLS.identities")
    }

    private mutating func check(_ identities: [String], _ kind: String, _ metadata: ObjectMeta, _ path: String) {
        for identity in identities where LinkerdIdentity(identity, trustDomains: trustDomains) == .nobody {
            warn(
                kind, metadata, path,
                "nobody of the mesh (\(trustDomains.joined(separator: ", "))) is called \"\(identity)\": expected *, "
                    + "ACCOUNT.NAMESPACE.serviceaccount.identity.linkerd.\(trustDomains.first ?? "") or a SPIFFE id")
        }
    }

    // MARK: What is there

    private func servers(in namespace: String, named name: String? = nil) -> [LinkerdServer] {
        snapshot.linkerdPolicies.compactMap { policy in
            guard case .server(let server) = policy, server.metadata.namespace == namespace,
                name.map({ $0 == server.metadata.name }) ?? true
            else { return nil }
            return server
        }
    }

    private func has(_ kind: LinkerdReference.Kind, _ name: String, _ namespace: String) -> Bool {
        snapshot.linkerdPolicies.contains { policy in
            guard policy.metadata.name == name, policy.metadata.namespace == namespace else { return false }
            return switch (policy, kind) {
            case (.httpRoute, .httpRoute), (.meshTLSAuthentication, .meshTLSAuthentication),
                (.networkAuthentication, .networkAuthentication):
                true
            default: false
            }
        }
    }
}
