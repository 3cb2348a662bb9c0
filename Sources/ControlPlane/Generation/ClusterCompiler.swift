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
        var policy = rule?.policy(port: port.number, subset: subset?.name) ?? EffectivePolicy()
        if policy.loadBalancer == nil, service.hasClientAffinity { policy.loadBalancer = .clientAffinity }
        var cluster = Cluster()
        cluster.name = Names.outboundCluster(port: port.number, subset: subset?.name ?? "", host: service.host)
        cluster.connectTimeout = .init(policy.connectionPool?.tcp?.connectTimeout ?? .seconds(10))
        let origin = subset.flatMap { rule?.subsetOrigins[$0.name] } ?? policy.origin ?? service.origin
        cluster.metadata = metadata(service, subset: subset, origin: origin)
        let endpoints = discover(service, port: port, subset: subset, policy: policy, cluster: &cluster)
        if cluster.lbPolicy != .clusterProvided { PolicyCompiler.applyBalancing(policy.loadBalancer, to: &cluster) }
        PolicyCompiler.applyConnectionPool(
            policy, isHTTP2: isHTTP2(port), mayUpgrade: view.proxy.features.contains(.http2),
            multiplexes: multiplexes(service, port, policy),
            followsClient: port.applicationProtocol == .unknown && view.proxy.features.contains(.http2), to: &cluster)
        if view.proxy.features.contains(.outlierDetection) {
            PolicyCompiler.applyOutlierDetection(policy.outlierDetection, to: &cluster)
        }
        applyTransport(policy, service: service, port: port, subset: subset, to: &cluster)
        if let settings = policy.proxyProtocol, view.proxy.features.contains(.proxyProtocol) {
            PolicyCompiler.applyProxyProtocol(settings, to: &cluster)
        }
        return Output(cluster: cluster, endpoints: endpoints)
    }

    /// How the cluster comes by its endpoints; returns them when they are discovered.
    private func discover(
        _ service: MeshService, port: MeshService.Port, subset: Subset?, policy: EffectivePolicy,
        cluster: inout Cluster
    ) -> Endpoints? {
        let passesThrough = policy.loadBalancer?.simple == .passthrough || isAddressedDirectly(service, port)
        if passesThrough {
            // Whatever kind of service: connections go where the client meant them to go.
            cluster.type = .originalDst
            cluster.lbPolicy = .clusterProvided
            return nil
        }
        let source = source(of: service)
        switch source.resolution {
        case .externalName(let name):
            cluster.type = .strictDns
            cluster.dnsLookupFamily = .v4Only
            let target = MeshEndpoint(name: name, port: port.number)
            cluster.loadAssignment = assignment(cluster.name, [target], policy, service, named: true, &cluster)
        case .entry(.dns), .entry(.dnsRoundRobin):
            cluster.type = service.resolution == .entry(.dns) ? .strictDns : .logicalDns
            cluster.dnsLookupFamily = .v4Only
            cluster.dnsRefreshRate = .init(.seconds(60))
            cluster.respectDnsTtl = true
            var found = view.snapshot.endpoints(of: service, port: port.number, subset: subset)
            if found.isEmpty, service.entry?.endpoints.isEmpty ?? true {
                found = [MeshEndpoint(name: service.host, port: targetNumber(port))]
            }
            // LOGICAL_DNS is one name.
            if service.resolution == .entry(.dnsRoundRobin) { found = Array(found.prefix(1)) }
            cluster.loadAssignment = assignment(cluster.name, found, policy, service, named: true, &cluster)
        case .entry(.none), .entry(.dynamicDNS):
            cluster.type = .originalDst
            cluster.lbPolicy = .clusterProvided
        case .clusterIP, .headless, .entry(.fixed):
            cluster.type = .eds
            cluster.edsClusterConfig.edsConfig = .aggregated
            cluster.edsClusterConfig.serviceName = cluster.name
            let found = view.snapshot.endpoints(of: source, port: port.number, subset: subset)
            return assignment(cluster.name, found, policy, service, named: false, &cluster)
        }
        return nil
    }

    private func targetNumber(_ port: MeshService.Port) -> Int {
        if case .number(let number) = port.target { number } else { port.number }
    }

    private func isHTTP2(_ port: MeshService.Port) -> Bool {
        port.applicationProtocol.isHTTP2 && view.proxy.features.contains(.http2)
    }

    /// Requests of this port leave as HTTP/2 whatever they came as (`h2UpgradePolicy: UPGRADE`), or because they are.
    private func goesAsHTTP2(_ port: MeshService.Port, _ policy: EffectivePolicy) -> Bool {
        isHTTP2(port)
            || view.proxy.features.contains(.http2) && view.routesRequests(port.applicationProtocol)
                && policy.connectionPool?.http?.h2UpgradePolicy == .upgrade
    }

    /// Requests of HTTP/1.1 travel on streams of HTTP/2 to sidecars that agree, unless the user asks otherwise.
    private func multiplexes(_ service: MeshService, _ port: MeshService.Port, _ policy: EffectivePolicy) -> Bool {
        guard view.proxy.features.contains(.multiplexing), view.routesRequests(port.applicationProtocol),
            !goesAsHTTP2(port, policy), !isExternal(service)
        else { return false }
        let http = policy.connectionPool?.http
        guard http?.h2UpgradePolicy != .doNotUpgrade, http?.useClientProtocol != true else { return false }
        switch policy.tls?.mode {
        case nil, .istioMutual: return true
        case .disable, .simple, .mutual: return false
        }
    }

    /// Whose pods answer: an alias of a name in the mesh has that name's, as in Istio.
    private func source(of service: MeshService) -> MeshService { view.snapshot.alias(of: service) ?? service }

    /// Outside of the mesh nobody speaks its mutual TLS.
    private func isExternal(_ service: MeshService) -> Bool { view.snapshot.isOutside(service) }

    /// Clients of a headless TCP service mean one pod; choosing another for them would be wrong.
    private func isAddressedDirectly(_ service: MeshService, _ port: MeshService.Port) -> Bool {
        service.resolution == .headless && !view.routesRequests(port.applicationProtocol)
    }

    /// Clusters for TLS between sidecars that a gateway passes on by its server name (`AUTO_PASSTHROUGH`).
    func byServerName(_ service: MeshService) -> [Output] {
        clusters(of: service).map { output in
            var output = output
            let parts = output.cluster.name.split(separator: "|", omittingEmptySubsequences: false)
            guard parts.count == 4, let port = Int(parts[1]) else { return output }
            let name = Names.serverName(port: port, subset: String(parts[2]), host: String(parts[3]))
            output.cluster.name = name
            output.cluster.edsClusterConfig.serviceName = name
            // What passes through is encrypted already.
            output.cluster.transportSocketMatches = []
            output.cluster.clearTransportSocket()
            output.endpoints?.clusterName = name
            return output
        }
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
                serverName: serverName,
                identities: view.inEveryTrustDomain(view.snapshot.identities(of: source(of: service))),
                isHTTP: view.routesRequests(port.applicationProtocol), isHTTP2: goesAsHTTP2(port, policy),
                multiplexes: multiplexes(service, port, policy)
            )
        )
        let transport = ClientTransport(policy.tls, isOutside: isExternal(service))
        guard let tls = policy.tls else {
            guard transport == .automatic else { return }
            if cluster.type == .originalDst {
                // No endpoint metadata there: mutual TLS only when every pod takes it.
                let pods = view.snapshot.endpoints(of: service, port: port.number, subset: subset)
                if transport.toward(each: pods) == .mesh { cluster.transportSocket = mesh }
                return
            }
            cluster.transportSocketMatches = [
                socketMatch("tlsMode-istio", ["tlsMode": "istio"], mesh), socketMatch("tlsMode-disabled", [:], .raw),
            ]
            return
        }
        switch transport {
        case .plaintext, .automatic:
            break
        case .mesh:
            let identities =
                tls.subjectAltNames.isEmpty
                ? view.inEveryTrustDomain(view.snapshot.identities(of: source(of: service)))
                : tls.subjectAltNames
            cluster.transportSocket = .upstreamTLS(
                MeshTLS.upstream(
                    serverName: tls.sni ?? serverName, identities: identities,
                    isHTTP: view.routesRequests(port.applicationProtocol), isHTTP2: goesAsHTTP2(port, policy),
                    multiplexes: multiplexes(service, port, policy)
                )
            )
        case .originated:
            cluster.transportSocket = .upstreamTLS(
                PolicyCompiler.originatedTLS(tls, isHTTP2: isHTTP2(port), service: service)
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

    private func assignment(
        _ name: String, _ endpoints: [MeshEndpoint], _ policy: EffectivePolicy, _ service: MeshService, named: Bool,
        _ cluster: inout Cluster
    ) -> Endpoints {
        var assignment = Endpoints()
        assignment.clusterName = name
        let placement = LocalityPlacement(
            settings: policy.loadBalancer?.localityLbSetting, ejects: policy.outlierDetection != nil,
            prefersNearby: service.prefersNearby, client: view.workload
        )
        // One without an address of its own (behind another network's gateway) cannot be dialled.
        let groups = placement.groups(endpoints.filter { !$0.workload.ip.isEmpty })
        if placement.isWeighted { cluster.commonLbConfig.localityWeightedLbConfig = .init() }
        assignment.endpoints = groups.map { group in
            var locality = LocalityEndpoints()
            locality.locality.region = group.locality.region
            locality.locality.zone = group.locality.zone
            locality.locality.subZone = group.locality.subzone
            if group.locality.isEmpty { locality.clearLocality() }
            locality.priority = UInt32(clamping: group.priority)
            locality.loadBalancingWeight = .init(UInt32(clamping: max(1, group.weight)))
            locality.lbEndpoints = group.endpoints.map(endpoint)
            return locality
        }
        return assignment
    }

    private func endpoint(_ pod: MeshEndpoint) -> LoadBalancerEndpoint {
        var endpoint = LoadBalancerEndpoint()
        if pod.workload.ip.hasPrefix("unix://") {
            endpoint.endpoint.address.pipe.path = String(pod.workload.ip.dropFirst("unix://".count))
        } else {
            endpoint.endpoint.address = .init(pod.workload.ip, port: pod.port)
        }
        endpoint.loadBalancingWeight = .init(UInt32(clamping: max(1, pod.workload.weight ?? 1)))
        endpoint.healthStatus = .healthy
        endpoint.metadata = WorkloadMetadata.endpoint(pod, settings: view.snapshot.settings)
        return endpoint
    }
}

extension MeshEndpoint {
    /// A name outside, which the proxy resolves.
    init(name: String, port: Int) {
        self.init(
            workload: MeshWorkload(name: name, namespace: "", ip: name, workload: name, sidecar: false), port: port,
            takesMutualTLS: false
        )
    }
}
