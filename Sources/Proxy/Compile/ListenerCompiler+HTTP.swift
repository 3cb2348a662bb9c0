import HTTP2
import SwiftProtobuf
import XDS

private typealias Manager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

extension ListenerCompiler {
    /// envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.
    mutating func httpConnectionManager(
        _ any: Google_Protobuf_Any, listener: Envoy_Config_Listener_V3_Listener, chain: String,
        direction: TrafficDirection, path: String
    ) -> HTTPConnectionManager? {
        guard let manager = unpack(any, as: Manager.self, path: path, issues: &issues) else { return nil }
        refuseUnsupported(manager, path: path)
        let filters = httpFilters(manager, path: path)
        let client = ClientDetection(manager, path: path, issues: &issues)
        let route = routeTable(manager, inline: "\(listener.name)/\(chain)", path: path)
        return HTTPConnectionManager(
            statPrefix: manager.statPrefix,
            codec: codec(manager.codecType),
            http2: HTTP2Options(
                manager.http2ProtocolOptions, role: .server, path: path + ".http2_protocol_options",
                issues: &issues),
            routeTable: route.number,
            routeTableName: route.name,
            httpFilters: filters.map(\.filter),
            filterPlaces: filters.map(\.place),
            accessLogs: parts.accessLogs(manager.accessLog, path: path + ".access_log", issues: &issues),
            timeouts: timeouts(manager, path: path),
            serverName: Array((manager.serverName.isEmpty ? "envoy" : manager.serverName).utf8),
            serverHeader: serverHeader(manager.serverHeaderTransformation),
            generatesRequestID: manager.hasGenerateRequestID ? manager.generateRequestID.value : true,
            preservesExternalRequestID: manager.preserveExternalRequestID,
            setsRequestIDInResponse: manager.alwaysSetRequestIDInResponse,
            usesRemoteAddress: client.usesRemoteAddress,
            internalAddresses: InternalAddresses(manager, path: path, issues: &issues),
            trustedHops: client.trustedHops,
            skipsForwardedForAppend: client.skipsAppend,
            forwardedClientCertificate: forwardedCertificate(manager.forwardClientCertDetails),
            certificateDetails: certificateDetails(manager.setCurrentClientCertDetails),
            normalizesPath: manager.normalizePath.value,
            mergesSlashes: manager.mergeSlashes,
            acceptsHTTP10: manager.httpProtocolOptions.acceptHTTP10,
            defaultHostForHTTP10: Array(manager.httpProtocolOptions.defaultHostForHTTP10.utf8),
            stripsHostPort: manager.stripAnyHostPort,
            suppressesEnvoyHeaders: suppressesEnvoyHeaders(manager),
            maxRequestHeadBytes: manager.hasMaxRequestHeadersKb
                ? Int(manager.maxRequestHeadersKb.value) * 1024 : 60 * 1024,
            maxRequestFields: manager.commonHTTPProtocolOptions.hasMaxHeadersCount
                ? Int(manager.commonHTTPProtocolOptions.maxHeadersCount.value) : 100,
            upgrades: manager.upgradeConfigs.filter { !$0.hasEnabled || $0.enabled.value }.map {
                $0.upgradeType.lowercased()
            },
            passesInterimResponses: manager.proxy100Continue,
            direction: direction,
            exchangesPeerMetadata: direction != .unspecified,
            origin: parts.registry.provenance.intern(listener.metadata.origin),
            headOptions: HeadOptions(manager, path: path, issues: &issues)
        )
    }

    /// What the router at the end of the filters says.
    private func suppressesEnvoyHeaders(_ manager: Manager) -> Bool {
        manager.httpFilters.contains { filter in
            let router = try? Envoy_Extensions_Filters_Http_Router_V3_Router(unpackingAny: filter.typedConfig)
            return router?.suppressEnvoyHeaders ?? false
        }
    }

    private mutating func refuseUnsupported(_ manager: Manager, path: String) {
        func refuse(_ isSet: Bool, _ field: String, _ message: String = "not supported yet") {
            if isSet { issues.append(CompileIssue(path: "\(path).\(field)", message: message)) }
        }
        refuse(manager.codecType == .http3, "codec_type", "HTTP/3 is not supported")
        refuse(
            manager.commonHTTPProtocolOptions.maxHeadersCount.value > 100,
            "common_http_protocol_options.max_headers_count", "more than 100 fields are not supported")
        let isUUID = manager.requestIDExtension.typedConfig.isA(
            Envoy_Extensions_RequestId_Uuid_V3_UuidRequestIdConfig.self)
        // What it packs into the id is for traces, which there are none of.
        refuse(manager.hasRequestIDExtension && !isUUID, "request_id_extension", "only the UUID extension is supported")
        refuse(
            manager.setCurrentClientCertDetails.cert, "set_current_client_cert_details.cert",
            "only subject, uri, dns and the hash are passed on")
        refuse(
            manager.setCurrentClientCertDetails.chain, "set_current_client_cert_details.chain",
            "only subject, uri, dns and the hash are passed on")
        refuse(manager.hasLocalReplyConfig, "local_reply_config")
    }

