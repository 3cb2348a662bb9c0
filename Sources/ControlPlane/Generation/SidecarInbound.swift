import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// What a sidecar does with calls to its pod: mutual TLS as PeerAuthentication asks, then on to the application.
struct SidecarInbound {
    let view: ProxyView
    private let parts: ListenerParts
    let security: SecurityFilters

    init(view: ProxyView) {
        self.view = view
        parts = ListenerParts(configuration: view.mesh)
        security = SecurityFilters(view: view)
    }

    /// A port of the pod that some service leads to, or that its Sidecar names.
    private struct Port {
        var number: Int
        var kind: ApplicationProtocol
        var service: MeshService?
        /// Where the application listens, when not where the connection was going.
        var endpoint: String?
        var pool: ConnectionPoolSettings?
        var tls: ServerTLSSettings?
        var origin: Origin?
    }

    /// In order of number; a port of several services is the first one's. A Sidecar with `ingress` replaces what the services
    /// say.
    private func ports() -> [Port] {
        var found: [Int: Port] = [:]
        let services = view.snapshot.services(of: view.workload)
        if let sidecar = view.scope.sidecar, !sidecar.ingress.isEmpty {
            let key = ResourceKey(
                group: "networking.istio.io", kind: "Sidecar", namespace: sidecar.metadata.namespace,
                name: sidecar.metadata.name
            )
            for ingress in sidecar.ingress {
                guard let port = ingress.port, found[port.number] == nil else { continue }
                let service = services.first { service in
                    service.ports.contains { view.workload.port(for: $0.target) == port.number }
                }
                var kind = ApplicationProtocol(transport: port.transport)
                // What is inside of the TLS that ends here.
                if ingress.tls != nil { kind = kind == .https ? .http : .tcp }
                found[port.number] = Port(
                    number: port.number, kind: kind, service: service,
                    endpoint: ingress.defaultEndpoint, pool: ingress.connectionPool ?? sidecar.inboundConnectionPool,
                    tls: ingress.tls, origin: Origin(key, at: ingress.location)
                )
            }
            return found.values.sorted { $0.number < $1.number }
        }
        for service in services {
            for port in service.ports where port.applicationProtocol != .udp {
                let target = view.workload.servicePorts?[port.name] ?? view.workload.port(for: port.target)
                guard let number = target, found[number] == nil else { continue }
                found[number] = Port(
                    number: number, kind: port.applicationProtocol, service: service,
                    pool: view.scope.sidecar?.inboundConnectionPool, origin: service.origin
                )
            }
        }
        return found.values.sorted { $0.number < $1.number }
    }

    func clusters() -> [Cluster] {
        var clusters = ports().map { port in
            let name = Names.inboundCluster(port: port.number)
            var cluster = port.endpoint.flatMap { endpoint($0, name: name) } ?? Self.originalDestination(name)
            cluster.metadata = Metadata(origin: port.origin)
            if let service = port.service {
                let entry = Google_Protobuf_Struct(strings: [
                    "host": service.host, "name": service.name, "namespace": service.namespace,
                ])
                cluster.metadata.filterMetadata["istio", default: .init()].fields["services"] =
                    .init(listValue: .init(values: [.init(structValue: entry)]))
            }
            let isHTTP2 = port.kind.isHTTP2 && view.proxy.features.contains(.http2)
            let followsClient = port.kind == .unknown && view.proxy.features.contains(.http2)
            if port.pool != nil || isHTTP2 || followsClient {
                var policy = EffectivePolicy()
                policy.connectionPool = port.pool
                PolicyCompiler.applyConnectionPool(
                    policy, isHTTP2: isHTTP2, mayUpgrade: followsClient, followsClient: followsClient, to: &cluster)
                cluster.connectTimeout = .init(port.pool?.tcp?.connectTimeout ?? .seconds(10))
            }
            return cluster
        }
        var passthrough = Self.originalDestination(Names.inboundPassthrough)
        if view.proxy.features.contains(.http2) { PolicyCompiler.followClient(&passthrough) }
        clusters.append(passthrough)
        guard view.proxy.socketMark != 0, view.proxy.features.contains(.needsIdentity) else { return clusters }
        // The capture rules let this mark pass to the application; the proxy's own would come back as a stranger's call.
        var option = Envoy_Config_Core_V3_SocketOption()
        option.level = 1
        option.name = 36
        option.intValue = Int64(view.proxy.socketMark + 1)
        for index in clusters.indices { clusters[index].upstreamBindConfig.socketOptions = [option] }
        return clusters
    }

