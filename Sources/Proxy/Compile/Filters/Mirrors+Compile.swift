import Resilience
import Routing
import SwiftProtobuf
import XDS

extension RouteCompiler {
    /// envoy.config.route.v3.RouteAction.RequestMirrorPolicy, of the route, else of its host, else of the table.
    mutating func mirrors(
        _ messages: [Envoy_Config_Route_V3_RouteAction.RequestMirrorPolicy], _ path: String
    ) -> [MirrorSpec] {
        messages.enumerated().map { index, message in
            let place = "\(path).request_mirror_policies[\(index)]"
            refuse(message.cluster.isEmpty, place + ".cluster", "must not be empty")
            refuse(!message.clusterHeader.isEmpty, place + ".cluster_header")
            refuse(!message.hostRewriteLiteral.isEmpty, place + ".host_rewrite_literal")
            refuse(!message.requestHeadersMutations.isEmpty, place + ".request_headers_mutations")
            let fraction =
                message.hasRuntimeFraction
                ? Share(
                    message.runtimeFraction.defaultValue, path: place + ".runtime_fraction.default_value",
                    issues: &issues
                ).millionths : 1_000_000
            // `trace_sampled` concerns traces, which there are none of.
            return MirrorSpec(
                cluster: parts.registry.cluster(message.cluster), fraction: fraction,
                appendsSuffix: !message.disableShadowHostSuffixAppend)
        }
    }
}
