internal import Authentication
internal import EventLoop
internal import HTTP1
internal import HTTP2
internal import Memory
internal import Resilience
internal import Telemetry

/// One thread's proxy: its sockets, connections, exchanges and pools; nothing in it is shared.
///
/// Generic over the transport, so that tests drive the very same code over a simulated one. All work happens in `turn`:
/// wait, handle each event, run what became ready by it, fire timers.
struct Worker<Wire: Transport & ~Copyable>: ~Copyable {
    var transport: Wire
    let settings: WorkerSettings
    let mailbox: Mailbox<WorkerMessage>
    var connections = Slab<Connection>()
    var exchanges = Slab<Exchange>()
    /// Codecs of connections that speak HTTP/2.
    var http2 = Slab<HTTP2Connection>()
    var buffers = BufferPool()
    var pipes = PipePool()
    var timers: TimerWheel
    var generations: [Generation] = []
    var current = 0
    var pools: [UpstreamPool] = []
    var poolIndices: [UpstreamPool.Key: Int] = [:]
    var listeners: [ListenerSlot] = []
    /// Downstream connections that may go on: taken up after the event that freed them.
    var resumable: [Handle] = []
    /// Exchanges that may be given an upstream connection again.
    var retryable: [Handle] = []
    /// Exchanges whose filters go on.
    var resumableFilters: [Handle] = []
    /// Connections whose question is answered.
    var answeredConnections: [Handle] = []
    /// By kind.
    var refusals = [RefusalWindow(), RefusalWindow()]
    /// Connections that are not read for want of room.
    var parked: [Handle] = []
    /// Connections that had more to move when their turn was over.
    var busy: [Handle] = []
    /// Those of the turn before, while they are taken up.
    var resuming: [Handle] = []
    /// An empty list with room, for whoever takes a list away to work on it.
    var spareList: [Handle] = []
    /// Connections whose output is written at the end of the turn.
    var dirty: [Handle] = []
    var scratch: [UInt8] = []
    /// The value of a header field that is being made.
    var formatted = ByteBuffer()
    var limits = Limits()
    /// Tokens that were verified before.
    var tokens = TokenCache()
    /// Keys that were fetched, and fetches under way by where from.
    var remoteKeys = RemoteKeys()
    var keyFetches: [String: KeyFetch] = [:]
    var metrics = WorkerMetrics()
    /// Number of this proxy's own labels.
    var localLabels = LabelTable.unknown
    /// Open downstream connections.
    var downstreamCount = 0
    var accessLog: AccessLogBuffer
    let hexDigits: InlineArray<256, UInt16>
    let empty = ByteBuffer()
    var isDraining = false
    var isHealthTimerSet = false
    /// Lists that sweeps fill, kept so that they are made once.
    var outlierEvents: [OutlierEvent] = []
    var returningHosts: [Int] = []
    var drainDeadline = UInt64.max
    /// Idle connections are left open until then.
    var drainGraceEnd: UInt64 = 0
    var isStopped = false
    /// When the next warning about keys that cannot be fetched may be given.
    var keyWarningAt: UInt64 = 0
    /// When the next warning about memory may be given.
    var memoryWarningAt: UInt64 = 0
    /// When the next warning about connections that cannot be accepted may be given.
    var acceptWarningAt: UInt64 = 0
    var dateSecond: UInt64 = 0
    var dateText: InlineArray<29, UInt8> = InlineArray(repeating: 0x20)

    /// Timers' kinds.
    static var connectionTimer: UInt8 { 0 }
    static var retryTimer: UInt8 { 1 }
    static var logTimer: UInt8 { 2 }
    static var drainTimer: UInt8 { 3 }
    /// How long a drain leaves idle connections open for a last request.
    static var drainGraceMilliseconds: UInt64 { 250 }
    static var healthTimer: UInt8 { 8 }
    static var exchangeTimer: UInt8 { 4 }
    static var keepaliveTimer: UInt8 { 12 }
    static var noticeTimer: UInt8 { 16 }
    static var acceptTimer: UInt8 { 20 }
    /// Reads of one connection in a turn: a busy one does not starve the others.
    static var roundsPerTurn: Int { 64 }

    init(transport: consuming Wire, settings: WorkerSettings, mailbox: Mailbox<WorkerMessage>) {
        let now = transport.milliseconds
        self.transport = transport
        self.settings = settings
        self.mailbox = mailbox
        timers = TimerWheel(now: now)
        accessLog = AccessLogBuffer()
        var digits = InlineArray<256, UInt16>(repeating: 0)
        let text = Array("0123456789abcdef".utf8)
        for byte in 0..<256 { digits[byte] = UInt16(text[byte >> 4]) | UInt16(text[byte & 15]) << 8 }
        hexDigits = digits
        generations.append(Generation(snapshot: .empty))
        generations[0].users = 1
        resumable.reserveCapacity(256)
        spareList.reserveCapacity(64)
        busy.reserveCapacity(64)
        resuming.reserveCapacity(64)
        retryable.reserveCapacity(256)
        dirty.reserveCapacity(256)
        scratch.reserveCapacity(4096)
        _ = self.transport.watch(mailbox.descriptor, token: EventToken.mailbox, isListener: true)
        _ = timers.schedule(TimerWheel.Payload(kind: Self.logTimer, bits: 0), at: now + settings.logFlushMilliseconds)
    }