    /// `127.0.0.1:PORT`, `0.0.0.0:PORT` (the pod's own address) or `unix://PATH`; nil for anything else.
    private func endpoint(_ text: String, name: String) -> Cluster? {
        var cluster = Self.originalDestination(name)
        cluster.type = .static
        cluster.lbPolicy = .roundRobin
        var endpoint = LoadBalancerEndpoint()
        if text.hasPrefix("unix://") {
            endpoint.endpoint.address.pipe.path = String(text.dropFirst("unix://".count))
        } else {
            guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else {
                return nil
            }
            let host = String(text[..<colon])
            endpoint.endpoint.address = .init(host == "0.0.0.0" ? view.workload.ip : host, port: port)
        }
        var locality = LocalityEndpoints()
        locality.lbEndpoints = [endpoint]
        cluster.loadAssignment.clusterName = name
        cluster.loadAssignment.endpoints = [locality]
        return cluster
    }

    /// The application listens on the pod's own address, which is where the connection was going.
    private static func originalDestination(_ name: String) -> Cluster {
        var cluster = Cluster()
        cluster.name = name
        cluster.type = .originalDst
        cluster.lbPolicy = .clusterProvided
        cluster.connectTimeout = .init(.seconds(10))
        var limits = Envoy_Config_Cluster_V3_CircuitBreakers.Thresholds()
        limits.maxConnections = .init(.max)
        limits.maxPendingRequests = .init(.max)
        limits.maxRequests = .init(.max)
        limits.maxRetries = .init(.max)
        cluster.circuitBreakers.thresholds = [limits]
        return cluster
    }

    func listener() -> Listener {
        var listener = Listener()
        listener.name = Names.virtualInbound
        listener.address = .init("0.0.0.0", port: Names.inboundCapturePort)
        listener.trafficDirection = .inbound
        listener.listenerFilters = [.originalDestination, .tlsInspector, .httpInspector]
        let ports = ports()
        // The client of a server that speaks first is silent: after this it is taken for plain TCP. Where only HTTP is
        // served everybody who is silent is slow, and would be mistaken.
        let isHTTP = !ports.isEmpty && ports.allSatisfy { view.routesRequests($0.kind) }
        listener.listenerFiltersTimeout = .init(isHTTP ? .seconds(15) : .seconds(1))
        listener.continueOnListenerFiltersTimeout = true
        listener.filterChains = [
            parts.blackHole("virtualInbound-blackhole", port: Names.inboundCapturePort)
        ]
        for port in ports { listener.filterChains += chains(port) }
        let declared = Set(ports.map(\.number))
        for number in view.snapshot.portsWithOwnMode(of: view.workload) where !declared.contains(number) {
            listener.filterChains += passthroughChains(port: number)
        }
        listener.filterChains += passthroughChains(port: nil)
        return listener
    }

    private func mode(_ port: Int?) -> EffectiveMutualTLS {
        // Port 0 is no port: what holds for the workload as a whole.
        view.snapshot.mutualTLS(of: view.workload, port: port ?? 0)
    }

    private func chains(_ port: Port) -> [FilterChain] {
        let cluster = Names.inboundCluster(port: port.number)
        let mode = mode(port.number)
        let tcp = security.tcp + [parts.tcp(cluster, statPrefix: cluster)]
        let http = view.routesRequests(port.kind) || port.kind == .unknown ? parts.http(manager(port)) : nil
        // Without an inspector there is no telling HTTP inside mutual TLS: an undeclared protocol is bytes there.
        let isHTTP = view.routesRequests(port.kind)
        let plain: [FilterChain]
        if isHTTP, let http {
            plain = [chain("\(cluster)-plain", [http], port: port.number, mode: mode)]
        } else if let http {
            plain = [
                chain("\(cluster)-plain-http", [http], port: port.number, mode: mode) {
                    $0.filterChainMatch.transportProtocol = "raw_buffer"
                    $0.filterChainMatch.applicationProtocols = view.clearTextProtocols
                },
                chain("\(cluster)-plain", tcp, port: port.number, mode: mode),
            ]
        } else {
            plain = [chain("\(cluster)-plain", tcp, port: port.number, mode: mode)]
        }
        let strict = mode.mode == .strict
        var secure = [
            chain("\(cluster)-mtls", isHTTP ? http.map { [$0] } ?? tcp : tcp, port: port.number, mode: mode) {
                self.requireMeshTLS(&$0, alpn: isHTTP ? self.view.meshServerALPN : [], strict: strict)
            }
        ]
        if !isHTTP, let http {
            // What the client found out about the protocol it says in its offer.
            let known = chain("\(cluster)-mtls-http", [http], port: port.number, mode: mode) {
                self.requireMeshTLS(&$0, alpn: self.view.meshServerALPN, strict: false)
                $0.filterChainMatch.applicationProtocols = MeshTLS.httpALPN
            }
            secure.insert(known, at: 0)
            if !strict { secure[1].filterChainMatch.applicationProtocols = MeshTLS.bytesALPN }
        }
        switch mode.mode {
        case .strict: return secure
        case .disable:
            guard let tls = port.tls, tls.mode == .simple || tls.mode == .mutual else { return plain }
            // Clients of outside the mesh speak TLS to the sidecar; the application does not.
            return plain.map { chain in
                var chain = chain
                chain.filterChainMatch.transportProtocol = "tls"
                chain.filterChainMatch.applicationProtocols = []
                chain.transportSocket = .downstreamTLS(.files(tls, alpn: isHTTP ? view.serverALPN : []))
                return chain
            }
        case .permissive, .unset:
            // TLS that is not the mesh's is the application's own: it goes through as bytes.
            // A port that speaks HTTP in clear cannot mean it.
            let foreign =
                isHTTP
                ? []
                : [
                    chain("\(cluster)-tls", tcp, port: port.number, mode: mode) {
                        $0.filterChainMatch.transportProtocol = "tls"
                    }
                ]
            let raw = plain.map { chain in
                var chain = chain
                chain.filterChainMatch.transportProtocol = "raw_buffer"
                return chain
            }
            return secure + foreign + raw
        }
    }

