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
        default:
            return Workload.Kind(rawValue: kind.name).map { .workload(Workload($0, metadata, document)) }
        }
    }
    /// Kinds whose values nobody uses yet: reading them finds their faults.
    private static func check(_ kind: ResourceKind, _ metadata: ObjectMeta, _ reader: ObjectReader) {
        switch kind.name {
        case "AuthorizationPolicy": _ = AuthorizationPolicy(metadata, reader)
        case "RequestAuthentication": _ = RequestAuthentication(metadata, reader)
        case "ServiceEntry": _ = ServiceEntry(metadata, reader)
        case "WorkloadEntry": _ = WorkloadEntry(metadata, reader)
        case "WorkloadGroup": _ = WorkloadGroup(metadata, reader)
        case "Sidecar": _ = Sidecar(metadata, reader)
        case "ProxyConfig": _ = ProxyConfig(metadata, reader)
        case "EnvoyFilter": _ = EnvoyFilter(metadata, reader)
        case "Telemetry": _ = Telemetry(metadata, reader)
        case "WasmPlugin": _ = WasmPlugin(metadata, reader)
        case "TrafficExtension": _ = TrafficExtension(metadata, reader)
        default: reader.accept("spec")
        }
    }
}
