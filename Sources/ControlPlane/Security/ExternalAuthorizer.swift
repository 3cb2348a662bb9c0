import MeshAPI
import MeshState
import SwiftProtobuf
import XDS
import Yams

/// An authorization service of the mesh configuration (`extensionProviders`: `envoyExtAuthzHttp`, `envoyExtAuthzGrpc`).
package struct ExternalAuthorizer: Sendable, Equatable {
    package enum Kind: Sendable, Equatable { case http, grpc }

    var kind: Kind
    /// `NAMESPACE/HOST` or a host of the mesh.
    var service: String
    var port: Int
    var failOpen = false
    var statusOnError: Int?
    var timeoutMilliseconds = 600_000
    var pathPrefix = ""
    var includeHeaders: [String] = []
    var additionalHeaders: [String: String] = [:]
    var headersToUpstream: [String] = []
    var headersToClientOnDeny: [String] = []
    var headersToClientOnAllow: [String] = []
    var maxBodyBytes: Int?
    var allowPartialMessage = false
    var packAsBytes = false
    /// Settings that are given and not carried out.
    var ignored: [String] = []
    /// The fully qualified host, once it is known that it exists.
    var host: String?

    private static let known: Set<String> = [
        "service", "port", "timeout", "failOpen", "statusOnError", "pathPrefix", "includeRequestHeadersInCheck",
        "includeHeadersInCheck", "headersToUpstreamOnAllow", "headersToDownstreamOnDeny", "headersToDownstreamOnAllow",
        "includeAdditionalHeadersInCheck", "includeRequestBodyInCheck",
    ]

    /// nil when the provider is of another kind.
    init?(_ node: Node) {
        let http = node["envoyExtAuthzHttp"]
        guard let settings = http ?? node["envoyExtAuthzGrpc"] else { return nil }
        kind = http == nil ? .grpc : .http
        service = settings["service"]?.string ?? ""
        port = settings["port"]?.int ?? 0
        failOpen = settings["failOpen"]?.bool ?? false
        statusOnError = settings["statusOnError"]?.string.flatMap { Int($0) }
        if let text = settings["timeout"]?.string, let timeout = DurationText.parse(text) {
            timeoutMilliseconds = max(1, Int(timeout / .milliseconds(1)))
        }
        pathPrefix = settings["pathPrefix"]?.string ?? ""
        let texts = { (key: String) in settings[key]?.sequence?.compactMap(\.string) ?? [] }
        includeHeaders = texts("includeRequestHeadersInCheck") + texts("includeHeadersInCheck")
        headersToUpstream = texts("headersToUpstreamOnAllow")
        headersToClientOnDeny = texts("headersToDownstreamOnDeny")
        headersToClientOnAllow = texts("headersToDownstreamOnAllow")
        if case .mapping(let mapping)? = settings["includeAdditionalHeadersInCheck"] {
            for (key, value) in mapping { additionalHeaders[key.string ?? ""] = value.string ?? "" }
        }
        if case .mapping(let mapping) = settings {
            ignored = mapping.keys.compactMap(\.string).filter { !Self.known.contains($0) }
        }
        if let body = settings["includeRequestBodyInCheck"] {
            maxBodyBytes = body["maxRequestBytes"]?.int
            allowPartialMessage = body["allowPartialMessage"]?.bool ?? false
            packAsBytes = body["packAsBytes"]?.bool ?? false
        }
    }

    /// The host of the service, `NAMESPACE/` taken off; nil when the mesh has no such service and port.
    func resolved(in snapshot: MeshSnapshot) -> ExternalAuthorizer? {
        let parts = service.split(separator: "/", maxSplits: 1)
        let name = String(parts.last ?? "")
        let namespace = parts.count == 2 ? String(parts[0]) : snapshot.settings.rootNamespace
        let hosts = [name, snapshot.settings.resolve(name, in: namespace)]
        guard let found = hosts.lazy.compactMap({ snapshot.service(host: $0) }).first, found.port(port) != nil else {
            return nil
        }
        var result = self
        result.host = found.host
        return result
    }

    /// nil when the service is unknown.
    func http(provider: String) -> Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz? {
        guard let host else { return nil }
        var filter = Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz()
        filter.transportApiVersion = .v3
        filter.failureModeAllow = failOpen
        if let statusOnError { filter.statusOnError.code = .init(rawValue: statusOnError) ?? .forbidden }
        let cluster = Names.outboundCluster(port: port, host: host)
        switch kind {
        case .http:
            filter.httpService.serverUri.uri = "http://\(host)"
            filter.httpService.serverUri.cluster = cluster
            filter.httpService.serverUri.timeout = .init(.milliseconds(timeoutMilliseconds))
            filter.httpService.pathPrefix = pathPrefix
            if !includeHeaders.isEmpty { filter.allowedHeaders = Self.patterns(includeHeaders) }
            filter.httpService.authorizationRequest.headersToAdd = additionalHeaders.sorted { $0.key < $1.key }.map {
                name, value in
                .with {
                    $0.key = name
                    $0.value = value
                }
            }
            let response = [headersToUpstream, headersToClientOnDeny, headersToClientOnAllow]
            if response.contains(where: { !$0.isEmpty }) {
                filter.httpService.authorizationResponse = .with {
                    if !headersToUpstream.isEmpty { $0.allowedUpstreamHeaders = Self.patterns(headersToUpstream) }
                    if !headersToClientOnDeny.isEmpty { $0.allowedClientHeaders = Self.patterns(headersToClientOnDeny) }
                    if !headersToClientOnAllow.isEmpty {
                        $0.allowedClientHeadersOnSuccess = Self.patterns(headersToClientOnAllow)
                    }
                }
            }
        case .grpc: filter.grpcService = grpcService(cluster)
        }
        if let maxBodyBytes {
            filter.withRequestBody.maxRequestBytes = UInt32(clamping: maxBodyBytes)
            filter.withRequestBody.allowPartialMessage = allowPartialMessage
            filter.withRequestBody.packAsBytes = packAsBytes
        }
        filter.filterEnabledMetadata = Self.isConcerned(provider, "envoy.filters.http.rbac")
        return filter
    }

    /// Asks about connections; nil when the service is unknown or speaks HTTP.
    func network(provider: String) -> Envoy_Extensions_Filters_Network_ExtAuthz_V3_ExtAuthz? {
        guard let host, kind == .grpc else { return nil }
        var filter = Envoy_Extensions_Filters_Network_ExtAuthz_V3_ExtAuthz()
        filter.statPrefix = "tcp."
        filter.transportApiVersion = .v3
        filter.failureModeAllow = failOpen
        filter.grpcService = grpcService(Names.outboundCluster(port: port, host: host))
        filter.filterEnabledMetadata = Self.isConcerned(provider, "envoy.filters.network.rbac")
        return filter
    }

    private func grpcService(_ cluster: String) -> Envoy_Config_Core_V3_GrpcService {
        .with {
            $0.envoyGrpc.clusterName = cluster
            $0.envoyGrpc.authority = cluster.split(separator: "|", omittingEmptySubsequences: false)
                .joined(separator: "_.")
            $0.timeout = .init(.milliseconds(timeoutMilliseconds))
        }
    }

    /// What the filter in front found: a policy of this provider matches.
    private static func isConcerned(_ provider: String, _ filter: String) -> Envoy_Type_Matcher_V3_MetadataMatcher {
        .with {
            $0.filter = filter
            $0.path = [.with { $0.key = "istio_ext_authz_shadow_effective_policy_id" }]
            $0.value.stringMatch.prefix = "istio-ext-authz-\(provider)-"
        }
    }

    private static func patterns(_ names: [String]) -> Envoy_Type_Matcher_V3_ListStringMatcher {
        .with { list in
            list.patterns = names.map { name in
                var matcher = PolicyMatchers.string(name)
                matcher.ignoreCase = true
                return matcher
            }
        }
    }
}
