package import Authorization
package import Resilience
package import Routing

/// envoy.extensions.filters.http.ext_authz.v3.ExtAuthz: asks another service whether a request may go on.
package final class ExternalAuthorization: Sendable {
    package enum Service: Sendable {
        /// A request like the client's own, without its body.
        case http(HTTPService)
        /// envoy.service.auth.v3.Authorization/Check.
        case grpc(GRPCService)
    }

    /// A call of gRPC (GrpcService.EnvoyGrpc).
    package struct GRPCService: Sendable {
        package var authority: String
        /// Further fields of the call's head.
        package var metadata: [(name: String, value: String)]
    }

    /// The parts of a plain HTTP conversation (AuthorizationRequest, AuthorizationResponse).
    package struct HTTPService: Sendable {
        /// In front of the request's own path.
        package var pathPrefix = ""
        /// The authority of `server_uri`.
        package var authority = ""
        package var added: [(name: String, value: String)] = []
        /// Of an approving answer into the request: replacing, and beside what is there.
        package var upstreamHeaders: PatternSet?
        package var upstreamHeadersToAppend: PatternSet?
        /// Of a refusing answer to the client; nil is all of them.
        package var clientHeaders: PatternSet?
        /// Of an approving answer to the client.
        package var clientHeadersOnSuccess: PatternSet?

        package init() {}
    }

    /// How much of the request's body the service sees (BufferSettings).
    package struct BodyRule: Sendable {
        package var maximumBytes: Int
        /// A longer body is cut off for the service; otherwise it is refused with 413.
        package var allowsPartial: Bool
        /// gRPC: as `raw_body`, for bodies that are no UTF-8.
        package var packsBytes: Bool
    }

    /// For a route (CheckSettings).
    package struct RouteSettings: Sendable {
        /// What the service is told beside the request; names and values.
        package var extensions: [(String, String)]
        package var disablesBody: Bool
        package var body: BodyRule?
    }

    package let service: Service
    /// nil: the service sees no bodies.
    package let body: BodyRule?
    package let cluster: ClusterID
    package let timeoutMilliseconds: UInt64
    /// Requests go on when the service fails to answer.
    package let allowsFailures: Bool
    /// … and say so in `x-envoy-auth-failure-mode-allowed`.
    package let marksFailures: Bool
    /// What the client gets when the service fails.
    package let statusOnError: UInt16
    /// Request headers that the service gets to see; nil is the service's default.
    package let allowedHeaders: PatternSet?
    package let disallowedHeaders: PatternSet?
    /// Of requests.
    package let enabled: Share
    /// Only requests of which filters in front found this out; nil is all.
    package let condition: MetadataCondition?
    /// The route is looked for again after an approval that changed the request.
    package let clearsRoute: Bool

    package init(
        service: Service, cluster: ClusterID, timeoutMilliseconds: UInt64, allowsFailures: Bool, marksFailures: Bool,
        statusOnError: UInt16, allowedHeaders: PatternSet?, disallowedHeaders: PatternSet?, enabled: Share,
        condition: MetadataCondition? = nil, clearsRoute: Bool, body: BodyRule? = nil
    ) {
        self.body = body
        self.service = service
        self.condition = condition
        self.cluster = cluster
        self.timeoutMilliseconds = timeoutMilliseconds
        self.allowsFailures = allowsFailures
        self.marksFailures = marksFailures
        self.statusOnError = statusOnError
        self.allowedHeaders = allowedHeaders
        self.disallowedHeaders = disallowedHeaders
        self.enabled = enabled
        self.clearsRoute = clearsRoute
    }
}
