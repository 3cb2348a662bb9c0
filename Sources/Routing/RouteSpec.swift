/// A route configuration as plain values, the input of `RouteTable`: envoy.config.route.v3.RouteConfiguration, checked
/// and defaulted. Everything in it is honoured; what cannot be honoured never gets this far.
package struct RouteConfigurationSpec: Sendable {
    package var name = ""
    package var virtualHosts: [VirtualHostSpec] = []
    package var requestHeaders = HeaderMutationSpec()
    package var responseHeaders = HeaderMutationSpec()
    /// Order of header mutations: false = route, virtual host, configuration (Envoy's default); true = the reverse.
    package var mostSpecificHeadersWin = false
    /// A `:port` at the end of the authority is not part of the comparison with `domains`.
    package var ignoresPort = true
    package var origin = Origin.none

    package init() {}
}

package struct VirtualHostSpec: Sendable {
    package var name: String
    /// Exact names, `*.suffix`, `prefix.*` and `*`; compared without case and without the request's port.
    package var domains: [String]
    package var routes: [RouteSpec]
    package var requestHeaders = HeaderMutationSpec()
    package var responseHeaders = HeaderMutationSpec()
    /// Plain requests are redirected to https (`require_tls: ALL`).
    package var requiresTLS = false
    /// The upstream is told which try it gets (x-envoy-attempt-count).
    package var sendsAttemptCount = false
    package var returnsAttemptCount = false
    package var origin = Origin.none

    package init(name: String, domains: [String], routes: [RouteSpec]) {
        self.name = name
        self.domains = domains
        self.routes = routes
    }
}

package struct RouteSpec: Sendable {
    package var name = ""
    package var match: RouteMatchSpec
    package var action: RouteActionSpec
    package var requestHeaders = HeaderMutationSpec()
    package var responseHeaders = HeaderMutationSpec()
    package var origin = Origin.none
    /// What the owner of the table wants to find again for this route (per-filter configuration): not read here.
    package var attachment: UInt32 = .max

    package init(match: RouteMatchSpec, action: RouteActionSpec) {
        self.match = match
        self.action = action
    }
}

package struct RouteMatchSpec: Sendable {
    package enum Path: Sendable, Equatable {
        case prefix(String)
        case exact(String)
        /// RE2, matches the whole path without the query.
        case regex(String)
        /// The path itself or anything below it: `/a` matches `/a` and `/a/b`, not `/ab`.
        case segmentPrefix(String)
        /// CONNECT requests only.
        case connect
    }

    package var path: Path
    package var caseSensitive = true
    package var headers: [HeaderMatchSpec] = []
    package var queryParameters: [QueryMatchSpec] = []
    /// Share of requests the route applies to, in millionths; nil = all.
    package var runtimeFraction: UInt32?
    /// Only gRPC requests (content-type application/grpc…).
    package var grpcOnly = false
    /// What must hold beside the head, in numbers of the owner's; .max = nothing. Not looked at here: an owner for whom it
    /// does not hold asks on behind the route.
    package var condition: UInt32 = .max

    package init(path: Path) { self.path = path }
}

package struct HeaderMatchSpec: Sendable {
    package enum Test: Sendable, Equatable {
        case present
        case matches(StringPattern)
        /// The value is an integer in `[start, end)`.
        case range(Int64, Int64)
    }

    /// Any case; `:method`, `:path`, `:authority`, `:scheme` name the request line.
    package var name: String
    package var test: Test
    package var inverted = false
    /// A missing header is compared as the empty string. Otherwise it fails every test of its value, `inverted` or not.
    package var missingIsEmpty = false

    package init(name: String, test: Test, inverted: Bool = false, missingIsEmpty: Bool = false) {
        self.name = name
        self.test = test
        self.inverted = inverted
        self.missingIsEmpty = missingIsEmpty
    }
}

package struct QueryMatchSpec: Sendable {
    package var name: String
    /// nil = the parameter is there, whatever its value.
    package var pattern: StringPattern?

    package init(name: String, pattern: StringPattern?) {
        self.name = name
        self.pattern = pattern
    }
}

package enum RouteActionSpec: Sendable {
    case forward(ForwardSpec)
    case redirect(RedirectSpec)
    case respond(DirectResponseSpec)
}

