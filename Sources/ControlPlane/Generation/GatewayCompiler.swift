import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// What a gateway workload listens on and where it sends requests, from the Gateways that select it.
struct GatewayCompiler {
    let view: ProxyView
    private let parts: ListenerParts
    private let secrets: SecretCompiler
    private let security: SecurityFilters

    init(view: ProxyView) {
        self.view = view
        parts = ListenerParts(configuration: view.mesh)
        secrets = SecretCompiler(view: view)
        security = SecurityFilters(view: view)
    }

    struct Output {
        var listeners: [Listener] = []
        var routes: [RouteTable] = []
        var secrets: [SDSSecret] = []
        /// Names of the clusters that routes and filters lead to.
        var clusters: Set<String> = []
        /// Every service is reachable by its name in the handshake (`AUTO_PASSTHROUGH`).
        var servesAll = false
    }

    func compile() -> Output {
        var output = Output()
        for gateway in view.snapshot.gatewayListeners(for: view.workload) {
            var listener = Listener()
            let address = gateway.bind ?? "0.0.0.0"
            listener.name = "\(address)_\(gateway.targetPort)"
            listener.address = .init(address, port: gateway.targetPort)
            listener.trafficDirection = .outbound
            listener.metadata = Metadata(origin: gateway.servers.first?.origin)
            if gateway.isHTTP {
                let place = gateway.bind.map { ".\($0)" } ?? ""
                let table = table(name: "http.\(gateway.targetPort)\(place)", servers: gateway.servers)
                listener.filterChains = [
                    parts.chain("\(listener.name)-http", [parts.http(manager(listener.name, table))])
                ]
                output.routes.append(table)
            } else if gateway.isTLS {
                listener.listenerFilters = [.tlsInspector]
                for server in gateway.servers {
                    listener.filterChains += tlsChains(server, listener: listener.name, output: &output)
                }
            } else {
                listener.filterChains = Array(
                    gateway.servers.lazy.flatMap { tcpChains($0, listener: listener.name, output: &output) }.prefix(1)
                )
            }
            Self.separate(&listener.filterChains)
            if !listener.filterChains.isEmpty { output.listeners.append(listener) }
        }
        for table in output.routes {
            output.clusters.formUnion(table.virtualHosts.flatMap(\.routes).flatMap(\.clusterNames))
        }
        output.clusters.formUnion(security.authorizers.keys)
        var seen: Set<String> = []
        output.secrets = output.secrets.filter { seen.insert($0.name).inserted }
        return output
    }

    /// Of two servers of one name the older one serves it: names are taken from later chains, which go when none is left.
    private static func separate(_ chains: inout [FilterChain]) {
        var taken: Set<String> = []
        var hasDefault = false
        chains = chains.compactMap { chain in
            var chain = chain
            guard !chain.filterChainMatch.serverNames.isEmpty else {
                defer { hasDefault = true }
                return hasDefault ? nil : chain
            }
            chain.filterChainMatch.serverNames.removeAll { !taken.insert($0).inserted }
            return chain.filterChainMatch.serverNames.isEmpty ? nil : chain
        }
    }

    // MARK: HTTP

    private func manager(_ name: String, _ table: RouteTable) -> ConnectionManager {
        var manager = parts.connectionManager(statPrefix: "outbound_\(name)")
        manager.useRemoteAddress = .init(true)
        manager.forwardClientCertDetails = .sanitizeSet
        manager.setCurrentClientCertDetails.subject = .init(true)
        manager.setCurrentClientCertDetails.dns = true
        manager.setCurrentClientCertDetails.uri = true
        manager.rds.configSource = .aggregated
        manager.rds.routeConfigName = table.name
        parts.addFilters(for: table.virtualHosts.flatMap(\.routes), to: &manager)
        manager.httpFilters.insert(contentsOf: security.http, at: 0)
        return manager
    }

    private func table(name: String, servers: [GatewayServer]) -> RouteTable {
        var table = RouteTable()
        table.name = name
        table.validateClusters = .init(false)
        table.ignorePortInHostMatching = true
        table.maxDirectResponseBodySizeBytes = .init(1 << 20)
        let port = servers.first?.port.number ?? 0
        for entry in view.snapshot.gatewayVirtualHosts(of: servers, workload: view.workload) {
            var host = VirtualHost()
            let compiler = RouteCompiler(view: view, listenerPort: entry.port, isGateway: true)
            host.name = "\(entry.host):\(entry.port)"
            host.domains = [entry.host]
            host.includeRequestAttemptCount = true
            host.routes = entry.rules.flatMap { compiler.routes(for: $0.virtualService, rules: [$0.rule]) }
            host.metadata = Metadata(origin: entry.rules.first?.origin)
            if entry.httpsRedirect { host.requireTls = .all }
            table.virtualHosts.append(host)
        }
        redirectOnlyHosts(servers, port: port, table: &table)
        if table.virtualHosts.isEmpty {
            // Nothing is bound to the gateway: it listens and answers 404.
            var host = VirtualHost()
            host.name = "blackhole:\(port)"
            host.domains = ["*"]
            table.virtualHosts = [host]
        }
        return table
    }

