import SwiftProtobuf
import XDS

extension ListenerCompiler {
    typealias PlacedFilter = (filter: HTTPFilter, place: FilterPlace)

    /// The filters in front of the router, in order; the router must be the last.
    mutating func httpFilters(
        _ manager: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager, path: String
    ) -> [PlacedFilter] {
        var result: [PlacedFilter] = []
        var endsWithRouter = false
        for (index, filter) in manager.httpFilters.enumerated() {
            let place = "\(path).http_filters[\(index)]"
            endsWithRouter = filter.typedConfig.isA(Envoy_Extensions_Filters_Http_Router_V3_Router.self)
            if endsWithRouter {
                checkRouter(filter.typedConfig, path: place + ".typed_config")
                continue
            }
            guard let compiled = httpFilter(filter, path: place) else { continue }
            let number = parts.filterTables.filter(filter.name)
            result.append((compiled, FilterPlace(number: number, startsDisabled: filter.disabled)))
        }
        if !endsWithRouter {
            issues.append(
                CompileIssue(path: path + ".http_filters", message: "must end with envoy.filters.http.router"))
        }
        return result
    }

    private mutating func checkRouter(_ any: Google_Protobuf_Any, path: String) {
        guard
            let router = unpack(
                any, as: Envoy_Extensions_Filters_Http_Router_V3_Router.self, path: path, issues: &issues)
        else { return }
        if router.startChildSpan {
            issues.append(CompileIssue(path: path + ".start_child_span", message: "not supported: there are no traces"))
        }
        if router.hasDynamicStats, !router.dynamicStats.value {
            issues.append(CompileIssue(path: path + ".dynamic_stats", message: "statistics cannot be switched off"))
        }
    }

    /// One filter; nil when it has nothing to do, or, with an issue, when it cannot be honoured.
    private mutating func httpFilter(
        _ filter: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter, path: String
    ) -> HTTPFilter? {
        let any = filter.typedConfig
        let place = path + ".typed_config"
        if any.isA(Envoy_Extensions_Filters_Http_Rbac_V3_RBAC.self) { return httpAuthorizer(any, path: place) }
        if any.isA(Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault.self) {
            return parts.faultFilter(any, path: place, issues: &issues)
        }
        if any.isA(Envoy_Extensions_Filters_Http_Cors_V3_Cors.self) { return .cors(nil) }
        if any.isA(Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutation.self) {
            return parts.headerMutationFilter(any, path: place, issues: &issues)
        }
        if any.isA(Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication.self) {
            return parts.jwtFilter(any, path: place, issues: &issues)
        }
        if any.isA(Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit.self) {
            return parts.localRateLimit(any, path: place, issues: &issues)
        }
        if any.isA(Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz.self) {
            return parts.externalAuthorization(any, path: place, issues: &issues)
        }
        // Counts gRPC messages for statistics of its own; requests go through it unchanged.
        if any.isA(Envoy_Extensions_Filters_Http_GrpcStats_V3_FilterConfig.self) {
            // A control plane of Istio's always sends it: it is reported, not refused.
            parts.warnings.append("\(place): grpc_stats counts nothing here; requests pass it unchanged")
            return nil
        }
        if !filter.isOptional {
            issues.append(CompileIssue(path: path, message: "HTTP filter \(filter.name) is not supported"))
        }
        return nil
    }
}