    /// Ports that no service declares are carried as bytes, but obey the mode as well.
    private func passthroughChains(port: Int?) -> [FilterChain] {
        let suffix = port.map { "-\($0)" } ?? ""
        let tcp = security.tcp + [parts.tcp(Names.inboundPassthrough)]
        let mode = mode(port)
        let secure = chain("virtualInbound-mtls\(suffix)", tcp, port: port, mode: mode) {
            self.requireMeshTLS(&$0, alpn: [], strict: mode.mode == .strict)
        }
        let plain = chain("virtualInbound\(suffix)", tcp, port: port, mode: mode)
        switch mode.mode {
        case .strict: return [secure]
        case .disable: return [plain]
        case .permissive, .unset:
            // A chain for TLS hides those without a protocol from all TLS: the application's own needs one too.
            let foreign = chain("virtualInbound-tls\(suffix)", tcp, port: port, mode: mode) {
                $0.filterChainMatch.transportProtocol = "tls"
            }
            return [secure, foreign, plain]
        }
    }

    private func chain(
        _ name: String, _ filters: [NetworkFilter], port: Int?, mode: EffectiveMutualTLS,
        change: (inout FilterChain) -> Void = { _ in }
    ) -> FilterChain {
        parts.chain(name, filters) { chain in
            if let port { chain.filterChainMatch.destinationPort = .init(UInt32(clamping: port)) }
            chain.metadata = Metadata(origin: mode.origin)
            change(&chain)
        }
    }

    private func requireMeshTLS(_ chain: inout FilterChain, alpn: [String], strict: Bool) {
        chain.filterChainMatch.transportProtocol = "tls"
        // Under STRICT every handshake is ours to judge; otherwise only those that announce the mesh.
        if !strict { chain.filterChainMatch.applicationProtocols = MeshTLS.meshALPN }
        let offered = alpn.isEmpty ? ["istio"] : alpn
        chain.transportSocket = .downstreamTLS(
            MeshTLS.downstream(alpn: offered, trustDomains: view.trustDomains)
        )
    }

    private func manager(_ port: Port) -> ConnectionManager {
        var manager = parts.connectionManager(statPrefix: "inbound_0.0.0.0_\(port.number)")
        manager.forwardClientCertDetails = .appendForward
        manager.setCurrentClientCertDetails.subject = .init(true)
        manager.setCurrentClientCertDetails.dns = true
        manager.setCurrentClientCertDetails.uri = true
        manager.httpFilters.insert(contentsOf: security.http, at: 0)
        var route = Route()
        route.name = "default"
        route.match.prefix = "/"
        route.route.cluster = Names.inboundCluster(port: port.number)
        route.route.timeout = .init(.zero)
        route.route.maxGrpcTimeout = .init(.zero)
        // The application may close a kept-alive connection just as it is used again.
        route.route.retryPolicy.retryOn = "reset-before-request"
        route.route.retryPolicy.numRetries = .init(2)
        if let service = port.service { route.decorator.operation = "\(service.host):\(port.number)/*" }
        route.metadata = Metadata(origin: port.origin)
        var host = VirtualHost()
        host.name = "inbound|http|\(port.number)"
        host.domains = ["*"]
        host.routes = [route]
        var table = RouteTable()
        table.name = Names.inboundCluster(port: port.number)
        table.virtualHosts = [host]
        table.validateClusters = .init(false)
        manager.routeConfig = table
        return manager
    }
}
