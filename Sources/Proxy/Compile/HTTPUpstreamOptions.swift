import HTTP2
import SwiftProtobuf
import XDS

/// `typed_extension_protocol_options` of a cluster: which HTTP version, and for how long connections are kept.
struct HTTPUpstreamOptions {
    var upstream = ClusterDescriptor.Upstream.http1
    var http2 = HTTP2Options.client
    var idleTimeoutMilliseconds: UInt32 = 3_600_000
    var maxRequestsPerConnection: UInt32 = 0
    var maxConnectionMilliseconds: UInt32 = 0
    var autoSNI = false
    var autoSANValidation = false

    init(_ cluster: Envoy_Config_Cluster_V3_Cluster, issues: inout [CompileIssue]) {
        if cluster.hasHTTP2ProtocolOptions {
            upstream = .http2
            read(cluster.http2ProtocolOptions, "http2_protocol_options", &issues)
        }
        if cluster.hasCommonHTTPProtocolOptions {
            read(cluster.commonHTTPProtocolOptions, path: "common_http_protocol_options", issues: &issues)
        }
        if cluster.hasMaxRequestsPerConnection { maxRequestsPerConnection = cluster.maxRequestsPerConnection.value }
        for (key, any) in cluster.typedExtensionProtocolOptions.sorted(by: { $0.key < $1.key }) {
            let path = "typed_extension_protocol_options[\"\(key)\"]"
            guard
                let options = unpack(
                    any, as: Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions.self, path: path, issues: &issues)
            else { continue }
            read(options, path: path, issues: &issues)
        }
    }

    private mutating func read(
        _ options: Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions, path: String, issues: inout [CompileIssue]
    ) {
        if options.hasCommonHTTPProtocolOptions {
            read(
                options.commonHTTPProtocolOptions, path: path + ".common_http_protocol_options", issues: &issues)
        }
        autoSNI = options.upstreamHTTPProtocolOptions.autoSni
        autoSANValidation = options.upstreamHTTPProtocolOptions.autoSanValidation
        if autoSANValidation, !autoSNI {
            issues.append(
                CompileIssue(
                    path: path + ".upstream_http_protocol_options.auto_san_validation", message: "needs auto_sni"))
        }
        readProtocol(options, path: path, issues: &issues)
    }

    private mutating func read(
        _ common: Envoy_Config_Core_V3_HttpProtocolOptions, path: String, issues: inout [CompileIssue]
    ) {
        if common.hasIdleTimeout {
            idleTimeoutMilliseconds = milliseconds(
                common.idleTimeout, path: path + ".idle_timeout",
                fallback: idleTimeoutMilliseconds, issues: &issues)
        }
        if common.hasMaxRequestsPerConnection { maxRequestsPerConnection = common.maxRequestsPerConnection.value }
        if common.hasMaxConnectionDuration {
            maxConnectionMilliseconds = milliseconds(
                common.maxConnectionDuration, path: path + ".max_connection_duration", fallback: 0, issues: &issues)
        }
        if common.hasMaxStreamDuration {
            issues.append(
                CompileIssue(
                    path: path + ".max_stream_duration", message: "not supported yet"))
        }
    }

    private mutating func readProtocol(
        _ options: Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions, path: String, issues: inout [CompileIssue]
    ) {
        switch options.upstreamProtocolOptions {
        case .explicitHTTPConfig(let explicit):
            guard case .http2ProtocolOptions(let message)? = explicit.protocolConfig else { return }
            upstream = .http2
            read(message, path + ".explicit_http_config.http2_protocol_options", &issues)
        case .autoConfig(let auto):
            upstream = .auto
            read(auto.http2ProtocolOptions, path + ".auto_config.http2_protocol_options", &issues)
        case .useDownstreamProtocolConfig(let both):
            upstream = .downstream
            read(both.http2ProtocolOptions, path + ".use_downstream_protocol_config.http2_protocol_options", &issues)
        case nil: break
        }
    }

    private mutating func read(
        _ message: Envoy_Config_Core_V3_Http2ProtocolOptions, _ path: String, _ issues: inout [CompileIssue]
    ) {
        http2 = HTTP2Options(message, role: .client, path: path, issues: &issues)
    }
}
