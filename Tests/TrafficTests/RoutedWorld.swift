import ControlPlane
import MeshAPI
import MeshState
import Proxy
import RequestSupport
import Routing
import SwiftProtobuf
import XDS
import XDSTransport

/// A proxy's configuration as the control plane made it, and where calls end under it.
struct RoutedWorld {
    struct Outcome: CustomStringConvertible {
        var error: String?
        var cluster = ""
        var virtualHost = ""

        var description: String { error ?? "\(virtualHost) -> \(cluster)" }
    }

    let issues: [String]
    let routes: [String: Envoy_Config_Route_V3_RouteConfiguration]
    private let listeners: [String: Envoy_Config_Listener_V3_Listener]
    private let tables: [String: RouteTable]
    private let services: [MeshService]

    init(_ test: RoutingCase) throws {
        MessageTypes.register()
        let documents = ManifestDecoder().decode(test.manifests, file: "mesh.yaml")
        let resources = documents.compactMap { document in
            document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
        }
        let snapshot = SnapshotBuilder().build(MeshState.ResourceSet(Self.homed(resources))).snapshot
        services = snapshot.services
        let isGateway = !snapshot.gateways.isEmpty
        let proxy = ProxyIdentity(
            id: "x", role: isGateway ? .gateway : .sidecar, ip: "1.1.1.1", pod: "pod",
            namespace: isGateway ? "istio-system" : test.proxyNamespace ?? "default",
            labels: isGateway ? ["istio": "ingressgateway"] : ["app": "foo"]
        )
        var builder = ConfigurationBuilder(snapshot)
        let set = builder.build(for: proxy)
        listeners = try Self.all(set)
        let routes: [String: Envoy_Config_Route_V3_RouteConfiguration] = try Self.all(set)
        let clusters: [String: Envoy_Config_Cluster_V3_Cluster] = try Self.all(set)
        var compiler = RuntimeCompiler()
        var issues: [String] = []
        for (name, value) in listeners { issues += compiler.issues(in: value).map { "\(name): \($0)" } }
        for (name, value) in routes { issues += compiler.issues(in: value).map { "\(name): \($0)" } }
        for (name, value) in clusters { issues += compiler.issues(in: value).map { "\(name): \($0)" } }
        self.issues = issues
        var accepted = XDSResources()
        accepted.listeners = listeners
        accepted.routes = routes
        accepted.clusters = clusters
        let runtime = compiler.snapshot(from: accepted)
        var tables: [String: RouteTable] = [:]
        for table in runtime.routeTables.compactMap(\.self) { tables[table.name] = table }
        self.tables = tables
        self.routes = routes
    }

    /// Puts Gateways where the cases have them.
    ///
    /// Istio's tests make them with a helper whose empty namespace means `default`, which the names of its route tables show
    /// (`https.443.https.gateway.default`); the files of the cases say `istio-system` for an empty one. So a Gateway of
    /// `istio-system` that nobody refers to there, but somebody in `default`, is in `default`.
    private static func homed(
        _ resources: [(key: ResourceKey, resource: Resource)]
    ) -> [(key: ResourceKey, resource: Resource)] {
        let references = resources.flatMap { entry -> [String] in
            guard case .virtualService(let service) = entry.resource else { return [] }
            return service.gateways.map {
                $0.value.contains("/") ? $0.value : "\(service.metadata.namespace)/\($0.value)"
            }
        }
        return resources.map { entry in
            guard case .gateway(var gateway) = entry.resource, entry.key.namespace == "istio-system",
                references.contains("default/\(entry.key.name)"),
                !references.contains("istio-system/\(entry.key.name)")
            else { return entry }
            var key = entry.key
            key.namespace = "default"
            gateway.metadata.namespace = "default"
            return (key, .gateway(gateway))
        }
    }

    private static func all<M: Message>(_ set: XDSTransport.ResourceSet) throws -> [String: M] {
        try set[TypeURL.of(M.self)].mapValues { try M(unpackingAny: $0.body) }
    }

