import MeshState
import SwiftProtobuf
import XDS

/// Filters and chains that several listeners share.
struct ListenerParts {
    let configuration: MeshConfiguration

    private var accessLog: AccessLogSettings { configuration.accessLog }

    /// A connection manager with Istio's defaults.
    func connectionManager(statPrefix: String) -> ConnectionManager {
        var manager = ConnectionManager()
        manager.codecType = .auto
        manager.statPrefix = statPrefix
        manager.serverName = "istio-envoy"
        switch configuration.pathNormalization {
        case .none: manager.normalizePath = .init(false)
        case .base: manager.normalizePath = .init(true)
        case .mergeSlashes:
            manager.normalizePath = .init(true)
            manager.mergeSlashes = true
        case .decodeAndMergeSlashes:
            manager.normalizePath = .init(true)
            manager.mergeSlashes = true
            manager.pathWithEscapedSlashesAction = .unescapeAndForward
        }
        // `example.com.` is `example.com`: policies for a host must not be passed by with a dot.
        manager.stripTrailingHostDot = true
        manager.useRemoteAddress = .init(false)
        manager.streamIdleTimeout = .init(.zero)
        var websocket = ConnectionManager.UpgradeConfig()
        websocket.upgradeType = "websocket"
        manager.upgradeConfigs = [websocket]
        manager.accessLog = [Envoy_Config_Accesslog_V3_AccessLog.make(accessLog)].compactMap(\.self)
        var router = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter()
        router.name = "envoy.filters.http.router"
        router.typedConfig = .init(packing: Envoy_Extensions_Filters_Http_Router_V3_Router())
        manager.httpFilters = [router]
        return manager
    }

    /// Adds the filters that routes with faults or CORS policies need; others do without.
    func addFilters(for routes: [Route], to manager: inout ConnectionManager) {
        let used = Set(routes.flatMap { $0.typedPerFilterConfig.keys })
        var extra: [Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter] = []
        if used.contains(FilterOverrides.faultFilter) {
            extra.append(filter(FilterOverrides.faultFilter, Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault()))
        }
        if used.contains(FilterOverrides.corsFilter) {
            extra.append(filter(FilterOverrides.corsFilter, Envoy_Extensions_Filters_Http_Cors_V3_Cors()))
        }
        manager.httpFilters.insert(contentsOf: extra, at: 0)
    }

    private func filter(
        _ name: String, _ config: some Message
    ) -> Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter {
        var filter = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter()
        filter.name = name
        filter.typedConfig = .init(packing: config)
        return filter
    }

    func http(_ manager: ConnectionManager) -> NetworkFilter {
        NetworkFilter("envoy.filters.network.http_connection_manager", manager)
    }

    /// Hands connections to one cluster.
    func tcp(_ cluster: String, statPrefix: String? = nil) -> NetworkFilter {
        tcp([(cluster, 1)], statPrefix: statPrefix ?? cluster)
    }

    /// - Parameters:
    ///   - tunnel: `HOST:PORT` and whether POST stands for CONNECT, when connections go inside of a request.
    ///   - idleTimeout: nil is the proxy's own, an hour.
    func tcp(
        _ clusters: [(name: String, weight: Int)], statPrefix: String, tunnel: (target: String, usesPost: Bool)? = nil,
        idleTimeout: Duration? = nil
    ) -> NetworkFilter {
        var proxy = TCPProxy()
        if let idleTimeout { proxy.idleTimeout = .init(idleTimeout) }
        if let tunnel {
            proxy.tunnelingConfig.hostname = tunnel.target
            proxy.tunnelingConfig.usePost = tunnel.usesPost
        }
        proxy.statPrefix = statPrefix
        proxy.accessLog = [Envoy_Config_Accesslog_V3_AccessLog.make(accessLog)].compactMap(\.self)
        if clusters.count == 1, let only = clusters.first {
            proxy.cluster = only.name
        } else {
            proxy.weightedClusters.clusters = clusters.map {
                var weight = TCPProxy.WeightedCluster.ClusterWeight()
                weight.name = $0.name
                weight.weight = UInt32(clamping: $0.weight)
                return weight
            }
        }
        return NetworkFilter("envoy.filters.network.tcp_proxy", proxy)
    }

    func chain(_ name: String, _ filters: [NetworkFilter], match: (inout FilterChain) -> Void = { _ in }) -> FilterChain
    {
        var chain = FilterChain()
        chain.name = name
        chain.filters = filters
        match(&chain)
        return chain
    }

    /// Refuses traffic that was sent to the capture port itself: forwarding it would be a loop.
    func blackHole(_ name: String, port: Int) -> FilterChain {
        chain(name, [tcp(Names.blackHole)]) { $0.filterChainMatch.destinationPort = .init(UInt32(clamping: port)) }
    }
}
