import Proxy
import SwiftProtobuf
import XDS

/// `/config_dump` in Envoy's shape (envoy.admin.v3.ConfigDump, JSON with proto field names). Private keys are redacted.
struct ConfigDump {
    var bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap
    var fixed: XDSResources
    var held: ResourceStore
    var workloadSecrets: [ResourceStore.Secret]
    var rejections: [String: String]

    /// - Parameter includesEndpoints: Envoy's `?include_eds`.
    func json(includesEndpoints: Bool) throws -> String {
        MessageTypes.register()
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        options.useDeterministicOrdering = true
        var sections: [String] = []
        func add(_ message: some Message) throws {
            let text = try Google_Protobuf_Any(message: message).jsonString(options: options)
            sections.append(text)
        }
        try add(bootstrapDump)
        try add(clustersDump)
        if includesEndpoints { try add(endpointsDump) }
        try add(listenersDump)
        sections.append(try routesSection(options))
        try add(secretsDump)
        return "{\"configs\":[\(sections.joined(separator: ",\n"))]}\n"
    }

    /// The routes as received, and those that stand inside of listeners (`static_route_configs`).
    private func routesSection(_ options: JSONEncodingOptions) throws -> String {
        let text = try Google_Protobuf_Any(message: routesDump).jsonString(options: options)
        let entries = try inlineRoutes.map { try inlineEntry($0, nil) }
        if entries.isEmpty { return text }
        return text.dropLast() + ",\"static_route_configs\":[\(entries.joined(separator: ","))]}"
    }

