import Routing
import SwiftProtobuf
import XDS

/// envoy.config.route.v3.RouteConfiguration -> `RouteTable`. Every field that cannot be honoured becomes an issue.
struct RouteCompiler {
    var parts: CompiledParts
    var issues: [CompileIssue] = []
    /// Largest body of a direct response, bytes.
    private var bodyLimit = 4096
    /// Of the table, for routes and hosts without their own.
    var tableMirrors: [MirrorSpec] = []
    /// What the places around the one being compiled say about filters, the outermost first.
    var filterLevels: [FilterConfigurations] = []

    init(parts: CompiledParts) { self.parts = parts }

    /// The table; meaningless when there are issues, nil when there is none at all.
    mutating func compile(_ message: Envoy_Config_Route_V3_RouteConfiguration, path: String) -> RouteTable? {
        let prefix = path.isEmpty ? "" : path + "."
        refuse(!message.internalOnlyHeaders.isEmpty, prefix + "internal_only_headers")
        refuse(
            message.validateClusters.value, prefix + "validate_clusters",
            "not supported: a route to an unknown cluster answers 503")
        tableMirrors = mirrors(message.requestMirrorPolicies, String(prefix.dropLast()))
        filterLevels = [FilterConfigurations(byName: message.typedPerFilterConfig, path: prefix)]
        if message.hasMaxDirectResponseBodySizeBytes { bodyLimit = Int(message.maxDirectResponseBodySizeBytes.value) }
        var spec = RouteConfigurationSpec()
        spec.name = message.name
        spec.mostSpecificHeadersWin = message.mostSpecificHeaderMutationsWins
        spec.ignoresPort = message.ignorePortInHostMatching
        spec.origin = origin(message.metadata)
        spec.requestHeaders = mutations(
            message.requestHeadersToAdd, message.requestHeadersToRemove, prefix + "request_headers")
        spec.responseHeaders = mutations(
            message.responseHeadersToAdd, message.responseHeadersToRemove, prefix + "response_headers")
        for (index, host) in message.virtualHosts.enumerated() {
            spec.virtualHosts.append(virtualHost(host, prefix + "virtual_hosts[\(index)]"))
        }
        do throws(RouteTableError) {
            return try RouteTable(spec)
        } catch {
            issues.append(CompileIssue(path: prefix + error.path, message: error.reason))
            return nil
        }
    }

    mutating func refuse(_ isSet: Bool, _ path: String, _ message: String = "not supported yet") {
        if isSet { issues.append(CompileIssue(path: path, message: message)) }
    }

    mutating func origin(_ metadata: Envoy_Config_Core_V3_Metadata) -> Origin {
        Origin(index: parts.registry.provenance.intern(metadata.origin))
    }

    private mutating func virtualHost(
        _ message: Envoy_Config_Route_V3_VirtualHost, _ path: String
    ) -> VirtualHostSpec {
        refuse(
            message.requireTls == .externalOnly, path + ".require_tls",
            "EXTERNAL_ONLY is not supported; use NONE or ALL")
        refuse(message.hasHedgePolicy, path + ".hedge_policy")
        if message.domains.isEmpty {
            issues.append(CompileIssue(path: path + ".domains", message: "must name at least one domain"))
        }
        for (index, domain) in message.domains.enumerated() where domain.dropFirst().dropLast().contains("*") {
            issues.append(
                CompileIssue(
                    path: "\(path).domains[\(index)]",
                    message: "\"\(domain)\": a wildcard stands at the beginning or at the end"))
        }
        filterLevels.append(FilterConfigurations(byName: message.typedPerFilterConfig, path: path + "."))
        defer { filterLevels.removeLast() }
        var host = VirtualHostSpec(name: message.name, domains: message.domains, routes: [])
        host.requiresTLS = message.requireTls == .all
        host.sendsAttemptCount = message.includeRequestAttemptCount
        host.returnsAttemptCount = message.includeAttemptCountInResponse
        host.origin = origin(message.metadata)
        host.requestHeaders = mutations(
            message.requestHeadersToAdd, message.requestHeadersToRemove, path + ".request_headers")
        host.responseHeaders = mutations(
            message.responseHeadersToAdd, message.responseHeadersToRemove, path + ".response_headers")
        for (index, route) in message.routes.enumerated() {
            if let compiled = self.route(route, host: message, "\(path).routes[\(index)]") {
                host.routes.append(compiled)
            }
        }
        return host
    }

    private mutating func route(
        _ message: Envoy_Config_Route_V3_Route, host: Envoy_Config_Route_V3_VirtualHost, _ path: String
    ) -> RouteSpec? {
        filterLevels.append(FilterConfigurations(byName: message.typedPerFilterConfig, path: path + "."))
        defer { filterLevels.removeLast() }
        let match = self.match(message.match, path + ".match")
        let action: RouteActionSpec
        switch message.action {
        case .route(let forward): action = .forward(self.forward(forward, host: host, path + ".route"))
        case .redirect(let redirect): action = .redirect(self.redirect(redirect, path + ".redirect"))
        case .directResponse(let response): action = .respond(self.respond(response, path + ".direct_response"))
        case nil:
            issues.append(CompileIssue(path: path, message: "needs route, redirect or direct_response"))
            return nil
        }
        guard let match else { return nil }
        // `decorator` names spans: without tracing it changes nothing.
        var route = RouteSpec(match: match, action: action)
        route.name = message.name
        route.attachment = parts.routeFilters(filterLevels, issues: &issues)
        route.origin = origin(message.metadata)
        route.requestHeaders = mutations(
            message.requestHeadersToAdd, message.requestHeadersToRemove, path + ".request_headers")
        route.responseHeaders = mutations(
            message.responseHeadersToAdd, message.responseHeadersToRemove, path + ".response_headers")
        return route
    }

    private mutating func respond(
        _ message: Envoy_Config_Route_V3_DirectResponseAction, _ path: String
    ) -> DirectResponseSpec {
        if !(200..<600).contains(message.status) {
            issues.append(CompileIssue(path: path + ".status", message: "must be 200 to 599, is \(message.status)"))
        }
        var body: [UInt8] = []
        switch message.body.specifier {
        case .inlineBytes(let bytes): body = Array(bytes)
        case .inlineString(let text): body = Array(text.utf8)
        case .filename, .environmentVariable:
            issues.append(
                CompileIssue(path: path + ".body", message: "only inline_string and inline_bytes are supported yet"))
        case nil: break
        }
        refuse(message.hasBodyFormat, path + ".body_format")
        if body.count > bodyLimit {
            issues.append(
                CompileIssue(
                    path: path + ".body",
                    message: "\(body.count) bytes exceed max_direct_response_body_size_bytes (\(bodyLimit))"))
        }
        return DirectResponseSpec(status: UInt16(clamping: message.status), body: body)
    }
}
