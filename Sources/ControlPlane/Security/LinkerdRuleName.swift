import MeshAPI

/// What a rule that comes from Linkerd's resources is called in proxies, logs and metrics. Names of Kubernetes hold neither
/// brackets nor slashes, so that different rules have different names, whatever their authors call them.
enum LinkerdRuleName {
    /// `linkerd-server[NAMESPACE/SERVER]-KIND[POLICY]`: an authorization, at one of the Servers that it opens.
    case authorization(kind: String, ObjectMeta, at: LinkerdServer)
    /// `linkerd-server[NAMESPACE/SERVER]-accessPolicy`
    case accessPolicy(LinkerdServer)
    /// `linkerd-default-inbound-policy[NAMESPACE]`: for the ports of no Server.
    case defaultInboundPolicy(namespace: String)
    /// `linkerd-audit[NAMESPACE]`: marks the requests that `audit` lets through.
    case audit(namespace: String)

    var text: String {
        switch self {
        case .authorization(let kind, let policy, let server): "\(Self.prefix(server))-\(kind)[\(policy.name)]"
        case .accessPolicy(let server): "\(Self.prefix(server))-accessPolicy"
        case .defaultInboundPolicy(let namespace): "linkerd-default-inbound-policy[\(namespace)]"
        case .audit(let namespace): "linkerd-audit[\(namespace)]"
        }
    }

    private static func prefix(_ server: LinkerdServer) -> String {
        "linkerd-server[\(server.metadata.namespace)/\(server.metadata.name)]"
    }
}