    private func inlineEntry(_ routes: Envoy_Config_Route_V3_RouteConfiguration, _ type: String?) throws -> String {
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        options.useDeterministicOrdering = true
        let text = try Google_Protobuf_Any(message: routes).jsonString(options: options)
        return "{\(type.map { "\"@type\":\"type.googleapis.com/\($0)\"," } ?? "")\"route_config\":\(text)}"
    }

    private var inlineRoutes: [Envoy_Config_Route_V3_RouteConfiguration] {
        typealias Manager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager
        let listeners = sorted(fixed.listeners) + held.listeners.sorted { $0.key < $1.key }.map(\.value.message)
        return listeners.flatMap { listener in
            (listener.filterChains + (listener.hasDefaultFilterChain ? [listener.defaultFilterChain] : [])).flatMap {
                $0.filters.compactMap { filter -> Envoy_Config_Route_V3_RouteConfiguration? in
                    guard let manager = try? Manager(unpackingAny: filter.typedConfig),
                        case .routeConfig? = manager.routeSpecifier
                    else { return nil }
                    return manager.routeConfig
                }
            }
        }
    }

    /// Envoy's `?resource=`: the entries of one field of a section, as `dynamic_listeners`; nil when no section has it.
    func json(of resource: String) throws -> String? {
        MessageTypes.register()
        let entries: [any Message]
        switch resource {
        case "bootstrap": entries = [bootstrapDump.bootstrap]
        case "static_clusters": entries = clustersDump.staticClusters
        case "dynamic_active_clusters": entries = clustersDump.dynamicActiveClusters
        case "static_endpoint_configs": entries = endpointsDump.staticEndpointConfigs
        case "dynamic_endpoint_configs": entries = endpointsDump.dynamicEndpointConfigs
        case "static_listeners": entries = listenersDump.staticListeners
        case "dynamic_listeners": entries = listenersDump.dynamicListeners
        case "static_route_configs":
            return try Self.list(
                inlineRoutes.map { try inlineEntry($0, "envoy.admin.v3.RoutesConfigDump.StaticRouteConfig") })
        case "dynamic_route_configs": entries = routesDump.dynamicRouteConfigs
        case "dynamic_active_secrets": entries = secretsDump.dynamicActiveSecrets
        default: return nil
        }
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        options.useDeterministicOrdering = true
        // The members of an Any with its type in front, as Envoy writes them.
        let texts = try entries.map { entry in
            let type = "{\"@type\":\"type.googleapis.com/\(Swift.type(of: entry).protoMessageName)\""
            let body = try entry.jsonString(options: options).dropFirst()
            return type + (body == "}" ? "" : ",") + body
        }
        return Self.list(texts)
    }

    private static func list(_ entries: [String]) -> String {
        "{\"configs\":[\(entries.joined(separator: ",\n"))]}\n"
    }

    private func sorted<Message>(_ resources: [String: Message]) -> [Message] {
        resources.sorted { $0.key < $1.key }.map(\.value)
    }

    private var bootstrapDump: Envoy_Admin_V3_BootstrapConfigDump {
        var dump = Envoy_Admin_V3_BootstrapConfigDump()
        dump.bootstrap = bootstrap
        dump.bootstrap.staticResources.listeners = bootstrap.staticResources.listeners.map(Redaction.listener)
        dump.bootstrap.staticResources.clusters = bootstrap.staticResources.clusters.map(Redaction.cluster)
        dump.bootstrap.staticResources.secrets = bootstrap.staticResources.secrets.map(Redaction.secret)
        return dump
    }

    private var clustersDump: Envoy_Admin_V3_ClustersConfigDump {
        var dump = Envoy_Admin_V3_ClustersConfigDump()
        dump.staticClusters = sorted(fixed.clusters).map { cluster in
            var entry = Envoy_Admin_V3_ClustersConfigDump.StaticCluster()
            entry.cluster = Google_Protobuf_Any(packing: Redaction.cluster(cluster))
            return entry
        }
        dump.dynamicActiveClusters = held.clusters.sorted { $0.key < $1.key }.map { _, held in
            var entry = Envoy_Admin_V3_ClustersConfigDump.DynamicCluster()
            entry.versionInfo = held.version
            entry.lastUpdated = Google_Protobuf_Timestamp(seconds: held.updated)
            entry.cluster = Google_Protobuf_Any(packing: Redaction.cluster(held.message))
            return entry
        }
        return dump
    }

    private var endpointsDump: Envoy_Admin_V3_EndpointsConfigDump {
        var dump = Envoy_Admin_V3_EndpointsConfigDump()
        dump.staticEndpointConfigs = sorted(fixed.clusters).filter(\.hasLoadAssignment).map { cluster in
            var entry = Envoy_Admin_V3_EndpointsConfigDump.StaticEndpointConfig()
            entry.endpointConfig = Google_Protobuf_Any(packing: cluster.loadAssignment)
            return entry
        }
        dump.dynamicEndpointConfigs = held.endpoints.sorted { $0.key < $1.key }.map { _, held in
            var entry = Envoy_Admin_V3_EndpointsConfigDump.DynamicEndpointConfig()
            entry.versionInfo = held.version
            entry.lastUpdated = Google_Protobuf_Timestamp(seconds: held.updated)
            entry.endpointConfig = Google_Protobuf_Any(packing: held.message)
            return entry
        }
        return dump
    }

    private var listenersDump: Envoy_Admin_V3_ListenersConfigDump {
        var dump = Envoy_Admin_V3_ListenersConfigDump()
        dump.staticListeners = sorted(fixed.listeners).map { listener in
            var entry = Envoy_Admin_V3_ListenersConfigDump.StaticListener()
            entry.listener = Google_Protobuf_Any(packing: Redaction.listener(listener))
            return entry
        }
        dump.dynamicListeners = held.listeners.sorted { $0.key < $1.key }.map { name, held in
            var entry = Envoy_Admin_V3_ListenersConfigDump.DynamicListener()
            entry.name = name
            entry.activeState.versionInfo = held.version
            entry.activeState.lastUpdated = Google_Protobuf_Timestamp(seconds: held.updated)
            entry.activeState.listener = Google_Protobuf_Any(packing: Redaction.listener(held.message))
            return entry
        }
        return dump
    }

    private var routesDump: Envoy_Admin_V3_RoutesConfigDump {
        var dump = Envoy_Admin_V3_RoutesConfigDump()
        dump.dynamicRouteConfigs = held.routes.sorted { $0.key < $1.key }.map { _, held in
            var entry = Envoy_Admin_V3_RoutesConfigDump.DynamicRouteConfig()
            entry.versionInfo = held.version
            entry.lastUpdated = Google_Protobuf_Timestamp(seconds: held.updated)
            entry.routeConfig = Google_Protobuf_Any(packing: held.message)
            return entry
        }
        return dump
    }

    private var secretsDump: Envoy_Admin_V3_SecretsConfigDump {
        var dump = Envoy_Admin_V3_SecretsConfigDump()
        let fromControlPlane = held.secrets.sorted { $0.key < $1.key }.map { ($0.value.message, $0.value.version) }
        for (secret, version) in workloadSecrets.map({ ($0, "workload") }) + fromControlPlane {
            var entry = Envoy_Admin_V3_SecretsConfigDump.DynamicSecret()
            entry.name = secret.name
            entry.versionInfo = version
            entry.secret = Google_Protobuf_Any(packing: Redaction.secret(secret))
            dump.dynamicActiveSecrets.append(entry)
        }
        return dump
    }
}

