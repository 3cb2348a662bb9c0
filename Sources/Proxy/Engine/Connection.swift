internal import Authorization
internal import EventLoop
internal import LoadBalancing
internal import Memory
internal import TLS

/// One socket of a worker: a client's connection or one to an endpoint. Whose turn it is stands in `phase`.
///
/// Downstream: inspecting -> handshaking -> asking -> http | tcp -> lingering. Upstream: connecting -> handshaking -> http |
/// tcp | idle, and requesting -> tcp where a tunnel goes through another proxy.
struct Connection: SlabElement, ~Copyable {
    enum Role: UInt8 { case downstream, upstream }
    enum Phase: UInt8 { case inspecting, connecting, handshaking, asking, http, requesting, tcp, idle, lingering }

    var socket: Int32 = -1
    var role = Role.downstream
    var phase = Phase.http
    /// The kernel may have bytes for us.
    var canRead = false
    /// The kernel takes bytes, as far as we know.
    var canWrite = false
    /// The peer has announced its end: read on to the end, whatever short reads say.
    var peerClosed = false
    /// The end of the peer's bytes was read.
    var sawEnd = false
    /// Has no socket: a request of the proxy's own.
    var isInternal = false
    /// Our end was sent.
    var wroteEnd = false
    /// Closed as soon as the output is gone.
    var closesAfterFlush = false
    /// A keep-alive connection that has carried a request before.
    var isReused = false
    var isTLS = false
    var isDraining = false
    /// Downstream: the PROXY protocol header is read, or known to be absent.
    var readProxyHeader = false
    /// Downstream: counts in the process's connections, where these are limited.
    var holdsBudget = false
    /// Downstream: the limits of network filters that it counts in.
    var budgets: [ConnectionBudget] = []
    /// Downstream: the network filter that runs next, what those before it found out, and the question that one waits for.
    var networkFilter = 0
    var metadata = RequestMetadata()
    var question = Handle.none
    var answer: ExternalVerdict.Outcome?

    /// Plaintext that was received and not yet used.
    var input = ByteBuffer()
    /// Plaintext to be sent (plain connections) or sealed (TLS).
    var output = ByteBuffer()
    var session: TLSSession?
    var cipherInput = ByteBuffer()
    var cipherOutput = ByteBuffer()
    /// Length of the input when a head in it was last found incomplete.
    var scannedHead = 0

    /// The codec of a connection that speaks HTTP/2.
    var http2 = Handle.none
    /// Is in the worker's list of outputs to be written.
    var needsFlush = false
    /// HTTP/2: exchanges that wait for room in the output.
    var waiting: [Handle] = []
    /// HTTP/2 downstream: when clients that have not heard of the end are told the last time.
    var noticeTimer = TimerWheel.none
    /// HTTP/2 downstream: exchanges on its streams.
    var streamExchanges = 0
    /// Is not read: the worker's buffers hold as much as they may.
    var isParked = false
    /// In the worker's list of those that had more to move when their turn was over.
    var isResuming = false
    /// Upstream: why it could not be opened.
    var openFailure: AttemptFailure?
    /// HTTP/2 upstream: in its pool's list of connections with room for streams.
    var isShared = false
    /// HTTP/2 upstream: takes no new streams.
    var retires = false
    /// HTTP/2: a sign of life was asked for, and has not come.
    var hasPinged = false
    var awaitsPong = false
    /// HTTP/2: both ends are ours, and tell each other how HTTP/1.1 heads were spelled.
    var restoresSpelling = false
    /// HTTP/2 downstream: the end is announced.
    var isEnding = false
    /// Upstream: counts in its pool's connections that are not ready.
    var isOpening = false

    /// The exchange that uses this connection; none when there is none.
    var exchange = Handle.none
    /// The other connection of a TCP proxy pair.
    var peer = Handle.none

    var timer = TimerWheel.none
    /// When the timer fires; it is not moved when `deadline` is put off.
    var timerAt = UInt64.max
    var deadline = UInt64.max

