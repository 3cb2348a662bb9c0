import MeshAPI
import SwiftProtobuf
import XDS

/// Retry policies as Istio makes them (pilot's retry defaults since 1.24).
enum RetryCompiler {
    private static let defaultConditions = [
        "connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes",
    ]

    /// What a route without `retries` gets.
    static func standard() -> RetryPolicy {
        make(attempts: 2, conditions: defaultConditions, avoidsPreviousHosts: true)
    }

    /// The policy of a rule; nil turns retries off.
    static func policy(_ retries: HTTPRetry?, hasHashPolicy: Bool) -> RetryPolicy? {
        guard let retries else {
            return make(attempts: 2, conditions: defaultConditions, avoidsPreviousHosts: !hasHashPolicy)
        }
        guard retries.attempts > 0 else { return nil }
        var policy = make(
            attempts: retries.attempts,
            conditions: retries.retryOn ?? defaultConditions,
            avoidsPreviousHosts: !hasHashPolicy && (retries.retryIgnorePreviousHosts ?? true)
        )
        if retries.retryRemoteLocalities == true {
            // As Istio: after each two tries the priorities that they had are left alone.
            var priorities = Envoy_Extensions_Retry_Priority_PreviousPriorities_V3_PreviousPrioritiesConfig()
            priorities.updateFrequency = 2
            policy.retryPriority.name = "envoy.retry_priorities.previous_priorities"
            policy.retryPriority.typedConfig = .init(packing: priorities)
        }
        if let timeout = retries.perTryTimeout { policy.perTryTimeout = .init(timeout) }
        if let backoff = retries.backoff {
            policy.retryBackOff.baseInterval = .init(backoff)
            policy.retryBackOff.maxInterval = .init(backoff * 10)
        }
        return policy
    }

    private static func make(attempts: Int, conditions: [String], avoidsPreviousHosts: Bool) -> RetryPolicy {
        var policy = RetryPolicy()
        policy.numRetries = .init(UInt32(clamping: attempts))
        let statuses = conditions.compactMap { UInt32($0) }
        var names = conditions.filter { UInt32($0) == nil }
        if !statuses.isEmpty, !names.contains("retriable-status-codes") { names.append("retriable-status-codes") }
        policy.retryOn = names.joined(separator: ",")
        policy.retriableStatusCodes = statuses
        if avoidsPreviousHosts {
            var predicate = RetryPolicy.RetryHostPredicate()
            predicate.name = "envoy.retry_host_predicates.previous_hosts"
            predicate.typedConfig = .init(
                packing: Envoy_Extensions_Retry_Host_PreviousHosts_V3_PreviousHostsPredicate()
            )
            policy.retryHostPredicate = [predicate]
            policy.hostSelectionRetryMaxAttempts = 5
        }
        return policy
    }
}

enum RewriteCompiler {
    static func apply(_ rewrite: HTTPRewrite?, match: HTTPMatchRequest?, to action: inout RouteAction) {
        guard let rewrite else { return }
        if let regex = rewrite.uriRegexRewrite {
            action.regexRewrite.pattern.regex = regex.match
            action.regexRewrite.substitution = regex.rewrite
        } else if let uri = rewrite.uri, !uri.isEmpty {
            switch match?.uri {
            case .regex?, .exact?:
                // The whole path goes; Envoy's prefix_rewrite would do that for an exact match only.
                action.regexRewrite.pattern.regex = ".*"
                action.regexRewrite.substitution = escape(uri)
                if case .exact? = match?.uri {
                    action.clearRegexRewrite()
                    action.prefixRewrite = uri
                }
            case .prefix?, nil:
                action.prefixRewrite = uri
            }
        }
        if let authority = rewrite.authority, !authority.isEmpty { action.hostRewriteLiteral = authority }
    }

    /// A backslash in a substitution begins a group reference.
    private static func escape(_ text: String) -> String {
        String(text.flatMap { $0 == "\\" ? ["\\", "\\"] : [$0] })
    }
}

enum RedirectCompiler {
    static func redirect(
        _ redirect: HTTPRedirect, listenerPort: Int, isGateway: Bool
    ) -> Envoy_Config_Route_V3_RedirectAction {
        var action = Envoy_Config_Route_V3_RedirectAction()
        switch redirect.code {
        case 302: action.responseCode = .found
        case 303: action.responseCode = .seeOther
        case 307: action.responseCode = .temporaryRedirect
        case 308: action.responseCode = .permanentRedirect
        default: action.responseCode = .movedPermanently
        }
        if let uri = redirect.uri, !uri.isEmpty {
            action.pathRedirect = uri
        } else if let prefix = redirect.prefixRewrite, !prefix.isEmpty {
            action.prefixRewrite = prefix
        }
        action.hostRedirect = redirect.authority ?? ""
        let scheme = redirect.scheme ?? ""
        if !scheme.isEmpty { action.schemeRedirect = scheme }
        if let port = redirect.port, port != 0 {
            let isDefault = (scheme == "http" && port == 80) || (scheme == "https" && port == 443)
            if !isDefault { action.portRedirect = UInt32(clamping: port) }
        } else if redirect.derivePort == .fromRequestPort, listenerPort != 80, listenerPort != 443 {
            action.portRedirect = UInt32(clamping: listenerPort)
        }
        return action
    }
}

