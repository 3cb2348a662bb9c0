import Routing
import SwiftProtobuf
import XDS

extension RouteCompiler {
    mutating func forward(
        _ message: Envoy_Config_Route_V3_RouteAction, host: Envoy_Config_Route_V3_VirtualHost, _ path: String
    ) -> ForwardSpec {
        refuseUnsupported(message, path)
        var forward = ForwardSpec(target: target(message, path))
        if !message.prefixRewrite.isEmpty { forward.prefixRewrite = message.prefixRewrite }
        if message.hasRegexRewrite { forward.regexRewrite = RegexRewriteSpec(message.regexRewrite) }
        refuse(
            !message.prefixRewrite.isEmpty && message.hasRegexRewrite, path + ".regex_rewrite",
            "excludes prefix_rewrite")
        switch message.hostRewriteSpecifier {
        case .hostRewriteLiteral(let text): forward.hostRewrite = text.isEmpty ? .none : .literal(text)
        case .hostRewriteHeader(let name): forward.hostRewrite = .header(name)
        case .autoHostRewrite(let flag): forward.hostRewrite = flag.value ? .endpointName : .none
        case .hostRewritePathRegex, nil: break
        }
        if message.hasTimeout { forward.timeoutNanoseconds = nanoseconds(message.timeout, path + ".timeout") }
        if message.hasIdleTimeout {
            forward.idleTimeoutNanoseconds = nanoseconds(message.idleTimeout, path + ".idle_timeout")
        }
        if message.hasMaxStreamDuration {
            // Beside it neither `timeout` nor `max_grpc_timeout` counts (FilterUtility::finalTimeout).
            forward.timeoutNanoseconds = 0
        } else if message.hasMaxGrpcTimeout {
            forward.maxGRPCTimeoutNanoseconds = nanoseconds(message.maxGrpcTimeout, path + ".max_grpc_timeout")
        }
        let limits = message.maxStreamDuration
        let place = path + ".max_stream_duration"
        if limits.hasMaxStreamDuration {
            forward.duration.limit = nanoseconds(limits.maxStreamDuration, place + ".max_stream_duration")
        }
        if limits.hasGrpcTimeoutHeaderMax {
            forward.duration.grpcLimit = nanoseconds(limits.grpcTimeoutHeaderMax, place + ".grpc_timeout_header_max")
        }
        if limits.hasGrpcTimeoutHeaderOffset {
            forward.duration.grpcOffset = nanoseconds(
                limits.grpcTimeoutHeaderOffset, place + ".grpc_timeout_header_offset")
        }
        if message.hasRetryPolicy {
            forward.retryPolicy = parts.retryPolicy(message.retryPolicy, path: path + ".retry_policy", issues: &issues)
        } else if host.hasRetryPolicy {
            forward.retryPolicy = parts.retryPolicy(
                host.retryPolicy, path: path + ".retry_policy (of the virtual host)", issues: &issues)
        }
        forward.hedges =
            message.hasHedgePolicy ? message.hedgePolicy.hedgeOnPerTryTimeout : host.hedgePolicy.hedgeOnPerTryTimeout
        forward.clusterNotFoundStatus =
            switch message.clusterNotFoundResponseCode {
            case .notFound: 404
            case .internalServerError: 500
            default: 503
            }
        forward.highPriority = message.priority == .high
        if message.hasMetadataMatch {
            forward.metadataMatch = metadataMatch(message.metadataMatch, onto: Envoy_Config_Core_V3_Metadata())
        }
        if !message.requestMirrorPolicies.isEmpty {
            forward.mirrors = mirrors(message.requestMirrorPolicies, path)
        } else if !host.requestMirrorPolicies.isEmpty {
            forward.mirrors = mirrors(host.requestMirrorPolicies, path + " (of the virtual host)")
        } else {
            forward.mirrors = tableMirrors
        }
        for (index, upgrade) in message.upgradeConfigs.enumerated() {
            let place = "\(path).upgrade_configs[\(index)]"
            refuse(upgrade.upgradeType.isEmpty, place + ".upgrade_type", "must not be empty")
            refuse(upgrade.connectConfig.allowPost, place + ".connect_config.allow_post")
            let type = upgrade.upgradeType.lowercased()
            refuse(
                upgrade.hasConnectConfig && type != "connect", place + ".connect_config",
                "belongs to upgrade_type CONNECT")
            forward.upgrades.append(
                RouteUpgrade(
                    type: type, isEnabled: !upgrade.hasEnabled || upgrade.enabled.value,
                    endsConnect: upgrade.hasConnectConfig))
        }
        for (index, policy) in message.hashPolicy.enumerated() {
            if let compiled = hashPolicy(policy, "\(path).hash_policy[\(index)]") {
                forward.hashPolicies.append(compiled)
            }
        }
        return forward
    }

