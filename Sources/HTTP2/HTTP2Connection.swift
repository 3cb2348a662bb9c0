internal import HPACK
internal import HeaderBlock
package import Memory

/// One HTTP/2 connection (RFC 9113) without I/O: frames in, events out, and writers that append frames to an output buffer.
///
/// Both roles. It keeps both sides' settings, the flow-control windows of both directions, the HPACK tables, the table of
/// open streams, and where the shutdown stands. Lives in a slab: `start` makes a fresh connection of a used slot, and the
/// slot's memory is used again.
///
/// Use: `start`, then for each read call `next` until it says `.needsMore`. Writers refuse nothing silently: a stream that is
/// gone takes no bytes and they return false or 0. A stream leaves the table by itself when both sides have ended it and
/// its bytes are consumed, or with `.reset`, `.streamFailed`, `.refused`, `.malformed` or `reset`. Who gives a stream up calls
/// `reset`, also when it has ended.
package struct HTTP2Connection: ~Copyable {
    /// What the next bytes of input are.
    enum Phase: UInt8 {
        /// Not started.
        case idle
        /// The 24 bytes that a client sends first.
        case preface
        case frameHeader
        case data, dataPadding
        case headPrefix, headBlock
        /// A `.head` event waits for `receiveHead` or `discardHead`.
        case headReady
        case settings, ping, goAway, windowUpdate, priority, reset
        /// The rest of a frame that says nothing.
        case skip
        case failed
    }

    /// What is done with a header block once it is there.
    enum HeadPurpose: Sendable {
        case deliver
        /// Late frames of a stream that we reset.
        case drop
        /// RST_STREAM with this code; the stream may be in the table or not.
        case fail(HTTP2Failure)
    }

    /// Why a stream is no longer in the table.
    enum Ending: UInt8 { case ended = 1, peerReset, localReset }

    /// The token of a stream to which the caller has given none.
    package static var noToken: UInt64 { .max }
    static var largestWindow: Int { 0x7fff_ffff }
    static var defaultWindow: Int { 65_535 }

    package internal(set) var role = HTTP2Role.server
    /// What we announced.
    package internal(set) var local = HTTP2Settings()
    /// What the peer announced; defaults until then.
    package internal(set) var peer = HTTP2Settings()
    /// Streams that are open or half closed.
    package internal(set) var streamCount = 0
    /// The peer's GOAWAY came: no new streams of ours.
    package internal(set) var sawGoAway = false
    /// We sent our last GOAWAY: no new streams of the peer's.
    package internal(set) var sentGoAway = false
    /// `.failed` was reported.
    package internal(set) var hasFailed = false
    /// The peer's first SETTINGS came.
    package internal(set) var sawSettings = false

    var limits = HTTP2Limits()
    var decoder = HPACKDecoder()
    var encoder = HPACKEncoder()
    var streams = StreamTable()
    /// How the last 256 streams ended: id >> 1 << 2 | Ending.
    var endings: [UInt32] = []

    // The frame being read.
    var phase = Phase.idle
    var frame = FrameHeader()
    /// Payload bytes of the frame that are to come, without padding.
    var left = 0
    var padding = 0
    /// Payload bytes of the last `.data` event, still in the input.
    var pendingSkip = 0

    // The header block being read.
    /// CONTINUATION must follow for this stream; 0 when none must.
    var continuing: UInt32 = 0
    var headStream: UInt32 = 0
    var headEndsStream = false
    var headIsNew = false
    var headPurpose = HeadPurpose.drop
    var continuations = 0
    /// The block is whole in the input, at its front, with this many bytes; -1 when it is in `block`.
    var blockInPlace = -1
    var block = ByteBuffer()
    /// Where fields go that nobody wants.
    var waste = ByteBuffer()

    // The peer's streams and ours.
    var lastPeerStream: UInt32 = 0
    var nextStream: UInt32 = 1
    var goAwayLimit: UInt32 = .max
    var peerGoAwayLimit: UInt32 = .max

    // Windows.
    var sendWindow = 65_535
    var receiveWindow = 65_535
    var uncredited = 0
    /// The peer's view of our SETTINGS_INITIAL_WINDOW_SIZE: what it acknowledged.
    var receiveInitial = 65_535
    var unacknowledged = 0
    /// Where the search for streams that may send again goes on, and how many slots it has to look at.
    var wakeSlot = 0
    var wakeLeft = 0
    /// Slots not yet looked at for streams that a GOAWAY refused.
    var refuseLeft = 0
    /// The end of the connection, to be reported behind the event of the stream that brought it about.
    var unreported: HTTP2Failure?
    /// SETTINGS_INITIAL_WINDOW_SIZE of the frame being read; -1 when it does not say.
    var announcedWindow = -1

    // The head being written.
    var headStart = 0
    /// 0 when none is.
    var openHead: UInt32 = 0
    var openHeadIsInterim = false

    // Rates.
    var resetTokens = 0
    var idleTokens = 0
    var refilledAt: UInt64 = 0
    var queuedControl = 0

    /// A connection that is not started.
    package init() {}

    /// Begins a connection: writes the preface, our settings and the connection window. `settings` is what we announce.
    package mutating func start(
        _ role: HTTP2Role, settings: HTTP2Settings, limits: HTTP2Limits, output: inout ByteBuffer
    ) {
        recycle()
        self.role = role
        local = settings
        self.limits = limits
        resetTokens = limits.resetBurst
        idleTokens = limits.idleFrameBurst
        if endings.isEmpty { endings = [UInt32](repeating: 0, count: 256) }
        if role == .client { output.append("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") }
        phase = role == .server ? .preface : .frameHeader
        writeSettings(&output)
        let extra = limits.connectionWindowBytes - Self.defaultWindow
        // A smaller window than the default comes about by giving less back.
        uncredited = min(extra, 0)
        if extra > 0 {
            writeWindowUpdate(0, extra, &output)
            receiveWindow += extra
        }
    }
}

extension HTTP2Connection: SlabElement {
    /// Forgets the connection, keeps memory for the next one.
    package mutating func recycle() {
        if phase == .idle { return }
        role = .server
        local = HTTP2Settings()
        peer = HTTP2Settings()
        streamCount = 0
        sawGoAway = false
        sentGoAway = false
        hasFailed = false
        sawSettings = false
        decoder.reset()
        encoder.reset()
        streams.removeAll()
        for index in 0..<endings.count { endings[index] = 0 }
        phase = .idle
        frame = FrameHeader()
        left = 0
        padding = 0
        pendingSkip = 0
        continuing = 0
        headStream = 0
        headEndsStream = false
        headIsNew = false
        headPurpose = .drop
        continuations = 0
        blockInPlace = -1
        block.clear()
        waste.clear()
        lastPeerStream = 0
        nextStream = 1
        goAwayLimit = .max
        peerGoAwayLimit = .max
        sendWindow = Self.defaultWindow
        receiveWindow = Self.defaultWindow
        uncredited = 0
        receiveInitial = Self.defaultWindow
        unacknowledged = 0
        wakeSlot = 0
        wakeLeft = 0
        refuseLeft = 0
        unreported = nil
        announcedWindow = -1
        openHead = 0
        refilledAt = 0
        queuedControl = 0
    }
}
