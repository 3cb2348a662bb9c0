import Authentication
import Identity
package import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

typealias WireAuthentication = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication
typealias WireProvider = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtProvider
typealias WireRequirement = Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtRequirement

/// The filter that verifies the tokens of requests, from the RequestAuthentications that hold for a workload.
struct TokenFilter {
    /// Where claims are found in the metadata of requests.
    static let payloadKey = "payload"

    let policies: [RequestAuthentication]
    /// The key set of each `jwksUri`, or issuer without one, as far as it could be fetched.
    let keySets: KeySetSnapshot
    /// Routes may ask for claims: they are looked for again when a token was accepted.
    var choosesRoutes = false

    /// nil when no token is looked at.
    func filter() -> WireHTTPFilter? {
        // As Istio orders them: the provider of a token does not depend on the order of files.
        let rules = policies.flatMap(\.rules).enumerated()
            .sorted { ($0.element.issuer, $0.offset) < ($1.element.issuer, $1.offset) }.map(\.element)
        guard !rules.isEmpty else { return nil }
        var authentication = WireAuthentication()
        authentication.bypassCorsPreflight = true
        var each: [WireRequirement] = []
        var providers: [WireRequirement] = []
        for (number, rule) in rules.enumerated() {
            let name = "origins-\(number)"
            authentication.providers[name] = provider(rule)
            let required = WireRequirement.with { $0.providerName = name }
            providers.append(required)
            each.append(.any([required, .with { $0.allowMissing = .init() }]))
        }
        authentication.rules = [
            .with { rule in
                rule.match.prefix = "/"
                // A token that is there must be valid; a token that several issuers look for, for one of them.
                rule.requires = each.count == 1 ? each[0] : .any(providers + [.all(each)])
            }
        ]
        return WireHTTPFilter("envoy.filters.http.jwt_authn", authentication)
    }

    private func provider(_ rule: JWTRule) -> WireProvider {
        var provider = WireProvider()
        provider.issuer = rule.issuer
        provider.audiences = rule.audiences
        provider.forward = rule.forwardOriginalToken
        provider.forwardPayloadHeader = rule.outputPayloadToHeader ?? ""
        provider.payloadInMetadata = Self.payloadKey
        provider.clearRouteCache_p = choosesRoutes
        provider.normalizePayloadInMetadata.spaceDelimitedClaims =
            ["permission", "scope"] + rule.spaceDelimitedClaims.filter { $0 != "permission" && $0 != "scope" }
        provider.fromHeaders = rule.fromHeaders.map { header in
            .with {
                $0.name = header.name
                $0.valuePrefix = header.prefix ?? ""
            }
        }
        provider.fromParams = rule.fromParams
        provider.fromCookies = rule.fromCookies
        provider.claimToHeaders = rule.outputClaimToHeaders.map { output in
            .with {
                $0.headerName = output.header
                $0.claimName = output.claim
            }
        }
        // Without usable keys every token of the issuer is refused, which is right until they have arrived. Envoy would refuse
        // the listener.
        let known = rule.jwks ?? keySets.text(for: rule)
        let isUsable = known.map { (try? KeySet(parsing: $0)) != nil } ?? false
        provider.localJwks.inlineString = isUsable ? known ?? "" : ForgottenKey.keySet
        return provider
    }
}

extension WireRequirement {
    fileprivate static func any(_ parts: [WireRequirement]) -> WireRequirement {
        .with { $0.requiresAny.requirements = parts }
    }

    fileprivate static func all(_ parts: [WireRequirement]) -> WireRequirement {
        .with { $0.requiresAll.requirements = parts }
    }
}

/// Key sets by where they are from, at one moment.
package struct KeySetSnapshot: Sendable, Equatable {
    package var texts: [KeySetSource: String]

    package init(_ texts: [KeySetSource: String] = [:]) { self.texts = texts }

    func text(for rule: JWTRule) -> String? { KeySetSource(rule).flatMap { texts[$0] } }
}

/// Where an issuer's keys are.
package enum KeySetSource: Sendable, Hashable {
    /// `jwksUri`.
    case url(String)
    /// OpenID Connect discovery at the issuer: `ISSUER/.well-known/openid-configuration`.
    case issuer(String)

    /// nil when the rule holds its keys itself, or its issuer is no URL.
    package init?(_ rule: JWTRule) {
        guard rule.jwks == nil else { return nil }
        if let url = rule.jwksURI {
            self = .url(url)
        } else if rule.issuer.hasPrefix("https://") || rule.issuer.hasPrefix("http://") {
            self = .issuer(rule.issuer)
        } else {
            return nil
        }
    }
}