    private mutating func refuseUnsupported(_ message: Envoy_Config_Route_V3_RouteAction, _ path: String) {
        refuse(message.appendXForwardedHost, path + ".append_x_forwarded_host")
        if case .hostRewritePathRegex = message.hostRewriteSpecifier {
            refuse(true, path + ".host_rewrite_path_regex")
        }
    }

    /// The number of what endpoints' metadata under `envoy.lb` must hold.
    private mutating func metadataMatch(
        _ metadata: Envoy_Config_Core_V3_Metadata, onto base: Envoy_Config_Core_V3_Metadata
    ) -> UInt32 {
        let own = MetadataText.criteria(metadata.filterMetadata["envoy.lb"]?.fields ?? [:])
        let all = MetadataText.criteria(base.filterMetadata["envoy.lb"]?.fields ?? [:]).merging(own) { $1 }
        return all.isEmpty ? .max : parts.registry.criteria(all)
    }

    private mutating func target(_ message: Envoy_Config_Route_V3_RouteAction, _ path: String) -> ForwardSpec.Target {
        switch message.clusterSpecifier {
        case .cluster(let name):
            refuse(name.isEmpty, path + ".cluster", "must not be empty")
            return .cluster(parts.registry.cluster(name))
        case .clusterHeader(let name):
            refuse(name.isEmpty, path + ".cluster_header", "must not be empty")
            return .header(name)
        case .weightedClusters(let weighted):
            return .weighted(
                weights(weighted, path + ".weighted_clusters", message.metadataMatch))
        case nil:
            issues.append(CompileIssue(path: path, message: "needs cluster, cluster_header or weighted_clusters"))
            return .cluster(.none)
        }
    }

    private mutating func weights(
        _ message: Envoy_Config_Route_V3_WeightedCluster, _ path: String,
        _ routeMatch: Envoy_Config_Core_V3_Metadata
    ) -> [WeightedTargetSpec] {
        let sum = message.clusters.reduce(UInt64(0)) { $0 + UInt64($1.weight.value) }
        refuse(
            message.hasTotalWeight && UInt64(message.totalWeight.value) != sum, path + ".total_weight",
            "is \(message.totalWeight.value), but the weights sum to \(sum)")
        return message.clusters.enumerated().map { index, entry in
            let place = "\(path).clusters[\(index)]"
            refuse(entry.name.isEmpty, place + ".name", "must not be empty")
            refuse(!entry.clusterHeader.isEmpty, place + ".cluster_header")
            var target = WeightedTargetSpec(cluster: parts.registry.cluster(entry.name), weight: entry.weight.value)
            if entry.hasMetadataMatch {
                // What the weighted cluster asks for is added to what the route asks for, and wins.
                target.metadataMatch = metadataMatch(entry.metadataMatch, onto: routeMatch)
            }
            target.requestHeaders = mutations(
                entry.requestHeadersToAdd, entry.requestHeadersToRemove, place + ".request_headers")
            target.responseHeaders = mutations(
                entry.responseHeadersToAdd, entry.responseHeadersToRemove, place + ".response_headers")
            if !entry.typedPerFilterConfig.isEmpty {
                let level = FilterConfigurations(byName: entry.typedPerFilterConfig, path: place + ".")
                target.attachment = parts.routeFilters(filterLevels + [level], issues: &issues)
            }
            if !entry.hostRewriteLiteral.isEmpty { target.hostRewrite = .literal(entry.hostRewriteLiteral) }
            return target
        }
    }

