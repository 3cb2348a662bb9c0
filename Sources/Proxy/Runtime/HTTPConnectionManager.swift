/// The HTTP connection manager of a filter chain (envoy.extensions.filters.network.http_connection_manager.v3).
///
/// Times are milliseconds, 0 is no limit, defaults are Envoy's. `routeTable`, `accessLogs`, `retry` and the numbers in
/// `httpFilters` index the arrays of the snapshot.
package final class HTTPConnectionManager: Sendable {
    package enum Codec: UInt8, Sendable { case auto, http1, http2 }
    /// `server` header of responses (server_header_transformation).
    package enum ServerHeader: UInt8, Sendable { case overwrite, appendIfAbsent, passThrough }
    /// What happens to a received x-forwarded-client-cert (forward_client_cert_details).
    package enum ForwardedClientCertificate: UInt8, Sendable {
        case sanitize, forwardOnly, appendForward, sanitizeSet, alwaysForwardOnly
    }

    /// Bits of `certificateDetails`: what a set x-forwarded-client-cert element holds beside `Hash`.
    package struct CertificateDetails: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let subject = CertificateDetails(rawValue: 1)
        package static let uri = CertificateDetails(rawValue: 2)
        package static let dns = CertificateDetails(rawValue: 4)
    }

    package struct Timeouts: Sendable {
        /// A connection without a request is closed (common_http_protocol_options.idle_timeout).
        package var idleMilliseconds: UInt32 = 3_600_000
        /// The head of a request must be complete (request_headers_timeout).
        package var requestHeadMilliseconds: UInt32 = 0
        /// The whole request must be received (request_timeout).
        package var requestMilliseconds: UInt32 = 0
        /// A request and its response may take so long in all (common_http_protocol_options.max_stream_duration).
        package var maxStreamMilliseconds: UInt32 = 0
        /// Nothing moved on a stream (stream_idle_timeout).
        package var streamIdleMilliseconds: UInt32 = 300_000
        /// Between the notice and the close of a draining connection (drain_timeout).
        package var drainMilliseconds: UInt32 = 5_000
        /// How long a closing connection waits for the client to end its side (delayed_close_timeout).
        package var delayedCloseMilliseconds: UInt32 = 1_000
        /// A connection serves so many requests and ends (max_requests_per_connection); 0 is no limit.
        package var maxRequests: UInt32 = 0
        /// A connection is drained at this age (max_connection_duration).
        package var maxConnectionMilliseconds: UInt32 = 0

        package init() {}
    }

    package let statPrefix: String
    package let codec: Codec
    package let http2: HTTP2Options
    /// Index into `RuntimeSnapshot.routeTables`; nil until the table named by RDS has arrived: requests get 404 NR.
    package let routeTable: Int?
    /// The RDS name, or the name of the inline table; for the admin API.
    package let routeTableName: String
    package let httpFilters: [HTTPFilter]
    /// By filter; empty when routes bring nothing for any of them.
    package let filterPlaces: [FilterPlace]
    package let accessLogs: [Int]
    package let timeouts: Timeouts
    /// The value of the `server` header; Envoy's default is `envoy`, Istio's `istio-envoy`.
    package let serverName: [UInt8]
    package let serverHeader: ServerHeader
    /// x-request-id is made when absent (generate_request_id).
    package let generatesRequestID: Bool
    /// A received x-request-id is kept also at the edge (preserve_external_request_id).
    package let preservesExternalRequestID: Bool
    /// x-request-id goes into the response always, not only when the request had it (always_set_request_id_in_response).
    package let setsRequestIDInResponse: Bool
    /// The peer's address is the client: it is appended to x-forwarded-for (use_remote_address).
    package let usesRemoteAddress: Bool
    /// Requests from here may use the `x-envoy-` fields of the mesh (internal_address_config); nil: nobody may.
    package let internalAddresses: InternalAddresses?
    /// Trusted proxies in front (xff_num_trusted_hops).
    package let trustedHops: UInt32
    /// x-forwarded-for is left alone (skip_xff_append).
    package let skipsForwardedForAppend: Bool
    package let forwardedClientCertificate: ForwardedClientCertificate
    package let certificateDetails: CertificateDetails
    /// Dot segments are removed from paths before anything looks at them (normalize_path).
    package let normalizesPath: Bool
    package let mergesSlashes: Bool
    /// HTTP/1.0 is spoken; otherwise it is refused with 426 (http_protocol_options.accept_http_10).
    package let acceptsHTTP10: Bool
    package let defaultHostForHTTP10: [UInt8]
    /// Ports are taken from Host and authority before routing (strip_any_host_port).
    package let stripsHostPort: Bool
    /// The router adds no x-envoy headers (suppress_envoy_headers).
    package let suppressesEnvoyHeaders: Bool
    /// Envoy's 60 KiB (max_request_headers_kb).
    package let maxRequestHeadBytes: Int
    /// Fields of a request's head (common_http_protocol_options.max_headers_count).
    package let maxRequestFields: Int
    /// Upgrades (lower case) that may become tunnels.
    package let upgrades: [String]
    /// 1xx responses and expectations go through to the other side (proxy_100_continue).
    package let passesInterimResponses: Bool
    /// What Istio's metrics name as reporter.
    package let direction: TrafficDirection
    /// The peer's workload, exchanged in x-envoy-peer-metadata, is read and sent (Istio's metadata exchange).
    package let exchangesPeerMetadata: Bool
    package let origin: ProvenanceIndex
    package let headOptions: HeadOptions
    /// Some of `headOptions` are not the defaults.
    let hasHeadOptions: Bool

    package init(
        statPrefix: String,
        codec: Codec = .auto,
        http2: HTTP2Options = .server,
        routeTable: Int?,
        routeTableName: String = "",
        httpFilters: [HTTPFilter] = [],
        filterPlaces: [FilterPlace] = [],
        accessLogs: [Int] = [],
        timeouts: Timeouts = Timeouts(),
        serverName: [UInt8] = Array("envoy".utf8),
        serverHeader: ServerHeader = .overwrite,
        generatesRequestID: Bool = true,
        preservesExternalRequestID: Bool = false,
        setsRequestIDInResponse: Bool = false,
        usesRemoteAddress: Bool = false,
        internalAddresses: InternalAddresses? = nil,
        trustedHops: UInt32 = 0,
        skipsForwardedForAppend: Bool = false,
        forwardedClientCertificate: ForwardedClientCertificate = .sanitize,
        certificateDetails: CertificateDetails = [],
        normalizesPath: Bool = false,
        mergesSlashes: Bool = false,
        acceptsHTTP10: Bool = false,
        defaultHostForHTTP10: [UInt8] = [],
        stripsHostPort: Bool = false,
        suppressesEnvoyHeaders: Bool = false,
        maxRequestHeadBytes: Int = 60 * 1024,
        maxRequestFields: Int = 100,
        upgrades: [String] = [],
        passesInterimResponses: Bool = false,
        direction: TrafficDirection = .unspecified,
        exchangesPeerMetadata: Bool = false,
        origin: ProvenanceIndex = .max,
        headOptions: HeadOptions = HeadOptions()
    ) {
        self.statPrefix = statPrefix
        self.codec = codec
        self.http2 = http2.admittingHeads(of: maxRequestHeadBytes)
        self.routeTable = routeTable
        self.routeTableName = routeTableName
        self.httpFilters = httpFilters
        self.filterPlaces = filterPlaces
        self.accessLogs = accessLogs
        self.timeouts = timeouts
        self.serverName = serverName
        self.serverHeader = serverHeader
        self.generatesRequestID = generatesRequestID
        self.preservesExternalRequestID = preservesExternalRequestID
        self.setsRequestIDInResponse = setsRequestIDInResponse
        self.usesRemoteAddress = usesRemoteAddress
        self.internalAddresses = internalAddresses
        self.trustedHops = trustedHops
        self.skipsForwardedForAppend = skipsForwardedForAppend
        self.forwardedClientCertificate = forwardedClientCertificate
        self.certificateDetails = certificateDetails
        self.normalizesPath = normalizesPath
        self.mergesSlashes = mergesSlashes
        self.acceptsHTTP10 = acceptsHTTP10
        self.defaultHostForHTTP10 = defaultHostForHTTP10
        self.stripsHostPort = stripsHostPort
        self.suppressesEnvoyHeaders = suppressesEnvoyHeaders
        self.maxRequestHeadBytes = maxRequestHeadBytes
        self.maxRequestFields = maxRequestFields
        self.upgrades = upgrades
        self.passesInterimResponses = passesInterimResponses
        self.direction = direction
        self.exchangesPeerMetadata = exchangesPeerMetadata
        self.origin = origin
        self.headOptions = headOptions
        hasHeadOptions = !headOptions.isDefault
    }
}