/// Takes private keys out of what is shown.
package enum Redaction {
    private typealias Upstream = Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext
    private typealias Wrapper = Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport
    private typealias Downstream = Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext

    package static func secret(_ secret: ResourceStore.Secret) -> ResourceStore.Secret {
        guard case .tlsCertificate(var certificate)? = secret.type else { return secret }
        var secret = secret
        redact(&certificate)
        secret.type = .tlsCertificate(certificate)
        return secret
    }

    package static func cluster(_ cluster: ResourceStore.Cluster) -> ResourceStore.Cluster {
        var cluster = cluster
        if cluster.hasTransportSocket { redact(&cluster.transportSocket) }
        for index in cluster.transportSocketMatches.indices {
            redact(&cluster.transportSocketMatches[index].transportSocket)
        }
        return cluster
    }

    package static func listener(_ listener: ResourceStore.Listener) -> ResourceStore.Listener {
        var listener = listener
        for index in listener.filterChains.indices where listener.filterChains[index].hasTransportSocket {
            redact(&listener.filterChains[index].transportSocket)
        }
        if listener.hasDefaultFilterChain, listener.defaultFilterChain.hasTransportSocket {
            redact(&listener.defaultFilterChain.transportSocket)
        }
        return listener
    }

    private static func redact(_ socket: inout Envoy_Config_Core_V3_TransportSocket) {
        if var upstream = try? Upstream(unpackingAny: socket.typedConfig) {
            for index in upstream.commonTlsContext.tlsCertificates.indices {
                redact(&upstream.commonTlsContext.tlsCertificates[index])
            }
            socket.typedConfig = Google_Protobuf_Any(packing: upstream)
        } else if var downstream = try? Downstream(unpackingAny: socket.typedConfig) {
            for index in downstream.commonTlsContext.tlsCertificates.indices {
                redact(&downstream.commonTlsContext.tlsCertificates[index])
            }
            socket.typedConfig = Google_Protobuf_Any(packing: downstream)
        } else if var outer = try? Wrapper(unpackingAny: socket.typedConfig), outer.hasTransportSocket {
            redact(&outer.transportSocket)
            socket.typedConfig = Google_Protobuf_Any(packing: outer)
        }
    }

    private static func redact(_ certificate: inout Envoy_Extensions_TransportSockets_Tls_V3_TlsCertificate) {
        switch certificate.privateKey.specifier {
        case .inlineBytes?, .inlineString?: certificate.privateKey.specifier = .inlineBytes(.init("[redacted]".utf8))
        default: break
        }
    }
}
