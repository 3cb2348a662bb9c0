import Authentication
import Routing
import SwiftProtobuf
import XDS

private typealias Filter = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication
private typealias Provider = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtProvider
private typealias Requirement = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtRequirement
private typealias PerRoute = Envoy_Extensions_Filters_Http_JwtAuthn_V3_PerRouteConfig

extension CompiledParts {
    /// envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication.
    mutating func jwtFilter(_ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]) -> HTTPFilter? {
        guard let message = unpack(any, as: Filter.self, path: path, issues: &issues) else { return nil }
        let before = issues.count
        var spec = AuthenticationSpec(providers: [], requirements: [])
        var payloadKeys: [String: [UInt8]] = [:]
        var keySources: [String: RemoteKeySource] = [:]
        for (name, provider) in message.providers.sorted(by: { $0.key < $1.key }) {
            let place = "\(path).providers[\"\(name)\"]"
            var source: RemoteKeySource?
            if case .remoteJwks(let remote)? = provider.jwksSourceSpecifier {
                source = keySource(remote, place + ".remote_jwks", &issues)
                if let source { keySources[source.name] = source }
            }
            spec.providers.append(Self.provider(name, provider, source, place, &issues))
            if !provider.payloadInMetadata.isEmpty { payloadKeys[name] = Array(provider.payloadInMetadata.utf8) }
        }
        var requirementNumbers: [String: Int] = [:]
        for (name, requirement) in message.requirementMap.sorted(by: { $0.key < $1.key }) {
            requirementNumbers[name] = spec.requirements.count
            spec.requirements.append(
                Self.requirement(requirement, "\(path).requirement_map[\"\(name)\"]", &issues))
        }
        var matches: [RouteMatchSpec] = []
        var ruleRequirements: [Int] = []
        for (index, rule) in message.rules.enumerated() {
            let place = "\(path).rules[\(index)]"
            var compiler = RouteCompiler(parts: self)
            compiler.refuse(
                !rule.match.dynamicMetadata.isEmpty, place + ".match.dynamic_metadata",
                "not supported: this filter is what fills it")
            if let match = compiler.match(rule.match, place + ".match") { matches.append(match) }
            issues += compiler.issues
            switch rule.requirementType {
            case .requires(let requirement):
                ruleRequirements.append(spec.requirements.count)
                spec.requirements.append(Self.requirement(requirement, place + ".requires", &issues))
            case .requirementName(let name):
                if requirementNumbers[name] == nil {
                    issues.append(
                        CompileIssue(
                            path: place + ".requirement_name", message: "requirement_map has no \"\(name)\""))
                }
                ruleRequirements.append(requirementNumbers[name] ?? -1)
            case nil: ruleRequirements.append(-1)
            }
        }
        guard issues.count == before else { return nil }
        do {
            let authenticator = try Authenticator(spec)
            for (provider, reason) in authenticator.keyFaults {
                warnings.append("\(path).providers[\"\(provider)\"].local_jwks: \(reason)")
            }
            return .jwt(
                JWTFilter(
                    authenticator: authenticator, rules: try Self.rules(matches),
                    ruleRequirements: ruleRequirements, requirementNumbers: requirementNumbers,
                    payloadKeys: payloadKeys,
                    clearsRoute: Set(message.providers.filter { $0.value.clearRouteCache_p }.keys),
                    keySources: keySources,
                    bypassesPreflights: message.bypassCorsPreflight, stripsFailures: message.stripFailureResponse))
        } catch {
            issues.append(CompileIssue(path: path, message: "\(error)"))
            return nil
        }
    }

    /// The rules as routes of one host: the number of the route that fits is that of the rule.
    private static func rules(_ matches: [RouteMatchSpec]) throws -> RouteTable? {
        if matches.isEmpty { return nil }
        var table = RouteConfigurationSpec()
        table.virtualHosts = [
            VirtualHostSpec(
                name: "rules", domains: ["*"],
                routes: matches.map { RouteSpec(match: $0, action: .respond(DirectResponseSpec(status: 200))) })
        ]
        return try RouteTable(table)
    }

    /// What a route says about the filter; nil, with an issue, when it cannot be honoured.
    mutating func jwtRequirement(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        guard let message = unpack(any, as: PerRoute.self, path: path, issues: &issues) else { return nil }
        switch message.requirementSpecifier {
        case .disabled(let flag):
            if !flag { issues.append(CompileIssue(path: path + ".disabled", message: "must be true")) }
            return .off(.jwt)
        case .requirementName(let name): return .jwtRequirement(name)
        case nil:
            issues.append(CompileIssue(path: path, message: "needs disabled or requirement_name"))
            return nil
        }
    }

    private static func provider(
        _ name: String, _ message: Provider, _ source: RemoteKeySource?, _ path: String, _ issues: inout [CompileIssue]
    ) -> ProviderSpec {
        func refuse(_ isSet: Bool, _ field: String, _ text: String = "not supported yet") {
            if isSet { issues.append(CompileIssue(path: "\(path).\(field)", message: text)) }
        }
        refuse(message.hasSubjects, "subjects")
        refuse(!message.headerInMetadata.isEmpty, "header_in_metadata")
        refuse(!message.failedStatusInMetadata.isEmpty, "failed_status_in_metadata")
        var keys = ""
        switch message.jwksSourceSpecifier {
        case .localJwks(let source): keys = text(source, path + ".local_jwks", &issues)
        case .remoteJwks: break
        case nil: refuse(true, "local_jwks", "is needed")
        }
        var spec = ProviderSpec(name: name, issuer: message.issuer, keySet: keys)
        spec.remoteKeys = source?.name
        spec.audiences = message.audiences
        spec.headers = message.fromHeaders.map { .init(name: $0.name, valuePrefix: $0.valuePrefix) }
        spec.parameters = message.fromParams
        spec.cookies = message.fromCookies
        spec.forwards = message.forward
        spec.forwardPayloadHeader = message.forwardPayloadHeader
        spec.padsForwardedPayload = message.padForwardPayloadHeader
        spec.claimHeaders = message.claimToHeaders.map { .init(header: $0.headerName, claim: $0.claimName) }
        spec.spaceDelimitedClaims = message.normalizePayloadInMetadata.spaceDelimitedClaims
        spec.clockSkewSeconds = message.clockSkewSeconds == 0 ? 60 : UInt64(message.clockSkewSeconds)
        spec.requiresExpiration = message.requireExpiration
        if message.hasMaxLifetime {
            spec.maxLifetimeSeconds =
                Nanoseconds.read(message.maxLifetime, path: path + ".max_lifetime", issues: &issues) / 1_000_000_000
        }
        return spec
    }

    /// envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks.
    private mutating func keySource(
        _ message: Envoy_Extensions_Filters_Http_JwtAuthn_V3_RemoteJwks, _ path: String, _ issues: inout [CompileIssue]
    ) -> RemoteKeySource? {
        let uri = message.httpUri
        guard !uri.uri.isEmpty else {
            issues.append(CompileIssue(path: path + ".http_uri.uri", message: "is needed"))
            return nil
        }
        guard !uri.cluster.isEmpty else {
            issues.append(CompileIssue(path: path + ".http_uri.cluster", message: "is needed"))
            return nil
        }
        guard uri.hasTimeout else {
            issues.append(CompileIssue(path: path + ".http_uri.timeout", message: "is needed"))
            return nil
        }
        var fresh: UInt64 = 600_000
        if message.hasCacheDuration {
            fresh =
                Nanoseconds.read(message.cacheDuration, path: path + ".cache_duration", issues: &issues) / 1_000_000
        }
        let timeout = Nanoseconds.read(uri.timeout, path: path + ".http_uri.timeout", issues: &issues) / 1_000_000
        guard
            let source = RemoteKeySource(
                uri: uri.uri, clusterName: uri.cluster, cluster: registry.cluster(uri.cluster),
                timeoutMilliseconds: timeout, freshMilliseconds: fresh)
        else {
            issues.append(
                CompileIssue(path: path + ".http_uri.uri", message: "\"\(uri.uri)\" holds blanks or control characters")
            )
            return nil
        }
        return source
    }

    private static func text(
        _ source: Envoy_Config_Core_V3_DataSource, _ path: String, _ issues: inout [CompileIssue]
    ) -> String {
        switch source.specifier {
        case .inlineString(let text): return text
        case .inlineBytes(let bytes): return String(decoding: bytes, as: UTF8.self)
        default:
            issues.append(CompileIssue(path: path, message: "only inline_string and inline_bytes are supported"))
            return ""
        }
    }

    private static func requirement(
        _ message: Requirement, _ path: String, _ issues: inout [CompileIssue]
    ) -> RequirementSpec {
        switch message.requiresType {
        case .providerName(let name): return .provider(name, audiences: [])
        case .providerAndAudiences(let both): return .provider(both.providerName, audiences: both.audiences)
        case .requiresAny(let list):
            return .any(
                list.requirements.enumerated().map {
                    requirement($1, "\(path).requires_any.requirements[\($0)]", &issues)
                })
        case .requiresAll(let list):
            return .all(
                list.requirements.enumerated().map {
                    requirement($1, "\(path).requires_all.requirements[\($0)]", &issues)
                })
        case .allowMissing: return .allowMissing
        case .allowMissingOrFailed: return .allowMissingOrFailed
        case nil: return .none
        }
    }
}
