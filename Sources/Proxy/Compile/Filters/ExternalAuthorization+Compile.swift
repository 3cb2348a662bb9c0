import Authorization
import Resilience
import Routing
import SwiftProtobuf
import XDS

private typealias Filter = Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz
private typealias PerRoute = Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthzPerRoute

extension CompiledParts {
    /// envoy.extensions.filters.http.ext_authz.v3.ExtAuthz.
    mutating func externalAuthorization(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        guard let message = unpack(any, as: Filter.self, path: path, issues: &issues) else { return nil }
        let before = issues.count
        func refuse(_ isSet: Bool, _ field: String, _ text: String = "not supported yet") {
            if isSet { issues.append(CompileIssue(path: "\(path).\(field)", message: text)) }
        }
        refuse(!message.metadataContextNamespaces.isEmpty, "metadata_context_namespaces")
        refuse(message.includePeerCertificate, "include_peer_certificate")
        refuse(message.transportApiVersion == .v2, "transport_api_version", "must be V3")
        let cluster: String
        let service: ExternalAuthorization.Service
        let timeout: Google_Protobuf_Duration?
        switch message.services {
        case .grpcService(let grpc):
            cluster = grpc.envoyGrpc.clusterName
            service = .grpc(grpcService(grpc, path: path + ".grpc_service", issues: &issues))
            timeout = grpc.hasTimeout ? grpc.timeout : nil
        case .httpService(let http):
            cluster = http.serverUri.cluster
            refuse(cluster.isEmpty, "http_service.server_uri.cluster", "must not be empty")
            service = .http(httpService(http, path: path + ".http_service", issues: &issues))
            timeout = http.serverUri.hasTimeout ? http.serverUri.timeout : nil
        case nil:
            refuse(true, "services", "needs grpc_service or http_service")
            return nil
        }
        let time = timeout.map {
            milliseconds($0, path: path + ".timeout", fallback: 200, issues: &issues)
        }
        let allowed =
            message.hasAllowedHeaders ? set(message.allowedHeaders, path + ".allowed_headers", &issues) : nil
        let disallowed =
            message.hasDisallowedHeaders ? set(message.disallowedHeaders, path + ".disallowed_headers", &issues) : nil
        let enabled =
            message.hasFilterEnabled
            ? Share(
                message.filterEnabled.defaultValue, path: path + ".filter_enabled.default_value", issues: &issues)
            : .all
        let condition =
            message.hasFilterEnabledMetadata
            ? self.condition(message.filterEnabledMetadata, path + ".filter_enabled_metadata", &issues) : nil
        let body =
            message.hasWithRequestBody
            ? bodyRule(message.withRequestBody, path: path + ".with_request_body", issues: &issues) : nil
        guard issues.count == before else { return nil }
        let status = message.statusOnError.code.rawValue
        return .externalAuthorization(
            ExternalAuthorization(
                service: service, cluster: registry.cluster(cluster), timeoutMilliseconds: UInt64(time ?? 200),
                allowsFailures: message.failureModeAllow, marksFailures: message.failureModeAllowHeaderAdd,
                statusOnError: status >= 200 ? UInt16(clamping: status) : 403, allowedHeaders: allowed,
                disallowedHeaders: disallowed, enabled: enabled, condition: condition,
                clearsRoute: message.clearRouteCache_p, body: body))
    }

