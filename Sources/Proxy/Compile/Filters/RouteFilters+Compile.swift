import Routing
import SwiftProtobuf
import XDS

/// The typed_per_filter_config of one place.
struct FilterConfigurations {
    var byName: [String: Google_Protobuf_Any]
    var path: String
}

extension CompiledParts {
    private typealias Settings = Envoy_Config_Route_V3_FilterConfig

    /// The number of what a route says about filters; .max when nothing is said.
    ///
    /// - Parameter levels: from the least to the most specific: route table, virtual host, route, weighted cluster.
    mutating func routeFilters(_ levels: [FilterConfigurations], issues: inout [CompileIssue]) -> UInt32 {
        let levels = levels.filter { !$0.byName.isEmpty }
        if levels.isEmpty { return .max }
        let counts = levels.contains { $0.byName.values.contains(where: Self.keepsCount) }
        let key = RouteFilterKey(
            levels: levels.map(\.byName),
            places: counts ? [filterTables.table] + levels.map(\.path) : [])
        if let known = filterTables.number(ofRoute: key) { return known }
        var found: [CompileIssue] = []
        var entries: [RouteFilters.Entry] = []
        for name in Set(levels.flatMap(\.byName.keys)).sorted() {
            let said = levels.compactMap { level in
                level.byName[name].map { ($0, "\(level.path)typed_per_filter_config[\"\(name)\"]") }
            }
            if let entry = entry(name, said, issues: &found) { entries.append(entry) }
        }
        // A level above several routes is read for each of them.
        for issue in found where !issues.contains(issue) { issues.append(issue) }
        return found.isEmpty ? filterTables.add(RouteFilters(entries: entries), for: key) : .max
    }

    /// Whether a filter that is configured so has something to share: a bucket, or a number of active faults.
    private static func keepsCount(_ any: Google_Protobuf_Any) -> Bool {
        if any.isA(Settings.self) {
            guard let settings = try? Settings(unpackingAny: any), settings.hasConfig else { return false }
            return keepsCount(settings.config)
        }
        return any.isA(Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit.self)
            || any.isA(Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault.self)
    }

    private mutating func entry(
        _ name: String, _ said: [(any: Google_Protobuf_Any, path: String)], issues: inout [CompileIssue]
    ) -> RouteFilters.Entry? {
        var entry = RouteFilters.Entry(filter: filterTables.filter(name), isDisabled: false, configuration: nil)
        var configurations: [(any: Google_Protobuf_Any, path: String)] = []
        for (any, path) in said {
            guard any.isA(Settings.self) else {
                entry.isDisabled = false
                configurations.append((any, path))
                continue
            }
            guard let settings = unpack(any, as: Settings.self, path: path, issues: &issues) else { continue }
            // The most specific place that says something decides.
            entry.isDisabled = settings.disabled
            if settings.hasConfig { configurations.append((settings.config, path + ".config")) }
        }
        guard let last = configurations.last else { return entry }
        if let expected = Self.perRouteTypes[name], expected != Self.typeName(last.any) {
            issues.append(CompileIssue(path: last.path, message: "\(last.any.typeURL) is not for the filter \(name)"))
            return entry
        }
        if last.any.isA(Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy.self) {
            entry.configuration = corsPolicy(configurations, issues: &issues).map { .cors($0) }
        } else if last.any.isA(Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault.self) {
            entry.configuration =
                filterTables.counting(at: last.path, last.any)
                ?? faultFilter(last.any, path: last.path, issues: &issues)
            filterTables.setCounting(entry.configuration, at: last.path, last.any)
        } else if last.any.isA(Envoy_Extensions_Filters_Http_Rbac_V3_RBACPerRoute.self) {
            entry.configuration = rbacOfRoute(last.any, path: last.path, issues: &issues)
        } else if last.any.isA(Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutationPerRoute.self) {
            entry.configuration = headerMutations(configurations, issues: &issues)
        } else if last.any.isA(Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit.self) {
            entry.configuration =
                filterTables.counting(at: last.path, last.any)
                ?? localRateLimit(last.any, path: last.path, issues: &issues)
            filterTables.setCounting(entry.configuration, at: last.path, last.any)
        } else if last.any.isA(Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthzPerRoute.self) {
            entry.configuration = externalAuthorizationOfRoute(last.any, path: last.path, issues: &issues)
        } else if last.any.isA(Envoy_Extensions_Filters_Http_JwtAuthn_V3_PerRouteConfig.self) {
            entry.configuration = jwtRequirement(last.any, path: last.path, issues: &issues)
        } else {
            issues.append(
                CompileIssue(path: last.path, message: "\(last.any.typeURL) is not supported for single routes"))
        }
        return entry
    }

    private static func typeName(_ any: Google_Protobuf_Any) -> String {
        any.typeURL.split(separator: "/").last.map(String.init) ?? ""
    }

    /// What may stand under the usual names of filters. A filter that is called otherwise takes what is meant for its kind.
    private static let perRouteTypes: [String: String] = [
        "envoy.filters.http.rbac": Envoy_Extensions_Filters_Http_Rbac_V3_RBACPerRoute.protoMessageName,
        "envoy.filters.http.jwt_authn": Envoy_Extensions_Filters_Http_JwtAuthn_V3_PerRouteConfig.protoMessageName,
        "envoy.filters.http.ext_authz": Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthzPerRoute.protoMessageName,
        "envoy.filters.http.cors": Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy.protoMessageName,
        "envoy.filters.http.fault": Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault.protoMessageName,
        "envoy.filters.http.local_ratelimit": Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit
            .protoMessageName,
        "envoy.filters.http.header_mutation": Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutationPerRoute
            .protoMessageName,
    ]

    private mutating func rbacOfRoute(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_Filters_Http_Rbac_V3_RBACPerRoute.self, path: path, issues: &issues)
        else { return nil }
        guard message.hasRbac else { return .off(.rbac) }
        return rbacFilter(message.rbac, path: path + ".rbac", issues: &issues)
    }

    /// envoy.extensions.filters.http.rbac.v3.RBAC.
    mutating func rbacFilter(
        _ message: Envoy_Extensions_Filters_Http_Rbac_V3_RBAC, path: String, issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        authorizers.number(
            rules: message.hasRules ? message.rules : nil,
            shadowRules: message.hasShadowRules ? message.shadowRules : nil,
            shadowPrefix: message.shadowRulesStatPrefix, path: path, origins: &registry.provenance, issues: &issues
        ).map { .rbac(authorizer: $0) }
    }
}
