import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

typealias Listener = Envoy_Config_Listener_V3_Listener
typealias FilterChain = Envoy_Config_Listener_V3_FilterChain
typealias NetworkFilter = Envoy_Config_Listener_V3_Filter
typealias ListenerFilter = Envoy_Config_Listener_V3_ListenerFilter
typealias ConnectionManager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager
typealias TCPProxy = Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy
typealias RouteTable = Envoy_Config_Route_V3_RouteConfiguration
typealias VirtualHost = Envoy_Config_Route_V3_VirtualHost
typealias Route = Envoy_Config_Route_V3_Route
typealias RouteAction = Envoy_Config_Route_V3_RouteAction
typealias RetryPolicy = Envoy_Config_Route_V3_RetryPolicy
typealias Cluster = Envoy_Config_Cluster_V3_Cluster
typealias Endpoints = Envoy_Config_Endpoint_V3_ClusterLoadAssignment
typealias LocalityEndpoints = Envoy_Config_Endpoint_V3_LocalityLbEndpoints
typealias LoadBalancerEndpoint = Envoy_Config_Endpoint_V3_LbEndpoint
typealias TransportSocket = Envoy_Config_Core_V3_TransportSocket
typealias CommonTLS = Envoy_Extensions_TransportSockets_Tls_V3_CommonTlsContext
typealias UpstreamTLS = Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext
typealias DownstreamTLS = Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext
typealias SDSSecret = Envoy_Extensions_TransportSockets_Tls_V3_Secret
typealias Metadata = Envoy_Config_Core_V3_Metadata
typealias WireStringMatcher = Envoy_Type_Matcher_V3_StringMatcher
typealias WireHeaderMatcher = Envoy_Config_Route_V3_HeaderMatcher

extension Google_Protobuf_Duration {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(seconds: seconds, nanos: Int32(clamping: attoseconds / 1_000_000_000))
    }
}

extension Google_Protobuf_Struct {
    init(strings: [String: String]) {
        self.init(fields: strings.mapValues { Google_Protobuf_Value(stringValue: $0) })
    }
}

extension Envoy_Config_Core_V3_Address {
    init(_ address: String, port: Int) {
        self.init()
        socketAddress.address = address
        socketAddress.portValue = UInt32(clamping: port)
    }
}

extension Envoy_Config_Core_V3_ConfigSource {
    /// The same stream that this resource came on.
    static let aggregated: Self = {
        var source = Self()
        source.ads = .init()
        source.resourceApiVersion = .v3
        return source
    }()
}

extension Envoy_Type_V3_FractionalPercent {
    /// Hundredths of a percent are kept: the denominator is a million.
    init(percent: Double) {
        self.init()
        numerator = UInt32((min(max(percent, 0), 100) * 10_000).rounded())
        denominator = .million
    }
}

extension Metadata {
    /// Where a resource comes from, under `martlet`; what Istio's own tools read, under `istio`.
    init(origin: Origin?) {
        self.init()
        guard let origin else { return }
        filterMetadata["martlet"] = .init(strings: ["origin": origin.description])
        let key = origin.resource
        if key.group.hasSuffix("istio.io") {
            let path = "/apis/\(key.group)/v1/namespaces/\(key.namespace)/\(Self.plural(key.kind))/\(key.name)"
            filterMetadata["istio"] = .init(strings: ["config": path])
        }
    }

    /// `VirtualService` -> `virtual-service`, the form of Istio's metadata.
    private static func plural(_ kind: String) -> String {
        var result = ""
        for character in kind {
            if character.isUppercase, !result.isEmpty { result += "-" }
            result += character.lowercased()
        }
        return result
    }
}

extension TransportSocket {
    init(_ name: String, _ config: some Message) {
        self.init()
        self.name = name
        typedConfig = .init(packing: config)
    }
}

extension NetworkFilter {
    init(_ name: String, _ config: some Message) {
        self.init()
        self.name = name
        typedConfig = .init(packing: config)
    }
}

extension ListenerFilter {
    init(_ name: String, _ config: some Message) {
        self.init()
        self.name = name
        typedConfig = .init(packing: config)
    }

    static let tlsInspector = Self(
        "envoy.filters.listener.tls_inspector", Envoy_Extensions_Filters_Listener_TlsInspector_V3_TlsInspector()
    )
    static let httpInspector = Self(
        "envoy.filters.listener.http_inspector", Envoy_Extensions_Filters_Listener_HttpInspector_V3_HttpInspector()
    )
    static let originalDestination = Self(
        "envoy.filters.listener.original_dst", Envoy_Extensions_Filters_Listener_OriginalDst_V3_OriginalDst()
    )
}
