/// Chooses the decoder of a kind. `reader` stands on the whole document; `metadata` has been read.
enum ResourceDecoder {
    static func decode(_ kind: ResourceKind, _ metadata: ObjectMeta, _ reader: ObjectReader) -> Resource? {
        switch kind.support {
        case .irrelevant:
            return nil
        case .pending(let consequence):
            reader.warning("kind", "\(kind.name) is not supported yet, ignored: \(consequence)")
            return nil
        case .checked(let consequence):
            reader.accept("status")
            check(kind, metadata, reader)
            reader.finish()
            reader.warning("kind", "\(kind.name) is not supported yet, ignored: \(consequence)")
            return nil
        case .decoded:
            break
        }
        reader.accept("status")
        defer { reader.finish() }
        let document = kind.group.hasSuffix("istio.io") ? reader : reader.tolerant()
        if kind.group == "policy.linkerd.io" {
            return LinkerdPolicy(kind, metadata, document).map { .linkerdPolicy($0) }
        }
        switch kind.name {
        case "Namespace": return .namespace(Namespace(metadata, document))
        case "Service": return .service(Service(metadata, document))
        case "ServiceAccount": return .serviceAccount(ServiceAccount(metadata, document))
        case "ConfigMap": return .configMap(ConfigMap(metadata, document))
        case "Secret": return .secret(Secret(metadata, document))
        case "VirtualService": return .virtualService(VirtualService(metadata, document))
        case "DestinationRule": return .destinationRule(DestinationRule(metadata, document))
        case "Gateway": return .gateway(Gateway(metadata, document))
        case "PeerAuthentication": return .peerAuthentication(PeerAuthentication(metadata, document))
        case "ServiceEntry": return .serviceEntry(ServiceEntry(metadata, document))
        case "WorkloadEntry": return .workloadEntry(WorkloadEntry(metadata, document))
        case "WorkloadGroup": return .workloadGroup(WorkloadGroup(metadata, document))
        case "Sidecar": return .sidecar(Sidecar(metadata, document))
        case "ProxyConfig": return .proxyConfig(ProxyConfig(metadata, document))
        case "TrafficSplit": return .trafficSplit(TrafficSplit(metadata, document))
        case "HTTPRouteGroup": return .httpRouteGroup(HTTPRouteGroup(metadata, document))
        case "AuthorizationPolicy": return .authorizationPolicy(AuthorizationPolicy(metadata, document))
        case "RequestAuthentication": return .requestAuthentication(RequestAuthentication(metadata, document))
        default:
            return Workload.Kind(rawValue: kind.name).map { .workload(Workload($0, metadata, document)) }
        }
    }
    /// Kinds whose values nobody uses yet: reading them finds their faults.
    private static func check(_ kind: ResourceKind, _ metadata: ObjectMeta, _ reader: ObjectReader) {
        switch kind.name {
        case "EnvoyFilter": _ = EnvoyFilter(metadata, reader)
        case "Telemetry": _ = Telemetry(metadata, reader)
        case "WasmPlugin": _ = WasmPlugin(metadata, reader)
        case "TrafficExtension": _ = TrafficExtension(metadata, reader)
        default: reader.accept("spec")
        }
    }
}
