package import Authentication
package import Resilience
package import Routing
internal import Synchronization

/// An HTTP filter in front of the router, in configured order. The router itself is always the last and not listed.
package enum HTTPFilter: Sendable {
    /// Index into `RuntimeSnapshot.authorizers`.
    case rbac(authorizer: Int)
    /// Sets response headers for a health check path or answers a fixed text; used by readiness listeners.
    case answer(path: [UInt8], status: UInt16, body: [UInt8])
    /// Acts on routes that bring a policy.
    case cors(CORSPolicy?)
    case fault(FaultFilter)
    case headerMutation(HeaderMutationFilter)
    case jwt(JWTFilter)
    /// For a route: the requirement of this name in the filter's own map.
    case jwtRequirement(String)
    case localRateLimit(LocalRateLimit)
    case externalAuthorization(ExternalAuthorization)
    /// For a route: what the service is told beside the request.
    case checkSettings(ExternalAuthorization.RouteSettings)
    /// Switched off for a route by its own configuration (a per-route RBAC without rules).
    case off(SwitchedOff)
}

/// Whose per-route configuration says "off": it counts for filters of that kind only.
package enum SwitchedOff: Sendable { case rbac, jwt, externalAuthorization }

/// What ties a filter to the configuration that routes bring for it.
package struct FilterPlace: Sendable {
    /// The number of the filter's name, by which routes refer to it.
    package var number: UInt16
    /// Acts only where a route switches it on.
    package var startsDisabled: Bool

    package init(number: UInt16, startsDisabled: Bool = false) {
        self.number = number
        self.startsDisabled = startsDisabled
    }
}

/// envoy.extensions.filters.http.fault.v3.HTTPFault.
package final class FaultFilter: Sendable {
    package let policy: FaultPolicy
    /// Only requests for this cluster; nil is all.
    package let cluster: ClusterID?
    /// Only requests that these tests fit.
    package let headers: HeaderTestSet?
    /// Requests of all workers that are being delayed or aborted.
    private let active = Atomic<UInt32>(0)

    package init(_ policy: FaultPolicy, cluster: ClusterID? = nil, headers: HeaderTestSet? = nil) {
        self.policy = policy
        self.cluster = cluster
        self.headers = headers
    }

    /// Counts one more active fault; false when there are as many as may be.
    func begin() -> Bool {
        let (old, _) = active.wrappingAdd(1, ordering: .relaxed)
        guard let most = policy.maxActive, old >= most else { return true }
        end()
        return false
    }

    func end() { active.wrappingSubtract(1, ordering: .relaxed) }
}

/// envoy.extensions.filters.http.header_mutation.v3.HeaderMutation; several levels when routes bring some.
package final class HeaderMutationFilter: Sendable {
    package struct Level: Sendable {
        package var request: HeaderMutationList
        package var response: HeaderMutationList

        package init(request: HeaderMutationList, response: HeaderMutationList) {
            self.request = request
            self.response = response
        }
    }

    /// From the least to the most specific.
    package let levels: [Level]
    /// The levels of routes are applied in this order; otherwise in the reverse.
    package let mostSpecificWins: Bool

    package init(levels: [Level], mostSpecificWins: Bool = false) {
        self.levels = levels
        self.mostSpecificWins = mostSpecificWins
    }
}

/// What routes, virtual hosts and weighted clusters say about filters (typed_per_filter_config), all levels together.
package final class RouteFilters: Sendable {
    package struct Entry: Sendable {
        package var filter: UInt16
        package var isDisabled: Bool
        /// Takes the place of the filter's own configuration, or is added to it (header mutations).
        package var configuration: HTTPFilter?

        package init(filter: UInt16, isDisabled: Bool, configuration: HTTPFilter?) {
            self.filter = filter
            self.isDisabled = isDisabled
            self.configuration = configuration
        }
    }

    package let entries: [Entry]

    package init(entries: [Entry]) { self.entries = entries }

    @inline(__always)
    func entry(for filter: UInt16) -> Entry? {
        for entry in entries where entry.filter == filter { return entry }
        return nil
    }
}

/// envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication.
package final class JWTFilter: Sendable {
    package let authenticator: Authenticator
    /// One route a rule, in order, whatever the host; nil without rules.
    package let rules: RouteTable?
    /// By rule: the number of its requirement; negative is none.
    package let ruleRequirements: [Int]
    /// The requirements that routes name.
    package let requirementNumbers: [String: Int]
    /// By name of the provider: where its claims are put for the filters behind.
    package let payloadKeys: [String: [UInt8]]
    /// Names of providers whose tokens make the route be looked for again.
    package let clearsRoute: Set<String>
    /// By name (`ProviderSpec.remoteKeys`): where keys are fetched.
    package let keySources: [String: RemoteKeySource]
    /// Preflights are let through.
    package let bypassesPreflights: Bool
    /// Refusals say nothing of the reason.
    package let stripsFailures: Bool

    package init(
        authenticator: Authenticator, rules: RouteTable?, ruleRequirements: [Int], requirementNumbers: [String: Int],
        payloadKeys: [String: [UInt8]], clearsRoute: Set<String>, keySources: [String: RemoteKeySource],
        bypassesPreflights: Bool, stripsFailures: Bool
    ) {
        self.keySources = keySources
        self.authenticator = authenticator
        self.rules = rules
        self.ruleRequirements = ruleRequirements
        self.requirementNumbers = requirementNumbers
        self.payloadKeys = payloadKeys
        self.clearsRoute = clearsRoute
        self.bypassesPreflights = bypassesPreflights
        self.stripsFailures = stripsFailures
    }
}

/// envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.
package final class LocalRateLimit: Sendable {
    /// nil limits nothing: only routes bring a bucket.
    package let bucket: TokenBucket?
    package let enabled: Share
    /// Of the requests for which there is no token.
    package let enforced: Share
    package let status: UInt16
    package let responseHeaders: HeaderMutationList
    package let requestHeadersWhenNotEnforced: HeaderMutationList
    /// gRPC clients are told RESOURCE_EXHAUSTED instead of UNAVAILABLE.
    package let isResourceExhausted: Bool

    package init(
        bucket: TokenBucket?, enabled: Share, enforced: Share, status: UInt16, responseHeaders: HeaderMutationList,
        requestHeadersWhenNotEnforced: HeaderMutationList, isResourceExhausted: Bool
    ) {
        self.bucket = bucket
        self.enabled = enabled
        self.enforced = enforced
        self.status = status
        self.responseHeaders = responseHeaders
        self.requestHeadersWhenNotEnforced = requestHeadersWhenNotEnforced
        self.isResourceExhausted = isResourceExhausted
    }
}