    private mutating func routeTable(_ manager: Manager, inline name: String, path: String) -> (
        number: Int?, name: String
    ) {
        switch manager.routeSpecifier {
        case .rds(let rds):
            if rds.routeConfigName.isEmpty {
                issues.append(CompileIssue(path: path + ".rds.route_config_name", message: "must not be empty"))
            }
            parts.subscribedRoutes.insert(rds.routeConfigName)
            return (parts.registry.routeTable(rds.routeConfigName), rds.routeConfigName)
        case .routeConfig(let configuration):
            let label = configuration.name.isEmpty ? name : configuration.name
            // An inline table is nobody else's: its number is made from the place it stands in.
            let number = parts.registry.routeTable("inline:\(name)")
            parts.inlineRoutes[number] = InlineRoutes(configuration: configuration, path: path + ".route_config")
            return (number, label)
        case nil:
            issues.append(CompileIssue(path: path, message: "needs rds or route_config"))
            return (nil, "")
        }
    }

    private mutating func timeouts(_ manager: Manager, path: String) -> HTTPConnectionManager.Timeouts {
        var result = HTTPConnectionManager.Timeouts()
        func read(_ isSet: Bool, _ value: Google_Protobuf_Duration, _ field: String, _ target: inout UInt32) {
            if isSet { target = milliseconds(value, path: "\(path).\(field)", fallback: target, issues: &issues) }
        }
        let common = manager.commonHTTPProtocolOptions
        read(
            common.hasIdleTimeout, common.idleTimeout, "common_http_protocol_options.idle_timeout",
            &result.idleMilliseconds)
        read(
            common.hasMaxConnectionDuration, common.maxConnectionDuration,
            "common_http_protocol_options.max_connection_duration", &result.maxConnectionMilliseconds)
        read(
            common.hasMaxStreamDuration, common.maxStreamDuration,
            "common_http_protocol_options.max_stream_duration", &result.maxStreamMilliseconds)
        read(manager.hasRequestTimeout, manager.requestTimeout, "request_timeout", &result.requestMilliseconds)
        read(
            manager.hasRequestHeadersTimeout, manager.requestHeadersTimeout, "request_headers_timeout",
            &result.requestHeadMilliseconds)
        read(
            manager.hasStreamIdleTimeout, manager.streamIdleTimeout, "stream_idle_timeout",
            &result.streamIdleMilliseconds)
        result.maxRequests = common.maxRequestsPerConnection.value
        read(
            manager.hasDelayedCloseTimeout, manager.delayedCloseTimeout, "delayed_close_timeout",
            &result.delayedCloseMilliseconds)
        read(manager.hasDrainTimeout, manager.drainTimeout, "drain_timeout", &result.drainMilliseconds)
        return result
    }

    private func codec(_ type: Manager.CodecType) -> HTTPConnectionManager.Codec {
        switch type {
        case .http1: .http1
        case .http2: .http2
        default: .auto
        }
    }

    private func serverHeader(_ value: Manager.ServerHeaderTransformation) -> HTTPConnectionManager.ServerHeader {
        switch value {
        case .appendIfAbsent: .appendIfAbsent
        case .passThrough: .passThrough
        default: .overwrite
        }
    }

    private func forwardedCertificate(
        _ value: Manager.ForwardClientCertDetails
    ) -> HTTPConnectionManager.ForwardedClientCertificate {
        switch value {
        case .forwardOnly: .forwardOnly
        case .appendForward: .appendForward
        case .sanitizeSet: .sanitizeSet
        case .alwaysForwardOnly: .alwaysForwardOnly
        default: .sanitize
        }
    }

    private func certificateDetails(
        _ details: Manager.SetCurrentClientCertDetails
    ) -> HTTPConnectionManager.CertificateDetails {
        var result: HTTPConnectionManager.CertificateDetails = []
        if details.subject.value { result.insert(.subject) }
        if details.uri { result.insert(.uri) }
        if details.dns { result.insert(.dns) }
        return result
    }
}
