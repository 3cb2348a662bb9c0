internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import LoadBalancing
internal import Memory
internal import Resilience
internal import Routing
internal import Telemetry

/// One request and its response on their way through the proxy. It lives from the request's first byte to the last byte of
/// the response, whatever happens to the connections meanwhile.
struct Exchange: SlabElement, ~Copyable {
    enum RequestState: UInt8 {
        /// The head is not complete.
        case head
        /// The head is decided upon; no upstream connection is ready.
        case waiting
        /// The head went out; the body follows.
        case body
        /// All of it was handed to the upstream connection.
        case sent
    }

    enum ResponseState: UInt8 {
        case none
        /// The head went out to the client.
        case body
        /// All of it is in the downstream connection's output.
        case complete
    }

    var downstream = Handle.none
    var upstream = Handle.none
    /// Streams of HTTP/2 on these connections; 0 is HTTP/1.
    var downstreamStream: UInt32 = 0
    var upstreamStream: UInt32 = 0
    var requestState = RequestState.head
    var responseState = ResponseState.none

    /// Bytes of both heads and of what was added to them; the tables' offsets index its storage.
    var arena = ByteBuffer()
    var request = HeaderTable()
    var response = HeaderTable()
    var requestHead = MessageHead()
    var responseHead = MessageHead()
    var requestBody = BodyDecoder(.none)
    var responseBody = BodyDecoder(.none)
    /// How the response body goes to the client.
    var relay = BodyRelay.asIs
    /// Request body bytes as they went upstream, for another attempt; given up when they exceed the bound.
    var replay = ByteBuffer()
    var replayOverflowed = false
    /// Bytes of `replay` that the current attempt has sent.
    var replaySent = 0

    /// Payload from an HTTP/2 peer (or of a chunk) that the other side had no room for; bounded by the stream's window.
    var requestQueue = ByteBuffer()
    var responseQueue = ByteBuffer()
    /// The peer's END_STREAM has come.
    var requestEnded = false
    var responseEnded = false
    var requestTrailers: HeaderTable?
    var responseTrailers: HeaderTable?
    var hasRequestTrailers = false
    var hasResponseTrailers = false
    /// The response goes by way of `responseQueue`: it came on a stream, or is the proxy's own on one.
    var isResponseQueued = false
    /// The request's payload is taken out of one framing and put into another.
    var reframesRequest = false
    /// How request payload goes to an HTTP/1.1 endpoint then.
    var requestRelay = BodyRelay.asIs
    /// Is in the list of those that wait for room in the client's output, or in the endpoint's.
    var waitsForDownstream = false
    var waitsForUpstream = false
    var isExtendedConnect = false
    /// The key of the WebSocket's handshake is the proxy's.
    var madeWebSocketKey = false
    var isGRPC = false
    /// HTTP/2: the exchange's own timer; see `Connection.timer`.
    var timer = TimerWheel.none
    var timerAt = UInt64.max
    var deadline = UInt64.max

    var generation = -1
    var chain = -1
    var routeTable = -1
    var decision: RouteDecision?
    var cluster = -1
    /// Index into the generation's endpoints.
    var endpoint = -1
    /// Index of the worker's pool that the current attempt counts in.
    var pool = -1
    var tried = TriedHosts()
    var avoidsTried = false
    /// The attempt's number goes back to the client.
    var returnsAttemptCount = false
    var isHighPriority = false
    /// The retry policy's `priorityUpdateFrequency`.
    var priorityUpdates: UInt32 = 0
    /// Priorities that attempts went to, a bit each.
    var triedLevels: UInt32 = 0
    /// Milliseconds without a byte from the endpoint that end a try; 0 = none.
    var tryIdleMilliseconds: UInt64 = 0
    var tryIdleDeadline = UInt64.max
    /// The route's `metadataMatch`.
    var endpointCriteria = UInt32.max
    /// Counts among the cluster's pending requests.
    var isPending = false
    /// For consistent-hash balancing.
    var hash: UInt64?
    /// The hash policy whose cookie the response sets, of this value; .max is none.
    var cookiePolicy = UInt32.max
    var cookieValue: UInt64 = 0

    var attempts: UInt32 = 0
    /// Upstreams are told the number of the attempt (include_request_attempt_count).
    var sendsAttemptCount = false
    var retry: RetryState?
    /// Index of the retry policy; .max is none.
    var retryPolicy = UInt32.max
    /// Names of response fields for which the request wants another try.
    var retriableNames = ByteRange.empty
    /// A try that takes too long goes on while another one begins.
    var hedgesTries = false
    /// Earlier tries that go on, each an exchange of its own without a client: the first of them.
    var firstHedge = Handle.none
    /// Of such a try: the next one, and the exchange that it answers for.
    var nextHedge = Handle.none
    var leader = Handle.none
    /// The exchange has no try of its own any more; what counts is what the earlier ones bring.
    var awaitsHedges = false
    /// The client is of the mesh: its `x-envoy-` fields are heard.
    var mayAsk = false
    /// The client wants to know the request's id (`x-envoy-force-trace`).
    var tellsRequestID = false
    /// `x-envoy-upstream-rq-timeout-alt-response`.
    var answersTimeoutsWith204 = false
    /// Holds one of the cluster's retry permits.
    var countsAsRetry = false
    /// Counts in the cluster's requests.
    var isAdmitted = false
    /// The attempt that failed was on a connection used before.
    var onReusedConnection = false
    /// Attempts on connections that turned out to be dead; not counted as retries.
    var staleAttempts: UInt8 = 0
    var tryTimeoutMilliseconds: UInt64 = 0
    /// Milliseconds of the worker's clock; `.max` is none.
    var routeDeadline = UInt64.max
    var tryDeadline = UInt64.max
    var idleDeadline = UInt64.max
    /// Request and response must be over by then.
    var durationDeadline = UInt64.max
    /// The whole request must be here by then.
    var requestDeadline = UInt64.max
    var routeTimeoutMilliseconds: UInt64 = 0
    /// Nanoseconds, of the retry policy.
    var tryTimeout: UInt64 = 0
    var idleTimeoutMilliseconds: UInt64 = 0
    /// When a retry that backs off is due.
    var retryAt = UInt64.max
    /// Waits in the pool's queue for a connection.
    var isQueued = false
    var nextQueued = Handle.none
    /// Is in the worker's list of exchanges that start an attempt.
    var isWoken = false
    /// The connection that it waited for could not be opened.
    var wakeFailure: AttemptFailure?
    /// Was counted as pending before, in the same attempt.
    var wasPending = false

