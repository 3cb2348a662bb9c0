internal import Authorization
internal import HeaderBlock
internal import Memory
internal import Routing

/// Where an exchange stands in its connection manager's HTTP filters, and what they noted for later.
struct FilterState {
    /// The filter that runs next.
    var next = 0
    /// The route's draw: the same when the route is looked for again.
    var random: UInt64 = 0
    /// When a filter that waits goes on; .max is never.
    var dueAt = UInt64.max
    /// The filter whose fault is active.
    var fault: FaultFilter?
    /// The delay of the fault filter is over: it aborts now, or lets go.
    var wasDelayed = false
    /// Gives the response its permissions.
    var cors: CORSPolicy?
    var corsIsPermitted = false
    /// The origin that asked, in the arena.
    var corsOrigin = ByteRange.empty
    /// Refused the request: adds its headers to the answer.
    var rateLimit: LocalRateLimit?
    /// What filters found out, for those behind them.
    var metadata = RequestMetadata()
    /// What the exchange is for, when no client sent it, and for whose sake.
    var purpose = InternalPurpose.none
    var parent = Handle.none
    /// The connection of the proxy's own request that this exchange waits for.
    var child = Handle.none
    /// What the service said that was asked.
    var verdict: ExternalVerdict?
    var approvedHeaders: [CheckAnswer.Header] = []
    /// Waits for keys of a token's issuer; which could not be had.
    var awaitsKeys = false
    var missingKeys: [String] = []
    /// The body is being read for a filter, up to this many bytes; with more of it, part of it will do or it is refused.
    var collects = false
    var collectLimit = 0
    var collectsPart = false
    /// … and was.
    var isCollected = false
    /// Its mirrors are sent.
    var isMirrored = false
    /// Of a local reply to a gRPC request; negative is the one that the HTTP status means.
    var grpcStatus: Int16 = -1
    /// HTTP status of a local reply, which for gRPC is not that of its head.
    var replyStatus: UInt16 = 0
    /// The route's changes of the response are being made.
    var isAtRoute = false
}

/// How a filter leaves a request.
enum FilterStep {
    /// The next filter's turn.
    case next
    /// The request was answered: its exchange may be gone.
    case answered
    /// The filter waits; it goes on by `resumeFilters`.
    case waiting
}