    private mutating func hashPolicy(
        _ message: Envoy_Config_Route_V3_RouteAction.HashPolicy, _ path: String
    ) -> HashPolicySpec? {
        switch message.policySpecifier {
        case .header(let header):
            refuse(header.hasRegexRewrite, path + ".header.regex_rewrite")
            return HashPolicySpec(source: .header(header.headerName), terminal: message.terminal)
        case .queryParameter(let parameter):
            return HashPolicySpec(source: .queryParameter(parameter.name), terminal: message.terminal)
        case .connectionProperties(let properties):
            return properties.sourceIp ? HashPolicySpec(source: .sourceAddress, terminal: message.terminal) : nil
        case .cookie(let cookie):
            let attributes = cookie.attributes.map { $0.value.isEmpty ? "; \($0.name)" : "; \($0.name)=\($0.value)" }
            return HashPolicySpec(
                source: .cookie(
                    name: cookie.name, path: cookie.path,
                    ttlSeconds: cookie.hasTtl ? nanoseconds(cookie.ttl, path + ".cookie.ttl") / 1_000_000_000 : nil,
                    attributes: attributes.joined()),
                terminal: message.terminal)
        case nil:
            issues.append(
                CompileIssue(
                    path: path, message: "needs header, cookie, connection_properties or query_parameter"))
            return nil
        }
    }

    mutating func redirect(_ message: Envoy_Config_Route_V3_RedirectAction, _ path: String) -> RedirectSpec {
        var redirect = RedirectSpec()
        redirect.status =
            switch message.responseCode {
            case .found: 302
            case .seeOther: 303
            case .temporaryRedirect: 307
            case .permanentRedirect: 308
            default: 301
            }
        switch message.schemeRewriteSpecifier {
        case .httpsRedirect(let flag): if flag { redirect.scheme = "https" }
        case .schemeRedirect(let scheme): redirect.scheme = scheme.isEmpty ? nil : scheme.lowercased()
        case nil: break
        }
        if !message.hostRedirect.isEmpty { redirect.host = message.hostRedirect }
        if message.portRedirect != 0 {
            redirect.port = UInt16(exactly: message.portRedirect)
            refuse(redirect.port == nil, path + ".port_redirect", "a port is 1 to 65535")
        }
        switch message.pathRewriteSpecifier {
        case .pathRedirect(let text): redirect.path = text.isEmpty ? .keep : .whole(text)
        case .prefixRewrite(let text): redirect.path = .prefix(text)
        case .regexRewrite(let regex): redirect.path = .regex(RegexRewriteSpec(regex))
        case nil: break
        }
        redirect.stripsQuery = message.stripQuery
        return redirect
    }

    mutating func nanoseconds(_ duration: Google_Protobuf_Duration, _ path: String) -> UInt64 {
        Nanoseconds.read(duration, path: path, issues: &issues)
    }
}

extension RegexRewriteSpec {
    init(_ message: Envoy_Type_Matcher_V3_RegexMatchAndSubstitute) {
        self.init(pattern: message.pattern.regex, substitution: message.substitution)
    }
}

enum Nanoseconds {
    /// A duration; an impossible one is an issue and reads as 0.
    static func read(_ duration: Google_Protobuf_Duration, path: String, issues: inout [CompileIssue]) -> UInt64 {
        guard (0...4_294_966).contains(duration.seconds), (0..<1_000_000_000).contains(duration.nanos) else {
            issues.append(CompileIssue(path: path, message: "a duration must be between 0s and 4294966s"))
            return 0
        }
        return UInt64(duration.seconds) * 1_000_000_000 + UInt64(duration.nanos)
    }
}
