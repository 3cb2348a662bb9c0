import MeshAPI
import MeshState

/// Which proxy a configuration is for.
package struct ProxyIdentity: Sendable, Hashable {
    package enum Role: String, Sendable {
        case sidecar
        case gateway = "router"
    }

    /// The node id as the proxy sent it.
    package var id: String
    package var role: Role
    package var ip: String
    package var pod: String
    package var namespace: String
    package var labels: [String: String]
    package var serviceAccount: String
    package var features: ProxyFeatures
    /// SO_MARK of what the proxy sends; what it hands to its application must bear the next higher one. 0 is none.
    package var socketMark = 0

    package init(
        id: String, role: Role, ip: String, pod: String, namespace: String, labels: [String: String] = [:],
        serviceAccount: String = "default", features: ProxyFeatures = .martlet, socketMark: Int = 0
    ) {
        self.features = features
        self.socketMark = socketMark
        self.id = id
        self.role = role
        self.ip = ip
        self.pod = pod
        self.namespace = namespace
        self.labels = labels
        self.serviceAccount = serviceAccount
    }
}

/// What a kind of proxy can carry out beyond the common ground. It is not sent what it would refuse, and the user is told
/// (`CapabilityReport`).
package struct ProxyFeatures: OptionSet, Sendable, Hashable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    /// HTTP/2 is read; for a proxy that cannot, such ports are TCP.
    package static let http2 = ProxyFeatures(rawValue: 1)
    package static let faults = ProxyFeatures(rawValue: 2)
    package static let cors = ProxyFeatures(rawValue: 4)
    package static let outlierDetection = ProxyFeatures(rawValue: 8)

    package static let mirrors = ProxyFeatures(rawValue: 16)
    /// `%…%` operators in header values.
    package static let headerOperators = ProxyFeatures(rawValue: 32)
    /// HTTP/1.1 requests travel on streams of HTTP/2 to sidecars that agree by ALPN.
    package static let multiplexing = ProxyFeatures(rawValue: 1 << 24)

    /// A gRPC program that reads xDS itself.
    package static let proxyless = ProxyFeatures(rawValue: 1 << 16)
    /// It has no certificate of its own: the control plane makes key and certificate for it.
    package static let needsIdentity = ProxyFeatures(rawValue: 1 << 17)
    /// Connections inside of CONNECT (`tunnel` of a DestinationRule).
    package static let tunneling = ProxyFeatures(rawValue: 1 << 18)
    /// The same inside of POST.
    package static let postTunneling = ProxyFeatures(rawValue: 1 << 21)
    /// PROXY protocol towards endpoints.
    package static let proxyProtocol = ProxyFeatures(rawValue: 1 << 19)

    package static let envoy: ProxyFeatures = [
        .http2, .faults, .cors, .outlierDetection, .mirrors, .headerOperators, .needsIdentity, .tunneling,
        .postTunneling, .proxyProtocol,
    ]
    package static let grpc: ProxyFeatures = [.http2, .faults, .proxyless]
    package static let martlet: ProxyFeatures = [
        .http2, .multiplexing, .outlierDetection, .proxyProtocol, .faults, .cors, .mirrors, .headerOperators,
        .tunneling,
    ]
}

/// The mesh as one proxy sees it.
struct ProxyView {
    let snapshot: MeshSnapshot
    let proxy: ProxyIdentity
    /// The proxy's own pod: as `workloads.json` has it, or as the proxy describes itself when it is faster than that file.
    let workload: MeshWorkload
    let client: RouteClient
    let mesh: MeshConfiguration
    let keySets: KeySetSnapshot
    let scope: SidecarScope

    init(
        snapshot: MeshSnapshot, proxy: ProxyIdentity, mesh: MeshConfiguration, scope: SidecarScope? = nil,
        locality: Locality? = nil, keySets: KeySetSnapshot = KeySetSnapshot()
    ) {
        self.snapshot = snapshot
        self.proxy = proxy
        self.mesh = mesh
        self.keySets = keySets
        var workload = Self.workload(of: proxy, in: snapshot)
        if let locality { workload.locality = locality }
        self.workload = workload
        self.scope = scope ?? snapshot.scope(namespace: proxy.namespace, labels: workload.labels)
        client = RouteClient(namespace: proxy.namespace, labels: workload.labels)
    }

    static func workload(of proxy: ProxyIdentity, in snapshot: MeshSnapshot) -> MeshWorkload {
        snapshot.workload(namespace: proxy.namespace, name: proxy.pod)
            ?? MeshWorkload(
                name: proxy.pod, namespace: proxy.namespace, ip: proxy.ip, workload: proxy.pod, labels: proxy.labels,
                serviceAccount: proxy.serviceAccount, kind: proxy.role == .gateway ? .gateway : .pod
            )
    }

    var accessLog: AccessLogSettings { mesh.accessLog }

    /// Of the mesh: its own, then its aliases.
    var trustDomains: [String] { [snapshot.settings.trustDomain] + mesh.trustDomainAliases }

    /// Requests of this protocol are routed one by one; others are carried as bytes.
    func routesRequests(_ kind: ApplicationProtocol) -> Bool {
        kind.isHTTP && (proxy.features.contains(.http2) || !kind.isHTTP2)
    }

    /// What the HTTP inspector may find for the connection manager to take.
    var clearTextProtocols: [String] {
        proxy.features.contains(.http2) ? ["http/1.0", "http/1.1", "h2c"] : ["http/1.0", "http/1.1"]
    }

    /// What a sidecar speaks with other proxies of the mesh, the best first.
    var meshServerALPN: [String] {
        proxy.features.contains(.multiplexing) ? [MeshTLS.betweenOurs] + serverALPN : serverALPN
    }

    /// What the proxy negotiates when it ends TLS for HTTP.
    var serverALPN: [String] { proxy.features.contains(.http2) ? ["h2", "http/1.1"] : ["http/1.1"] }

    var services: [MeshService] { scope.services }

    /// The visible service of a fully qualified host.
    func service(_ host: String) -> MeshService? { scope.service(host) }

    func destinationRule(_ host: String) -> ResolvedDestinationRule? {
        snapshot.destinationRule(for: host, clientNamespace: proxy.namespace, clientLabels: workload.labels)
    }

    func policy(host: String, port: Int, subset: String?) -> EffectivePolicy {
        destinationRule(host)?.policy(port: port, subset: subset) ?? EffectivePolicy()
    }

    /// Where connections go that nothing in the mesh knows; nil refuses them.
    var unknownTraffic: String? {
        let policy = scope.outboundPolicy
        if policy?.mode ?? mesh.outboundMode == .registryOnly { return nil }
        guard let proxy = policy?.egressProxy, let port = proxy.port else { return Names.passthrough }
        let host = snapshot.settings.resolve(proxy.host.value, in: self.proxy.namespace)
        return Names.outboundCluster(port: port, subset: proxy.subset?.value ?? "", host: host)
    }

    /// Peers of an alias are the same workloads with certificates from before, or from elsewhere.
    func inEveryTrustDomain(_ identities: [String]) -> [String] {
        identities.flatMap { TrustDomainAliases.expand(identity: $0, trustDomains) }
    }
}
