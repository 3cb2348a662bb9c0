import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

/// Outbound clusters and their endpoints: one per service port, one more per subset.
struct ClusterCompiler {
    let view: ProxyView

    /// A cluster and, when its endpoints are discovered, the assignment of the same name.
    struct Output {
        var cluster: Cluster
        var endpoints: Endpoints?
    }

    func clusters(of service: MeshService) -> [Output] {
        let rule = view.destinationRule(service.host)
        return service.ports.filter { $0.applicationProtocol != .udp }.flatMap { port -> [Output] in
            let subsets: [Subset?] = [nil] + (rule?.subsets ?? [])
            return subsets.map { output(service, port: port, subset: $0, rule: rule) }
        }
    }

    private func output(
        _ service: MeshService, port: MeshService.Port, subset: Subset?, rule: ResolvedDestinationRule?
    ) -> Output {
        let policy = rule?.policy(port: port.number, subset: subset?.name) ?? EffectivePolicy()
        var cluster = Cluster()
        cluster.name = Names.outboundCluster(port: port.number, subset: subset?.name ?? "", host: service.host)
        cluster.connectTimeout = .init(policy.connectionPool?.tcp?.connectTimeout ?? .seconds(10))
        let origin = subset.flatMap { rule?.subsetOrigins[$0.name] } ?? policy.origin ?? service.origin
        cluster.metadata = metadata(service, subset: subset, origin: origin)
        var endpoints: Endpoints?
        if let external = externalName(service) {
            cluster.type = .strictDns
            cluster.loadAssignment = dnsEndpoints(cluster.name, host: external, port: port.number)
            cluster.dnsLookupFamily = .v4Only
        } else if policy.loadBalancer?.simple == .passthrough || isAddressedDirectly(service, port) {
            cluster.type = .originalDst
            cluster.lbPolicy = .clusterProvided
        } else {
            cluster.type = .eds
            cluster.edsClusterConfig.edsConfig = .aggregated
            cluster.edsClusterConfig.serviceName = cluster.name
            endpoints = assignment(cluster.name, service: service, port: port, subset: subset)
        }
        if cluster.lbPolicy != .clusterProvided { PolicyCompiler.applyBalancing(policy.loadBalancer, to: &cluster) }
        PolicyCompiler.applyConnectionPool(
            policy, isHTTP2: isHTTP2(port), mayUpgrade: view.proxy.features.contains(.http2), to: &cluster)
        if view.proxy.features.contains(.outlierDetection) {
            PolicyCompiler.applyOutlierDetection(policy.outlierDetection, to: &cluster)
        }
        applyTransport(policy, service: service, port: port, subset: subset, to: &cluster)
        return Output(cluster: cluster, endpoints: endpoints)
    }

    private func isHTTP2(_ port: MeshService.Port) -> Bool {
        port.applicationProtocol.isHTTP2 && view.proxy.features.contains(.http2)
    }

    private func externalName(_ service: MeshService) -> String? {
        if case .externalName(let name) = service.resolution { name } else { nil }
    }

    /// Clients of a headless TCP service mean one pod; choosing another for them would be wrong.
    private func isAddressedDirectly(_ service: MeshService, _ port: MeshService.Port) -> Bool {
        service.resolution == .headless && !view.routesRequests(port.applicationProtocol)
    }

    private func metadata(_ service: MeshService, subset: Subset?, origin: Origin) -> Metadata {
        var metadata = Metadata(origin: origin)
        var istio = metadata.filterMetadata["istio"] ?? .init()
        let entry = Google_Protobuf_Struct(strings: [
            "host": service.host, "name": service.name, "namespace": service.namespace,
        ])
        istio.fields["services"] = .init(listValue: .init(values: [.init(structValue: entry)]))
        if let subset { istio.fields["subset"] = .init(stringValue: subset.name) }
        metadata.filterMetadata["istio"] = istio
        return metadata
    }

    private func applyTransport(
        _ policy: EffectivePolicy, service: MeshService, port: MeshService.Port, subset: Subset?,
        to cluster: inout Cluster
    ) {
        let serverName = Names.serverName(port: port.number, subset: subset?.name ?? "", host: service.host)
        let mesh = TransportSocket.upstreamTLS(
            MeshTLS.upstream(
                serverName: serverName, identities: view.snapshot.identities(of: service),
                isHTTP: view.routesRequests(port.applicationProtocol), isHTTP2: isHTTP2(port)
            )
        )
        guard let tls = policy.tls else {
            if externalName(service) != nil { return }
            if cluster.type == .originalDst {
                // No endpoint metadata there: mutual TLS only when every pod takes it.
                let pods = view.snapshot.endpoints(of: service, port: port.number, subset: subset)
                if !pods.isEmpty, pods.allSatisfy(\.takesMutualTLS) { cluster.transportSocket = mesh }
                return
            }
            cluster.transportSocketMatches = [
                socketMatch("tlsMode-istio", ["tlsMode": "istio"], mesh), socketMatch("tlsMode-disabled", [:], .raw),
            ]
            return
        }
        switch tls.mode {
        case .disable:
            break
        case .istioMutual:
            let identities = tls.subjectAltNames.isEmpty ? view.snapshot.identities(of: service) : tls.subjectAltNames
            cluster.transportSocket = .upstreamTLS(
                MeshTLS.upstream(
                    serverName: tls.sni ?? serverName, identities: identities,
                    isHTTP: view.routesRequests(port.applicationProtocol), isHTTP2: isHTTP2(port)
                )
            )
        case .simple, .mutual:
            cluster.transportSocket = .upstreamTLS(
                PolicyCompiler.originatedTLS(tls, isHTTP2: isHTTP2(port), host: service.host)
            )
        }
    }

    private func socketMatch(
        _ name: String, _ match: [String: String], _ socket: TransportSocket
    ) -> Cluster.TransportSocketMatch {
        var entry = Cluster.TransportSocketMatch()
        entry.name = name
        entry.match = .init(strings: match)
        entry.transportSocket = socket
        return entry
    }

    private func dnsEndpoints(_ name: String, host: String, port: Int) -> Endpoints {
        var endpoint = LoadBalancerEndpoint()
        endpoint.endpoint.address = .init(host, port: port)
        var locality = LocalityEndpoints()
        locality.lbEndpoints = [endpoint]
        var assignment = Endpoints()
        assignment.clusterName = name
        assignment.endpoints = [locality]
        return assignment
    }

    private func assignment(
        _ name: String, service: MeshService, port: MeshService.Port, subset: Subset?
    ) -> Endpoints {
        var assignment = Endpoints()
        assignment.clusterName = name
        let endpoints = view.snapshot.endpoints(of: service, port: port.number, subset: subset).map(endpoint)
        guard !endpoints.isEmpty else { return assignment }
        var locality = LocalityEndpoints()
        locality.lbEndpoints = endpoints
        locality.loadBalancingWeight = .init(UInt32(endpoints.count))
        assignment.endpoints = [locality]
        return assignment
    }

    private func endpoint(_ pod: MeshEndpoint) -> LoadBalancerEndpoint {
        var endpoint = LoadBalancerEndpoint()
        endpoint.endpoint.address = .init(pod.workload.ip, port: pod.port)
        endpoint.loadBalancingWeight = .init(1)
        endpoint.healthStatus = .healthy
        endpoint.metadata = WorkloadMetadata.endpoint(pod, settings: view.snapshot.settings)
        return endpoint
    }
}