    /// Servers with httpsRedirect answer for their hosts even when no VirtualService is bound.
    private func redirectOnlyHosts(_ servers: [GatewayServer], port: Int, table: inout RouteTable) {
        var taken = Set(table.virtualHosts.flatMap(\.domains))
        for server in servers where server.server.tls?.httpsRedirect == true {
            for name in server.server.hosts {
                let domain = String(name.value.split(separator: "/").last ?? "*")
                guard taken.insert(domain).inserted else { continue }
                var host = VirtualHost()
                host.name = "\(domain):\(port)"
                host.domains = [domain]
                host.requireTls = .all
                host.metadata = Metadata(origin: server.origin)
                table.virtualHosts.append(host)
            }
        }
    }

    // MARK: TLS

    private func tlsChains(_ server: GatewayServer, listener: String, output: inout Output) -> [FilterChain] {
        guard let settings = server.server.tls else { return [] }
        switch settings.mode {
        case .passthrough:
            return passthroughChains(server, listener: listener, output: &output)
        case .autoPassthrough:
            output.servesAll = true
            return autoPassthroughChains(server, listener: listener)
        case .simple, .mutual, .optionalMutual, .istioMutual:
            break
        }
        let names = serverNames(server)
        let context = context(settings, isHTTP: server.port.transport.isHTTP, output: &output)
        guard server.port.transport.isHTTP else {
            return tcpChains(server, listener: listener, output: &output).map { chain in
                var chain = chain
                chain.filterChainMatch.serverNames = names
                chain.transportSocket = .downstreamTLS(context)
                return chain
            }
        }
        let gateway = server.gateway.split(separator: "/").last ?? ""
        let table = table(
            name: "https.\(server.port.number).\(server.port.name).\(gateway).\(server.namespace)",
            servers: [server]
        )
        output.routes.append(table)
        let chain = parts.chain("\(listener)-\(table.name)", [parts.http(manager(listener, table))]) {
            $0.filterChainMatch.serverNames = names
            $0.transportSocket = .downstreamTLS(context)
            $0.metadata = Metadata(origin: server.origin)
        }
        return [chain]
    }

    /// Empty when any name is served.
    private func serverNames(_ server: GatewayServer) -> [String] {
        let names = server.server.hosts.map { String($0.value.split(separator: "/").last ?? "*") }
        return names.contains("*") ? [] : names
    }

    private func context(_ settings: ServerTLSSettings, isHTTP: Bool, output: inout Output) -> DownstreamTLS {
        if settings.mode == .istioMutual {
            return MeshTLS.downstream(
                alpn: isHTTP ? view.serverALPN : ["istio"], trustDomains: view.trustDomains
            )
        }
        var context = DownstreamTLS()
        context.commonTlsContext.tlsParams = .init(
            minimum: settings.minProtocolVersion, maximum: settings.maxProtocolVersion,
            cipherSuites: settings.cipherSuites
        )
        context.commonTlsContext.alpnProtocols = isHTTP ? view.serverALPN : []
        let credentials = [settings.credentialName].compactMap(\.self) + settings.credentialNames
        for credential in credentials {
            context.commonTlsContext.tlsCertificateSdsSecretConfigs.append(.init(Names.gatewaySecret(credential.value)))
            if let secret = secrets.certificate(credential.value) { output.secrets.append(secret) }
        }
        let files =
            [(settings.serverCertificate, settings.privateKey)]
            + settings.tlsCertificates.map { ($0.serverCertificate, $0.privateKey) }
        for case (let chain?, let key?) in files {
            var certificate = Envoy_Extensions_TransportSockets_Tls_V3_TlsCertificate()
            certificate.certificateChain.filename = chain
            certificate.privateKey.filename = key
            context.commonTlsContext.tlsCertificates.append(certificate)
        }
        if settings.mode == .mutual || settings.mode == .optionalMutual {
            context.requireClientCertificate = .init(settings.mode == .mutual)
            requireClients(settings, context: &context, output: &output)
        }
        return context
    }

