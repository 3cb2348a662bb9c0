import MeshAPI
import MeshState

/// Which of Linkerd's resources decided about a call, in words.
struct LinkerdOrigin {
    private let policies: [LinkerdPolicy]
    private let workload: MeshWorkload

    init(_ snapshot: MeshSnapshot, _ workload: MeshWorkload) {
        policies = snapshot.linkerdPolicies.filter { $0.metadata.namespace == workload.namespace }
        self.workload = workload
    }

    /// Of a rule by its name in logs and metrics, `linkerd-…`; nil for rules of others.
    func text(ofRule name: String) -> String? {
        guard name.hasPrefix("linkerd-") else { return nil }
        if name.hasPrefix("linkerd-default-inbound-policy[") {
            return "config.linkerd.io/default-inbound-policy of the pod or its namespace, \(name)"
        }
        for policy in policies {
            let metadata = policy.metadata
            let kind: String
            switch policy {
            case .authorizationPolicy where name.hasSuffix("]-AuthorizationPolicy[\(metadata.name)]"):
                kind = "AuthorizationPolicy"
            case .serverAuthorization where name.hasSuffix("]-ServerAuthorization[\(metadata.name)]"):
                kind = "ServerAuthorization"
            case .server where name == "linkerd-server[\(metadata.namespace)/\(metadata.name)]-accessPolicy":
                kind = "accessPolicy of Server"
            default: continue
            }
            return "Linkerd's \(kind) \(metadata.namespace)/\(metadata.name) (\(metadata.location)), \(name)"
        }
        return name
    }

    /// What lets nobody in where no rule matches.
    func refusal(port: UInt16) -> String {
        for case .server(let server) in policies where server.podSelector.matches(workload.labels) {
            let isSame =
                switch server.port {
                case .number(let number): number == Int(port)
                case .name(let name): workload.ports.contains { $0.name == name && $0.number == Int(port) }
                }
            guard isSame else { continue }
            let metadata = server.metadata
            return "no authorization of Linkerd's Server \(metadata.namespace)/\(metadata.name) (\(metadata.location))"
                + " lets the caller in"
        }
        return "config.linkerd.io/default-inbound-policy of the pod or its namespace does not let the caller in"
    }
}