    func decide(_ call: RoutingCase.Call) throws -> Outcome {
        guard let listener = listener(call) else { return Outcome(error: "ErrNoListener") }
        guard let chain = chain(call, of: listener) else { return Outcome(error: "ErrNoFilterChain") }
        if chain.hasTransportSocket {
            let context = try Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext(
                unpackingAny: chain.transportSocket.typedConfig
            )
            if call.tls == "plaintext" { return Outcome(error: "ErrTLSError") }
            if context.requireClientCertificate.value, call.tls != "mtls" { return Outcome(error: "ErrMTLSError") }
        }
        guard let filter = chain.filters.last?.typedConfig else { return Outcome(error: "ErrNoFilterChain") }
        if filter.isA(Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy.self) {
            let proxy = try Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy(unpackingAny: filter)
            return Outcome(cluster: proxy.cluster)
        }
        // Bytes that are no requests, or still encrypted, mean nothing to a connection manager.
        guard call.isHTTP, chain.hasTransportSocket == (call.tls != "plaintext") else {
            return Outcome(error: "ErrProtocolError")
        }
        let manager = try Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager(
            unpackingAny: filter
        )
        let isInline = manager.rds.routeConfigName.isEmpty
        let wire = isInline ? manager.routeConfig : routes[manager.rds.routeConfigName]
        guard let wire, let table = tables[wire.name] else { return Outcome(error: "ErrNoRoute") }
        return route(call, table: table, wire: wire)
    }

    private func route(
        _ call: RoutingCase.Call, table: RouteTable, wire: Envoy_Config_Route_V3_RouteConfiguration
    ) -> Outcome {
        let path = call.text("Path").isEmpty ? "/" : call.text("Path")
        let head = RequestHead(path, authority: call.text("HostHeader"), isSecure: call.tls != "plaintext")
        return head.withView { view in
            let decision = table.decide(view, random: 1)
            switch decision.outcome {
            case .noVirtualHost: return Outcome(error: "ErrNoVirtualHost")
            case .noRoute: return Outcome(error: "ErrNoRoute")
            case .requireTLS: return Outcome(error: "ErrTLSRedirect")
            default: break
            }
            let all = wire.virtualHosts.flatMap(\.routes)
            let route = all[Int(decision.route)]
            return Outcome(
                cluster: RoutingConformanceTests.clusters(route).first ?? "",
                virtualHost: table.virtualHostName(decision.virtualHost)
            )
        }
    }

    // MARK: Listener and filter chain

    private func listener(_ call: RoutingCase.Call) -> Envoy_Config_Listener_V3_Listener? {
        if call.isInbound { return listeners["virtualInbound"] }
        // The cases were written with the addresses that Istio hands out; the name stands for what is handed out here.
        let named = services.first { $0.host == call.text("HostHeader") }?.address
        let address = named ?? call.text("Address")
        return listeners["\(address)_\(call.port)"] ?? listeners["0.0.0.0_\(call.port)"]
            ?? listeners["virtualOutbound"]
    }

    private func chain(
        _ call: RoutingCase.Call, of listener: Envoy_Config_Listener_V3_Listener
    ) -> Envoy_Config_Listener_V3_FilterChain? {
        let isTLS = call.tls != "plaintext"
        let inspectsHTTP = listener.listenerFilters.contains { $0.name.hasSuffix("http_inspector") }
        var offers = call.offers
        if !isTLS, inspectsHTTP, call.isHTTP { offers = [call.text("Protocol") == "http2" ? "h2c" : "http/1.1"] }
        let serverName = call.text("Sni").isEmpty ? call.text("HostHeader") : call.text("Sni")
        var left = listener.filterChains
        func keep(_ score: (Envoy_Config_Listener_V3_FilterChainMatch) -> Int?) {
            let scored = left.compactMap { chain in score(chain.filterChainMatch).map { ($0, chain) } }
            let best = scored.map(\.0).max()
            left = scored.filter { $0.0 == best }.map(\.1)
        }
        keep { $0.hasDestinationPort ? ($0.destinationPort.value == call.port ? 1 : nil) : 0 }
        keep { match in
            if match.serverNames.isEmpty { return 0 }
            guard isTLS else { return nil }
            return match.serverNames.filter { HostRules.isSubset(serverName, of: $0) }.map(\.count).max()
        }
        keep { match in
            switch match.transportProtocol {
            case "tls": isTLS ? 1 : nil
            case "raw_buffer": isTLS ? nil : 1
            default: 0
            }
        }
        keep { match in
            if match.applicationProtocols.isEmpty { return 0 }
            return offers.contains(where: match.applicationProtocols.contains) ? 1 : nil
        }
        return left.first ?? (listener.hasDefaultFilterChain ? listener.defaultFilterChain : nil)
    }
}