    /// Downstream: the snapshot and the chain in it that serve this connection.
    var generation = -1
    var listener = -1
    var chain = -1
    /// Downstream: the client. Upstream: the endpoint.
    var remote = SocketAddress.ip(.anyIPv4, port: 0)
    /// Downstream: the peer itself, when its PROXY protocol header names another client.
    var proxyPeer: SocketAddress?
    /// Downstream: where the client wanted to go. Upstream: our own address.
    var local = SocketAddress.ip(.anyIPv4, port: 0)
    /// Bytes that went through the socket and are not in the statistics yet.
    var wireReceived: UInt64 = 0
    var wireSent: UInt64 = 0
    /// Downstream: `local` is where the client wanted to go, not just where it came: captured, or told so by a proxy.
    var wantsDestination = false
    /// The identity that the peer proved (first URI name of its certificate).
    var peerCertificate: TLSCertificate?
    /// What the ClientHello asked for.
    var serverName: [UInt8] = []
    /// Number of the peer's labels in metrics.
    var peerLabels: Int32 = 0

    /// Upstream: index of the pool, and neighbours in its idle list.
    var pool = -1
    var nextIdle = Handle.none
    var previousIdle = Handle.none
    var requests: UInt32 = 0
    var acceptedAt: UInt64 = 0
    /// TCP: bytes taken from this side and passed on.
    var forwarded = 0
    /// TCP: holds bytes from this side on their way to the other (`Worker+Splice`), and how many.
    var pipe: Pipe?
    var inPipe = 0
    /// TCP: how large the flow from this side has been of late.
    var largeReads: UInt8 = 0
    /// Microseconds, monotonic.
    var opened: UInt64 = 0
    /// Downstream: whose counters it counts in.
    var statistics = 0
    var listenerStatistics = 0
    var countsAsHTTP = false
    var countsAsTCP = false
    var isTunnelCounted = false
    var tunnelLabels: Int32 = 0
    /// TCP proxy, downstream side: what the log says about the other side.
    var tunnelCluster = -1
    var tunnelReceived = 0
    var tunnelPeerAddress: SocketAddress?
    var tunnelPeerLocal: SocketAddress?
    var tried = TriedHosts()
    var attempts: UInt32 = 0

    init() {}

    /// The peer of the socket, whatever it says of others.
    var direct: SocketAddress { proxyPeer ?? remote }

    mutating func recycle() {
        socket = -1
        canRead = false
        canWrite = false
        peerClosed = false
        sawEnd = false
        isInternal = false
        wroteEnd = false
        closesAfterFlush = false
        isReused = false
        isTLS = false
        isDraining = false
        holdsBudget = false
        if !budgets.isEmpty { budgets = [] }
        networkFilter = 0
        if !metadata.isEmpty { metadata = RequestMetadata() }
        question = .none
        answer = nil
        readProxyHeader = false
        session = nil
        scannedHead = 0
        http2 = .none
        needsFlush = false
        if !waiting.isEmpty { waiting.removeAll(keepingCapacity: true) }
        noticeTimer = TimerWheel.none
        streamExchanges = 0
        isResuming = false
        isParked = false
        openFailure = nil
        isShared = false
        retires = false
        hasPinged = false
        awaitsPong = false
        restoresSpelling = false
        isEnding = false
        isOpening = false
        exchange = .none
        peer = .none
        timer = TimerWheel.none
        timerAt = .max
        deadline = .max
        generation = -1
        listener = -1
        chain = -1
        peerCertificate = nil
        proxyPeer = nil
        wantsDestination = false
        wireReceived = 0
        wireSent = 0
        if !serverName.isEmpty { serverName = [] }
        peerLabels = 0
        pool = -1
        nextIdle = .none
        previousIdle = .none
        requests = 0
        forwarded = 0
        pipe = nil
        inPipe = 0
        largeReads = 0
        countsAsHTTP = false
        countsAsTCP = false
        isTunnelCounted = false
        tunnelLabels = 0
        tunnelCluster = -1
        tunnelReceived = 0
        tunnelPeerAddress = nil
        tunnelPeerLocal = nil
        tried = TriedHosts()
        attempts = 0
    }
}