    /// Where it stands in the HTTP filters.
    var filters = FilterState()

    var flags = ResponseFlags()
    var details: StaticString = ""
    /// Details that name something; they replace `details` when not empty.
    var longDetails: [UInt8] = []
    /// The policy's resource, when a policy answered.
    var policyOrigin = Origin.none
    /// The client as x-forwarded-for tells, where that is trusted.
    var remoteAddress: SocketAddress?
    /// Status that went to the client; 0 when none did.
    var status: UInt16 = 0
    var keepsAlive = true
    var isHead = false
    var isLocalReply = false
    var rewritesHostToEndpoint = false
    var sentContinue = false
    /// What the request asks for beside an answer.
    var upgrade = Upgrade.none
    /// CONNECT ends at this proxy.
    var endsConnect = false
    /// Both bodies are bytes without framing.
    var isTunnel = false

    /// Microseconds, monotonic.
    var startedAt: UInt64 = 0
    var upstreamSentAt: UInt64 = 0
    var upstreamFirstByteAt: UInt64 = 0
    /// Microseconds since 1970.
    var startedWall: UInt64 = 0
    var bytesReceived = 0
    var bytesSent = 0
    var requestID = ByteRange.empty
    var upstreamServiceMilliseconds = -1
    var upstreamAddress: SocketAddress?
    var upstreamLocalAddress: SocketAddress?
    /// errno of a failed connect.
    var connectError: Int32 = 0
    /// Why the transport to the endpoint failed, for the log.
    var transportFailure: String?

    init() {}

    mutating func recycle() {
        downstream = .none
        upstream = .none
        requestState = .head
        responseState = .none
        requestHead = MessageHead()
        responseHead = MessageHead()
        requestBody = BodyDecoder(.none)
        responseBody = BodyDecoder(.none)
        response.reset()
        relay = .asIs
        replayOverflowed = false
        replaySent = 0
        downstreamStream = 0
        upstreamStream = 0
        requestEnded = false
        responseEnded = false
        hasRequestTrailers = false
        hasResponseTrailers = false
        isResponseQueued = false
        reframesRequest = false
        requestRelay = .asIs
        waitsForDownstream = false
        waitsForUpstream = false
        isExtendedConnect = false
        madeWebSocketKey = false
        isGRPC = false
        timer = TimerWheel.none
        timerAt = .max
        deadline = .max
        generation = -1
        chain = -1
        routeTable = -1
        decision = nil
        cluster = -1
        endpoint = -1
        pool = -1
        tried = TriedHosts()
        avoidsTried = false
        sendsAttemptCount = false
        returnsAttemptCount = false
        isHighPriority = false
        priorityUpdates = 0
        triedLevels = 0
        tryIdleMilliseconds = 0
        tryIdleDeadline = .max
        endpointCriteria = .max
        isPending = false
        hash = nil
        cookiePolicy = .max
        attempts = 0
        retry = nil
        retryPolicy = .max
        retriableNames = .empty
        hedgesTries = false
        firstHedge = .none
        nextHedge = .none
        leader = .none
        awaitsHedges = false
        mayAsk = false
        tellsRequestID = false
        answersTimeoutsWith204 = false
        countsAsRetry = false
        isAdmitted = false
        onReusedConnection = false
        staleAttempts = 0
        tryTimeoutMilliseconds = 0
        routeDeadline = .max
        tryDeadline = .max
        idleDeadline = .max
        requestDeadline = .max
        durationDeadline = .max
        routeTimeoutMilliseconds = 0
        tryTimeout = 0
        idleTimeoutMilliseconds = 0
        retryAt = .max
        isQueued = false
        nextQueued = .none
        isWoken = false
        wakeFailure = nil
        wasPending = false
        filters = FilterState()
        flags = ResponseFlags()
        details = ""
        longDetails.removeAll(keepingCapacity: true)
        policyOrigin = .none
        remoteAddress = nil
        status = 0
        keepsAlive = true
        isHead = false
        isLocalReply = false
        rewritesHostToEndpoint = false
        sentContinue = false
        upgrade = .none
        endsConnect = false
        isTunnel = false
        upstreamSentAt = 0
        upstreamFirstByteAt = 0
        bytesReceived = 0
        bytesSent = 0
        requestID = .empty
        upstreamServiceMilliseconds = -1
        upstreamAddress = nil
        upstreamLocalAddress = nil
        connectError = 0
        transportFailure = nil
    }
}

/// What happens to the framing of a response body on its way to the client.
enum BodyRelay: UInt8 {
    /// The bytes are forwarded as they are.
    case asIs
    /// The payload is put into chunks: the upstream's end is the body's end and the client speaks HTTP/1.1.
    case chunked
    /// The payload goes out bare and the connection's end is its end: the client speaks HTTP/1.0.
    case bare
    /// The payload goes into DATA frames: the client speaks HTTP/2.
    case frames
}