package struct ForwardSpec: Sendable {
    package enum Target: Sendable {
        case cluster(ClusterID)
        /// Proportional to the weights, which need not sum to 100.
        case weighted([WeightedTargetSpec])
        /// The cluster that this request header names.
        case header(String)
    }

    package var target: Target
    /// Replaces the matched prefix (whole path for exact and regex matches).
    package var prefixRewrite: String?
    package var regexRewrite: RegexRewriteSpec?
    package var hostRewrite: HostRewrite = .none
    /// Whole request, nanoseconds; 0 = none, nil = Envoy's 15 s.
    package var timeoutNanoseconds: UInt64?
    /// nil = the connection manager's stream idle timeout.
    package var idleTimeoutNanoseconds: UInt64?
    /// Upper bound for `grpc-timeout` of gRPC requests, in place of the timeout (max_grpc_timeout); 0 = take the client's,
    /// nil = the timeout counts.
    package var maxGRPCTimeoutNanoseconds: UInt64?
    /// How long the request may live in all (max_stream_duration).
    package var duration = StreamDuration()
    /// Index into the owner's retry policies; .max = none.
    package var retryPolicy: UInt32 = .max
    /// A try that takes longer than its timeout goes on while another one begins; the first good answer counts.
    package var hedges = false
    package var hashPolicies: [HashPolicySpec] = []
    /// `RequestMirrorPolicy`, in order.
    package var mirrors: [MirrorSpec] = []
    package var highPriority = false
    /// What endpoints' metadata must hold: a number of the owner's; .max = anything.
    package var metadataMatch: UInt32 = .max
    /// The response when the cluster does not exist: 503, 404 or 500.
    package var clusterNotFoundStatus: UInt16 = 503
    /// What the route says about upgrades, beside what the connection manager says.
    package var upgrades: [RouteUpgrade] = []

    package init(target: Target) { self.target = target }
}

package enum HostRewrite: Sendable, Equatable {
    case none
    case literal(String)
    /// The name of the chosen endpoint (strict DNS clusters).
    case endpointName
    /// The value of a request header.
    case header(String)
}

package struct RegexRewriteSpec: Sendable {
    package var pattern: String
    package var substitution: String

    package init(pattern: String, substitution: String) {
        self.pattern = pattern
        self.substitution = substitution
    }
}

package struct WeightedTargetSpec: Sendable {
    package var cluster: ClusterID
    package var weight: UInt32
    package var requestHeaders = HeaderMutationSpec()
    package var responseHeaders = HeaderMutationSpec()
    package var hostRewrite: HostRewrite = .none
    package var attachment: UInt32 = .max
    /// As of the route, which it replaces; .max = the route's.
    package var metadataMatch: UInt32 = .max

    package init(cluster: ClusterID, weight: UInt32) {
        self.cluster = cluster
        self.weight = weight
    }
}

package struct MirrorSpec: Sendable {
    package var cluster: ClusterID
    /// Millionths of requests.
    package var fraction: UInt32
    /// `-shadow` is appended to the host.
    package var appendsSuffix: Bool

    package init(cluster: ClusterID, fraction: UInt32, appendsSuffix: Bool = true) {
        self.cluster = cluster
        self.fraction = fraction
        self.appendsSuffix = appendsSuffix
    }
}

package struct HashPolicySpec: Sendable {
    package enum Source: Sendable, Equatable {
        case header(String)
        /// Generated with this time to live (seconds; 0 = session) when absent; nil = never generated.
        /// `attributes` is what follows in the `set-cookie`, as `; SameSite=Lax`.
        case cookie(name: String, path: String, ttlSeconds: UInt64?, attributes: String)
        case sourceAddress
        case queryParameter(String)
    }

    package var source: Source
    /// Later policies are not looked at when this one yields a hash.
    package var terminal = false

    package init(source: Source, terminal: Bool = false) {
        self.source = source
        self.terminal = terminal
    }
}

package struct RedirectSpec: Sendable {
    package var status: UInt16 = 301
    package var scheme: String?
    package var host: String?
    package var port: UInt16?
    /// What replaces the path; the query is kept unless `stripsQuery` (a `whole` path with its own query replaces it).
    package enum Path: Sendable {
        case keep
        case whole(String)
        case prefix(String)
        case regex(RegexRewriteSpec)
    }
    package var path: Path = .keep
    package var stripsQuery = false

    package init() {}
}

package struct DirectResponseSpec: Sendable {
    package var status: UInt16
    package var body: [UInt8]

    package init(status: UInt16, body: [UInt8] = []) {
        self.status = status
        self.body = body
    }
}

/// Header mutations of one level.
package struct HeaderMutationSpec: Sendable {
    package enum Append: UInt8, Sendable {
        /// `APPEND_IF_EXISTS_OR_ADD`
        case append
        /// `ADD_IF_ABSENT`
        case addIfAbsent
        /// `OVERWRITE_IF_EXISTS_OR_ADD`
        case overwriteOrAdd
        /// `OVERWRITE_IF_EXISTS`
        case overwriteIfPresent
    }
    package struct Setting: Sendable {
        package var name: String
        package var value: String
        package var append: Append
        /// The number of the format that makes the value, in the owner's list; .max = `value` is the value.
        package var format: UInt32
        /// An empty value sets the header all the same.
        package var keepsEmpty: Bool
        package init(
            name: String, value: String, append: Append, format: UInt32 = .max, keepsEmpty: Bool = false
        ) {
            self.name = name
            self.value = value
            self.append = append
            self.format = format
            self.keepsEmpty = keepsEmpty
        }
    }

    package var settings: [Setting] = []
    package var removals: [String] = []

    package var isEmpty: Bool { settings.isEmpty && removals.isEmpty }

    package init() {}
}