    var now: UInt64 { transport.milliseconds }

    /// Runs until it is told to stop.
    mutating func run() {
        while !isStopped {
            turn(maxWait: -1)
            if isDraining { stopWhenIdle() }
        }
        closeEverything()
    }

    /// One round. `maxWait` bounds the wait in milliseconds; negative is no bound.
    mutating func turn(maxWait: Int32) {
        var wait = busy.isEmpty ? maxWait : 0
        if let delay = timers.delay(now: now) {
            let bounded = Int32(clamping: delay)
            wait = wait < 0 ? bounded : min(wait, bounded)
        }
        let count = transport.wait(timeoutMilliseconds: wait)
        var index = 0
        while index < count {
            handle(transport.event(index))
            runReady()
            index &+= 1
        }
        resumeBusy()
        fireTimers()
        runReady()
        while !dirty.isEmpty {
            flushDirty()
            runReady()
        }
        unpark()
        if isDraining, downstreamCount == 0 { isStopped = true }
    }

    @inline(__always)
    private mutating func handle(_ event: TransportEvent) {
        guard event.token >> 32 & 1 == 1 else {
            if event.token == EventToken.mailbox {
                readMail()
            } else {
                acceptAll(EventToken.listener(event.token))
            }
            return
        }
        let handle = Handle(bits: event.token)
        guard connections.contains(handle) else { return }
        if event.isReadable { connections[handle].canRead = true }
        if event.isClosed || event.hasFailed {
            connections[handle].canRead = true
            connections[handle].peerClosed = true
        }
        if event.isWritable || event.hasFailed { connections[handle].canWrite = true }
        switch connections[handle].role {
        case .downstream: advanceDownstream(handle, wrote: event.isWritable)
        case .upstream: advanceUpstream(handle, wrote: event.isWritable)
        }
    }

    /// The connection has had its share of this turn, and goes on in the next.
    mutating func resumeLater(_ handle: Handle) {
        guard connections.contains(handle), !connections[handle].isResuming else { return }
        connections[handle].isResuming = true
        busy.append(handle)
    }

    private mutating func resumeBusy() {
        guard !busy.isEmpty else { return }
        swap(&resuming, &busy)
        while let handle = resuming.popLast() {
            guard connections.contains(handle) else { continue }
            connections[handle].isResuming = false
            switch connections[handle].phase {
            case .tcp: advanceTunnel(handle)
            case .http where connections[handle].role == .downstream: advanceDownstream(handle, wrote: false)
            case .http where connections[handle].isHTTP2: advanceHTTP2(handle)
            case .http: if exchanges.contains(connections[handle].exchange) { advanceResponse(handle) }
            case .inspecting, .connecting, .handshaking, .asking, .requesting, .idle, .lingering: break
            }
            runReady()
        }
    }

    /// What earlier steps made ready. Steps put handles here instead of calling each other, so that the stack stays flat and
    /// no step finds its connection gone under its feet.
    mutating func runReady() {
        while true {
            if let handle = resumableFilters.popLast() {
                if exchanges.contains(handle) { resumeFilters(handle) }
            } else if let handle = answeredConnections.popLast() {
                if connections.contains(handle) { resumeChain(handle) }
            } else if let handle = retryable.popLast() {
                if exchanges.contains(handle), exchanges[handle].isWoken { goOn(handle) }
            } else if let handle = resumable.popLast() {
                if connections.contains(handle) { advanceDownstream(handle, wrote: false) }
            } else {
                return
            }
        }
    }
}

/// What epoll carries for us: connection handles have odd generations, so even upper halves are free for others.
enum EventToken {
    static let mailbox: UInt64 = 2 << 32
    static func forListener(_ index: Int) -> UInt64 { UInt64(index) }
    static func listener(_ token: UInt64) -> Int { Int(token & 0xffff_ffff) }
}

/// What a worker is told once.
struct WorkerSettings: Sendable {
    var socketMark: Int32 = 0
    /// Request bodies up to this size can be sent again by a retry.
    var replayBytes = 64 * 1024
    /// Memory that the buffers of one worker may hold.
    var bufferBytes = 256 << 20
    var logFlushMilliseconds: UInt64 = 500
    /// Connect without a port of their own being bound: simulated transports set it.
    var reportsMetrics = true
    /// What all workers together may have open; nil is no limit.
    var connectionBudget: ConnectionBudget?
    /// Told about what operators should know; rarely.
    var warn: (@Sendable (String) -> Void)?
    /// Inherited listening sockets by address.
    var inheritedListeners: [SocketAddress: Int32] = [:]
}