    private func requireClients(_ settings: ServerTLSSettings, context: inout DownstreamTLS, output: inout Output) {
        let names = settings.subjectAltNames.map { text in
            var matcher = Envoy_Extensions_TransportSockets_Tls_V3_SubjectAltNameMatcher()
            matcher.sanType = text.contains("://") ? .uri : .dns
            matcher.matcher.exact = text
            return matcher
        }
        var validation = Envoy_Extensions_TransportSockets_Tls_V3_CertificateValidationContext()
        validation.matchTypedSubjectAltNames = names
        validation.verifyCertificateSpki = settings.verifyCertificateSPKI
        validation.verifyCertificateHash = settings.verifyCertificateHash
        if let list = settings.caCRL { validation.crl.filename = list }
        if let file = settings.caCertificates {
            validation.trustedCa.filename = file
            context.commonTlsContext.validationContext = validation
            return
        }
        guard let credential = settings.caCertCredentialName?.value ?? settings.credentialName?.value else { return }
        let name = Names.gatewaySecret(credential) + "-cacert"
        context.commonTlsContext.combinedValidationContext.validationContextSdsSecretConfig = .init(name)
        context.commonTlsContext.combinedValidationContext.defaultValidationContext = validation
        if let secret = secrets.authority(credential, name: name) { output.secrets.append(secret) }
    }

    // MARK: TLS passed through, and TCP

    private func boundServices(_ server: GatewayServer) -> [ResolvedVirtualService] {
        view.snapshot.virtualServices(visibleIn: view.workload.namespace).filter {
            $0.gateways.contains(server.gateway) && !server.hosts(of: $0).isEmpty
        }
    }

    private func client(_ server: GatewayServer) -> RouteClient {
        RouteClient(namespace: view.workload.namespace, labels: view.workload.labels, gateways: [server.gateway])
    }

    private func passthroughChains(
        _ server: GatewayServer, listener: String, output: inout Output
    ) -> [FilterChain] {
        var chains: [FilterChain] = []
        for service in boundServices(server) {
            for rule in service.tlsRules(for: client(server), port: server.port.number) {
                let names = rule.match.flatMap { $0.sniHosts.map(\.value) }
                let name = "\(listener)-\(server.port.name)-tls-\(chains.count)"
                guard let filter = weighted(rule.route, port: server.port.number, output: &output) else { continue }
                chains.append(
                    parts.chain(name, security.tcp + [filter]) {
                        $0.filterChainMatch.serverNames = names.contains("*") ? [] : names
                        $0.filterChainMatch.transportProtocol = "tls"
                        $0.metadata = Metadata(origin: service.origin(of: rule.location))
                    }
                )
            }
        }
        // TCP rules take what no name claims.
        return chains + tcpChains(server, listener: listener, output: &output)
    }

    /// Each service port and subset by the name that sidecars give in their handshakes: nothing is decrypted.
    private func autoPassthroughChains(_ server: GatewayServer, listener: String) -> [FilterChain] {
        let hosts = serverNames(server)
        return view.services.flatMap { service -> [FilterChain] in
            guard hosts.isEmpty || hosts.contains(where: { HostRules.isSubset(service.host, of: $0) }) else {
                return []
            }
            let rule = view.destinationRule(service.host)
            return service.ports.filter { $0.applicationProtocol != .udp }.flatMap { port in
                ([""] + (rule?.subsets.map(\.name) ?? [])).map { subset in
                    let name = Names.serverName(port: port.number, subset: subset, host: service.host)
                    return parts.chain("\(listener)-\(name)", security.tcp + [parts.tcp(name)]) {
                        $0.filterChainMatch.serverNames = [name]
                        $0.filterChainMatch.transportProtocol = "tls"
                        $0.metadata = Metadata(origin: server.origin)
                    }
                }
            }
        }
    }

    private func tcpChains(_ server: GatewayServer, listener: String, output: inout Output) -> [FilterChain] {
        for service in boundServices(server) {
            for rule in service.tcpRules(for: client(server), port: server.port.number) {
                guard let filter = weighted(rule.route, port: server.port.number, output: &output) else { continue }
                let chain = parts.chain("\(listener)-tcp", security.tcp + [filter]) {
                    $0.metadata = Metadata(origin: service.origin(of: rule.location))
                }
                return [chain]
            }
        }
        return []
    }

    private func weighted(_ route: [RouteDestination], port: Int, output: inout Output) -> NetworkFilter? {
        let compiler = RouteCompiler(view: view, listenerPort: port, isGateway: true)
        let clusters = L4Routes.clusters(route, compiler)
        guard let first = clusters.first else { return nil }
        output.clusters.formUnion(clusters.map(\.name))
        return parts.tcp(
            clusters, statPrefix: first.name, tunnel: L4Routes.tunnel(of: route, compiler),
            idleTimeout: L4Routes.idleTimeout(of: route, compiler))
    }
}

extension Route {
    /// Every cluster that requests on this route may go to.
    var clusterNames: [String] {
        guard case .route(let action)? = self.action else { return [] }
        let own = action.cluster.isEmpty ? [] : [action.cluster]
        return own + action.weightedClusters.clusters.map(\.name) + action.requestMirrorPolicies.map(\.cluster)
    }
}
