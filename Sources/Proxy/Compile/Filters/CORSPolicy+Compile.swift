import Resilience
import Routing
import SwiftProtobuf
import XDS

private typealias Policy = Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy

extension CompiledParts {
    /// envoy.extensions.filters.http.cors.v3.CorsPolicy of all levels: what a specific one leaves out, a more general one
    /// says.
    mutating func corsPolicy(
        _ levels: [(any: Google_Protobuf_Any, path: String)], issues: inout [CompileIssue]
    ) -> CORSPolicy? {
        var spec = CORSPolicySpec()
        var lastPath = ""
        for (any, path) in levels {
            guard let message = unpack(any, as: Policy.self, path: path, issues: &issues) else { return nil }
            lastPath = path
            let origins = message.allowOriginStringMatch.enumerated().compactMap {
                StringPattern($1, path: "\(path).allow_origin_string_match[\($0)]", issues: &issues)
            }
            if !origins.isEmpty { spec.origins = origins }
            if !message.allowMethods.isEmpty { spec.allowMethods = message.allowMethods }
            if !message.allowHeaders.isEmpty { spec.allowHeaders = message.allowHeaders }
            if !message.exposeHeaders.isEmpty { spec.exposeHeaders = message.exposeHeaders }
            if !message.maxAge.isEmpty { spec.maxAge = message.maxAge }
            if message.hasAllowCredentials { spec.allowsCredentials = message.allowCredentials.value }
            if message.hasAllowPrivateNetworkAccess {
                spec.allowsPrivateNetwork = message.allowPrivateNetworkAccess.value
            }
            if message.hasForwardNotMatchingPreflights {
                spec.forwardsNotMatchingPreflights = message.forwardNotMatchingPreflights.value
            }
            // `shadow_enabled` only counts; `filter_enabled` decides.
            if message.hasFilterEnabled {
                spec.enabled =
                    Share(
                        message.filterEnabled.defaultValue, path: path + ".filter_enabled.default_value",
                        issues: &issues
                    ).millionths
            }
        }
        do throws(RegexProgram.Invalid) {
            return try CORSPolicy(spec)
        } catch {
            issues.append(CompileIssue(path: lastPath + ".allow_origin_string_match", message: error.description))
            return nil
        }
    }
}