    /// envoy.extensions.filters.network.ext_authz.v3.ExtAuthz.
    mutating func connectionAuthorization(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> NetworkFilter? {
        typealias Filter = Envoy_Extensions_Filters_Network_ExtAuthz_V3_ExtAuthz
        guard let message = unpack(any, as: Filter.self, path: path, issues: &issues) else { return nil }
        let before = issues.count
        if message.includePeerCertificate {
            issues.append(CompileIssue(path: path + ".include_peer_certificate", message: "not supported yet"))
        }
        if message.transportApiVersion == .v2 {
            issues.append(CompileIssue(path: path + ".transport_api_version", message: "must be V3"))
        }
        let service = grpcService(message.grpcService, path: path + ".grpc_service", issues: &issues)
        let time =
            message.grpcService.hasTimeout
            ? milliseconds(message.grpcService.timeout, path: path + ".timeout", fallback: 200, issues: &issues) : 200
        let condition =
            message.hasFilterEnabledMetadata
            ? self.condition(message.filterEnabledMetadata, path + ".filter_enabled_metadata", &issues) : nil
        guard issues.count == before else { return nil }
        return .externalAuthorization(
            ConnectionAuthorization(
                service: service, cluster: registry.cluster(message.grpcService.envoyGrpc.clusterName),
                timeoutMilliseconds: UInt64(time), allowsFailures: message.failureModeAllow, condition: condition))
    }

    private func grpcService(
        _ message: Envoy_Config_Core_V3_GrpcService, path: String, issues: inout [CompileIssue]
    ) -> ExternalAuthorization.GRPCService {
        let cluster = message.envoyGrpc.clusterName
        if cluster.isEmpty {
            issues.append(CompileIssue(path: path + ".envoy_grpc.cluster_name", message: "must not be empty"))
        }
        for (index, header) in message.initialMetadata.enumerated()
        where header.value.contains("%") || !header.rawValue.isEmpty {
            issues.append(
                CompileIssue(
                    path: "\(path).initial_metadata[\(index)]", message: "must be a text without command operators"))
        }
        let authority = message.envoyGrpc.authority
        return ExternalAuthorization.GRPCService(
            authority: authority.isEmpty ? cluster : authority,
            metadata: message.initialMetadata.map { ($0.key.lowercased(), $0.value) })
    }

    private func condition(
        _ message: Envoy_Type_Matcher_V3_MetadataMatcher, _ path: String, _ issues: inout [CompileIssue]
    ) -> MetadataCondition? {
        guard let spec = MetadataMatchSpec(message, path: path, issues: &issues) else { return nil }
        do {
            return try MetadataCondition(spec)
        } catch {
            issues.append(CompileIssue(path: path, message: error.description))
            return nil
        }
    }

    private func bodyRule(
        _ message: Envoy_Extensions_Filters_Http_ExtAuthz_V3_BufferSettings, path: String,
        issues: inout [CompileIssue]
    ) -> ExternalAuthorization.BodyRule {
        if message.maxRequestBytes == 0 {
            issues.append(CompileIssue(path: path + ".max_request_bytes", message: "must be above 0"))
        }
        return ExternalAuthorization.BodyRule(
            maximumBytes: Int(message.maxRequestBytes), allowsPartial: message.allowPartialMessage,
            packsBytes: message.packAsBytes)
    }

    private func httpService(
        _ message: Envoy_Extensions_Filters_Http_ExtAuthz_V3_HttpService, path: String, issues: inout [CompileIssue]
    ) -> ExternalAuthorization.HTTPService {
        var service = ExternalAuthorization.HTTPService()
        service.pathPrefix = message.pathPrefix
        service.added = message.authorizationRequest.headersToAdd.map { ($0.key.lowercased(), $0.value) }
        let response = message.authorizationResponse
        let place = path + ".authorization_response"
        if response.hasAllowedUpstreamHeaders {
            service.upstreamHeaders = set(response.allowedUpstreamHeaders, place + ".allowed_upstream_headers", &issues)
        }
        if response.hasAllowedUpstreamHeadersToAppend {
            service.upstreamHeadersToAppend = set(
                response.allowedUpstreamHeadersToAppend, place + ".allowed_upstream_headers_to_append", &issues)
        }
        if response.hasAllowedClientHeaders {
            service.clientHeaders = set(response.allowedClientHeaders, place + ".allowed_client_headers", &issues)
        }
        if response.hasAllowedClientHeadersOnSuccess {
            service.clientHeadersOnSuccess = set(
                response.allowedClientHeadersOnSuccess, place + ".allowed_client_headers_on_success", &issues)
        }
        return service
    }

    private func set(
        _ message: Envoy_Type_Matcher_V3_ListStringMatcher, _ path: String, _ issues: inout [CompileIssue]
    ) -> PatternSet? {
        let patterns = message.patterns.enumerated().compactMap { index, pattern -> StringPattern? in
            guard var made = StringPattern(pattern, path: "\(path).patterns[\(index)]", issues: &issues) else {
                return nil
            }
            // Header names know no case.
            if made.kind != .regex { made.ignoresCase = true }
            return made
        }
        return try? PatternSet(patterns)
    }

    /// What a route says about the filter; nil, with an issue, when it cannot be honoured.
    func externalAuthorizationOfRoute(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        guard let message = unpack(any, as: PerRoute.self, path: path, issues: &issues) else { return nil }
        switch message.override {
        case .disabled(let flag):
            if !flag { issues.append(CompileIssue(path: path + ".disabled", message: "must be true")) }
            return .off(.externalAuthorization)
        case .checkSettings(let settings):
            let place = path + ".check_settings"
            return .checkSettings(
                ExternalAuthorization.RouteSettings(
                    extensions: settings.contextExtensions.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
                    disablesBody: settings.disableRequestBodyBuffering,
                    body: settings.hasWithRequestBody
                        ? bodyRule(settings.withRequestBody, path: place + ".with_request_body", issues: &issues) : nil)
            )
        case nil:
            issues.append(CompileIssue(path: path, message: "needs disabled or check_settings"))
            return nil
        }
    }
}