/// Header operations of rules and destinations.
enum HeaderCompiler {
    static func apply(_ headers: Headers?, features: ProxyFeatures, to route: inout Route) {
        route.requestHeadersToAdd += additions(headers?.request, features, isRequest: true)
        route.requestHeadersToRemove += headers?.request?.remove ?? []
        route.responseHeadersToAdd += additions(headers?.response, features, isRequest: false)
        route.responseHeadersToRemove += headers?.response?.remove ?? []
    }

    static func apply(
        _ headers: Headers?, features: ProxyFeatures,
        to weight: inout Envoy_Config_Route_V3_WeightedCluster.ClusterWeight
    ) {
        weight.requestHeadersToAdd = additions(headers?.request, features, isRequest: true)
        weight.requestHeadersToRemove = headers?.request?.remove ?? []
        weight.responseHeadersToAdd = additions(headers?.response, features, isRequest: false)
        weight.responseHeadersToRemove = headers?.response?.remove ?? []
        if let host = hostOverride(headers) { weight.hostRewriteLiteral = host }
    }

    /// `set: {Host: x}` replaces the authority, which Envoy does not let header operations touch.
    static func hostOverride(_ headers: Headers?) -> String? {
        headers?.request?.set.first { isHost($0.key) }?.value
    }

    private static func isHost(_ name: String) -> Bool {
        ["host", ":authority"].contains(name.lowercased())
    }

    private static func additions(
        _ operations: Headers.Operations?, _ features: ProxyFeatures, isRequest: Bool
    ) -> [Envoy_Config_Core_V3_HeaderValueOption] {
        guard let operations else { return [] }
        let isPossible = { (entry: (key: String, value: String)) in
            features.contains(.headerOperators) || !usesOperators(entry.value)
        }
        let set = operations.set.filter { !isRequest || !isHost($0.key) }.filter(isPossible)
        let add = operations.add.filter(isPossible)
        return set.sorted { $0.key < $1.key }.map { option($0.key, $0.value, .overwriteIfExistsOrAdd) }
            + add.sorted { $0.key < $1.key }.map { option($0.key, $0.value, .appendIfExistsOrAdd) }
    }

    /// Whether a value holds `%…%`; `%%` is a percent sign.
    static func usesOperators(_ value: String) -> Bool {
        value.replacing("%%", with: "").contains("%")
    }

    private static func option(
        _ name: String, _ value: String, _ action: Envoy_Config_Core_V3_HeaderValueOption.HeaderAppendAction
    ) -> Envoy_Config_Core_V3_HeaderValueOption {
        var option = Envoy_Config_Core_V3_HeaderValueOption()
        option.header.key = name
        option.header.value = value
        option.appendAction = action
        return option
    }
}

/// Fault injection and CORS: filters of the connection manager that act only where a route says so.
enum FilterOverrides {
    static let faultFilter = "envoy.filters.http.fault"
    static let corsFilter = "envoy.filters.http.cors"

    static func apply(_ rule: HTTPRoute, features: ProxyFeatures, to route: inout Route) {
        if let fault = rule.fault, features.contains(.faults) {
            route.typedPerFilterConfig[faultFilter] = .init(packing: FaultCompiler.fault(fault))
        }
        if let policy = rule.corsPolicy, features.contains(.cors) {
            route.typedPerFilterConfig[corsFilter] = .init(packing: cors(policy))
        }
    }

    private static func cors(_ policy: CORSPolicy) -> Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy {
        var cors = Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy()
        cors.allowOriginStringMatch = policy.allowOrigins.map(MatchCompiler.string)
        cors.allowMethods = policy.allowMethods.joined(separator: ",")
        cors.allowHeaders = policy.allowHeaders.joined(separator: ",")
        cors.exposeHeaders = policy.exposeHeaders.joined(separator: ",")
        if let age = policy.maxAge { cors.maxAge = "\(age.components.seconds)" }
        if let allowed = policy.allowCredentials { cors.allowCredentials = .init(allowed) }
        cors.filterEnabled.defaultValue.numerator = 100
        cors.forwardNotMatchingPreflights = .init(policy.unmatchedPreflights != .ignore)
        return cors
    }
}
