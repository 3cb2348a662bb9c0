import SwiftProtobuf
package import XDS

/// The names of other resources that a listener or cluster needs before it can serve.
package struct ResourceReferences: Sendable, Equatable {
    package var endpoints: Set<String> = []
    package var routes: Set<String> = []
    package var secrets: Set<String> = []

    package init() {}

    package init(_ cluster: Envoy_Config_Cluster_V3_Cluster) {
        if case .type(.eds)? = cluster.clusterDiscoveryType {
            let service = cluster.edsClusterConfig.serviceName
            endpoints.insert(service.isEmpty ? cluster.name : service)
        }
        if cluster.hasTransportSocket { add(cluster.transportSocket) }
        for match in cluster.transportSocketMatches { add(match.transportSocket) }
    }

    package init(_ listener: Envoy_Config_Listener_V3_Listener) {
        for chain in listener.filterChains { add(chain) }
        if listener.hasDefaultFilterChain { add(listener.defaultFilterChain) }
    }

    private mutating func add(_ chain: Envoy_Config_Listener_V3_FilterChain) {
        if chain.hasTransportSocket { add(chain.transportSocket) }
        for filter in chain.filters {
            typealias Manager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager
            guard let manager = try? Manager(unpackingAny: filter.typedConfig) else { continue }
            if case .rds(let discovery)? = manager.routeSpecifier { routes.insert(discovery.routeConfigName) }
        }
    }

    private mutating func add(_ socket: Envoy_Config_Core_V3_TransportSocket) {
        typealias Upstream = Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext
        typealias Downstream = Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext
        if let upstream = try? Upstream(unpackingAny: socket.typedConfig) {
            add(upstream.commonTlsContext)
        } else if let downstream = try? Downstream(unpackingAny: socket.typedConfig) {
            add(downstream.commonTlsContext)
        }
    }

    private mutating func add(_ context: Envoy_Extensions_TransportSockets_Tls_V3_CommonTlsContext) {
        for secret in context.tlsCertificateSdsSecretConfigs { secrets.insert(secret.name) }
        switch context.validationContextType {
        case .validationContextSdsSecretConfig(let secret)?: secrets.insert(secret.name)
        case .combinedValidationContext(let combined)?:
            if combined.hasValidationContextSdsSecretConfig {
                secrets.insert(combined.validationContextSdsSecretConfig.name)
            }
        case .validationContext?, nil: break
        }
    }
}
