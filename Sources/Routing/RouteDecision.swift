/// What routing decided about one request, and why. Numbers refer to the table that decided.
package struct RouteDecision: Sendable {
    package enum Outcome: UInt8, Sendable {
        /// To `cluster`.
        case forward
        /// To the cluster that the header `route.clusterHeader` names: the owner of the names looks it up.
        case forwardByHeader
        /// `RouteTable.writeRedirect` makes the location, `route.status` is the status.
        case redirect
        /// The virtual host wants https: `RouteTable.writeRedirect` makes the location, 301.
        case requireTLS
        case directResponse
        case noVirtualHost
        case noRoute
    }

    package var outcome: Outcome
    package var cluster = ClusterID.none
    package var virtualHost: UInt32 = .max
    package var route: UInt32 = .max
    /// Which of the route's weighted clusters; .max = none.
    package var weighted: UInt32 = .max
    package var requestMutations = IndexRange()
    package var responseMutations = IndexRange()
    package var hostRewrite = CompiledHostRewrite()
    /// The attachment of the weighted cluster or the route.
    package var attachment: UInt32 = .max
    /// What endpoints' metadata must hold, as the weighted cluster or the route says; .max = anything.
    package var metadataMatch: UInt32 = .max
    package var origin = Origin.none

    init(outcome: Outcome) { self.outcome = outcome }

    /// Envoy's text for `%RESPONSE_CODE_DETAILS%` when the decision answers the request itself.
    package var responseCodeDetails: StaticString {
        switch outcome {
        case .noVirtualHost, .noRoute: "route_not_found"
        case .directResponse, .redirect, .requireTLS: "direct_response"
        case .forward, .forwardByHeader: "via_upstream"
        }
    }
}
