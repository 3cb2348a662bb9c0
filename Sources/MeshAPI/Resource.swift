/// A decoded resource of any kind.
package enum Resource: Sendable, Equatable {
    case namespace(Namespace)
    case service(Service)
    case serviceAccount(ServiceAccount)
    case workload(Workload)
    case configMap(ConfigMap)
    case secret(Secret)
    case virtualService(VirtualService)
    case destinationRule(DestinationRule)
    case gateway(Gateway)
    case peerAuthentication(PeerAuthentication)
    case serviceEntry(ServiceEntry)
    case workloadEntry(WorkloadEntry)
    case workloadGroup(WorkloadGroup)
    case sidecar(Sidecar)
    case proxyConfig(ProxyConfig)
    case trafficSplit(TrafficSplit)
    case httpRouteGroup(HTTPRouteGroup)
    case authorizationPolicy(AuthorizationPolicy)
    case requestAuthentication(RequestAuthentication)
    case linkerdPolicy(LinkerdPolicy)

    package var metadata: ObjectMeta {
        switch self {
        case .namespace(let value): value.metadata
        case .service(let value): value.metadata
        case .serviceAccount(let value): value.metadata
        case .workload(let value): value.metadata
        case .configMap(let value): value.metadata
        case .secret(let value): value.metadata
        case .virtualService(let value): value.metadata
        case .destinationRule(let value): value.metadata
        case .gateway(let value): value.metadata
        case .peerAuthentication(let value): value.metadata
        case .serviceEntry(let value): value.metadata
        case .workloadEntry(let value): value.metadata
        case .workloadGroup(let value): value.metadata
        case .sidecar(let value): value.metadata
        case .proxyConfig(let value): value.metadata
        case .trafficSplit(let value): value.metadata
        case .httpRouteGroup(let value): value.metadata
        case .authorizationPolicy(let value): value.metadata
        case .requestAuthentication(let value): value.metadata
        case .linkerdPolicy(let value): value.metadata
        }
    }
}
