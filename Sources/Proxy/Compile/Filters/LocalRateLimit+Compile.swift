import Resilience
import Routing
import SwiftProtobuf
import XDS

private typealias HTTPLimit = Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit
private typealias NetworkLimit = Envoy_Extensions_Filters_Network_LocalRatelimit_V3_LocalRateLimit

extension CompiledParts {
    /// envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, of the filter or of a route.
    mutating func localRateLimit(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        guard let message = unpack(any, as: HTTPLimit.self, path: path, issues: &issues) else { return nil }
        let before = issues.count
        if message.localRateLimitPerDownstreamConnection {
            issues.append(
                CompileIssue(path: path + ".local_rate_limit_per_downstream_connection", message: "not supported yet"))
        }
        let response = headerMutations(
            message.responseHeadersToAdd, [], path: path + ".response_headers", issues: &issues)
        var request = HeaderMutationSpec()
        for (index, option) in message.requestHeadersToAddWhenNotEnforced.enumerated() {
            let place = "\(path).request_headers_to_add_when_not_enforced[\(index)]"
            if let setting = setting(option, path: place, issues: &issues) { request.settings.append(setting) }
        }
        // Envoy's safe default: a limit that is not switched on limits nobody.
        let enabled = share(message.hasFilterEnabled, message.filterEnabled, path + ".filter_enabled", &issues)
        let enforced = share(message.hasFilterEnforced, message.filterEnforced, path + ".filter_enforced", &issues)
        let bucket =
            message.hasTokenBucket
            ? Self.bucket(message.tokenBucket, path: path + ".token_bucket", issues: &issues) : nil
        guard issues.count == before else { return nil }
        let code = message.status.code.rawValue
        return .localRateLimit(
            LocalRateLimit(
                bucket: bucket, enabled: enabled, enforced: enforced,
                status: code >= 400 ? UInt16(clamping: code) : 429,
                responseHeaders: HeaderMutationList([response]),
                requestHeadersWhenNotEnforced: HeaderMutationList([request]),
                isResourceExhausted: message.rateLimitedAsResourceExhausted))
    }

    /// envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit.
    func connectionRateLimit(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> NetworkFilter? {
        guard let message = unpack(any, as: NetworkLimit.self, path: path, issues: &issues) else { return nil }
        if message.hasRuntimeEnabled, message.runtimeEnabled.hasDefaultValue,
            !message.runtimeEnabled.defaultValue.value
        {
            return nil
        }
        guard message.hasTokenBucket else {
            issues.append(CompileIssue(path: path + ".token_bucket", message: "is needed"))
            return nil
        }
        return Self.bucket(message.tokenBucket, path: path + ".token_bucket", issues: &issues).map {
            .localRateLimit($0)
        }
    }

    /// envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit.
    func connectionLimit(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> NetworkFilter? {
        typealias Limit = Envoy_Extensions_Filters_Network_ConnectionLimit_V3_ConnectionLimit
        guard let message = unpack(any, as: Limit.self, path: path, issues: &issues) else { return nil }
        if message.hasRuntimeEnabled, message.runtimeEnabled.hasDefaultValue,
            !message.runtimeEnabled.defaultValue.value
        {
            return nil
        }
        guard message.hasMaxConnections, message.maxConnections.value > 0 else {
            issues.append(CompileIssue(path: path + ".max_connections", message: "must be above 0"))
            return nil
        }
        let delay =
            message.hasDelay
            ? milliseconds(message.delay, path: path + ".delay", fallback: 0, issues: &issues) : 0
        return .connectionLimit(
            ConnectionBudget(limit: Int(clamping: message.maxConnections.value)), delayMilliseconds: UInt64(delay))
    }

    private func share(
        _ isSet: Bool, _ message: Envoy_Config_Core_V3_RuntimeFractionalPercent, _ path: String,
        _ issues: inout [CompileIssue]
    ) -> Share {
        isSet ? Share(message.defaultValue, path: path + ".default_value", issues: &issues) : .none
    }

    private static func bucket(
        _ message: Envoy_Type_V3_TokenBucket, path: String, issues: inout [CompileIssue]
    ) -> TokenBucket? {
        let interval = Nanoseconds.read(message.fillInterval, path: path + ".fill_interval", issues: &issues)
        let perFill = message.hasTokensPerFill ? message.tokensPerFill.value : 1
        for (isWrong, field, text) in [
            (message.maxTokens == 0, "max_tokens", "must be above 0"),
            (perFill == 0, "tokens_per_fill", "must be above 0"),
            (interval < 50_000_000, "fill_interval", "must be at least 50ms"),
        ] where isWrong { issues.append(CompileIssue(path: "\(path).\(field)", message: text)) }
        guard message.maxTokens > 0, perFill > 0, interval >= 50_000_000 else { return nil }
        return TokenBucket(maxTokens: message.maxTokens, tokensPerFill: perFill, fillInterval: interval)
    }
}
