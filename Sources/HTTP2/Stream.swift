/// One stream (RFC 9113 section 5.1). "idle" and "closed" streams are in no table; the two end flags are the other states.
struct Stream: Sendable {
    var id: UInt32 = 0
    var token = UInt64.max
    /// What the peer takes; negative after its settings shrank the window (section 6.9.2).
    var sendWindow = 0
    /// What the peer may send still.
    var receiveWindow = 0
    /// Payload bytes that were reported and not yet consumed.
    var unconsumed = 0
    /// Bytes that are done with but not yet given back to the peer.
    var uncredited = 0
    /// Body bytes that content-length promised; -1 when it did not.
    var expected = -1
    /// Body bytes so far.
    var received = 0
    /// HEADERS went out.
    var hasSentHead = false
    /// The final head came.
    var hasReceivedHead = false
    /// END_STREAM went out.
    var hasLocalEnd = false
    /// END_STREAM came.
    var hasRemoteEnd = false
    /// `sendData` could not send all.
    var isBlocked = false
    /// The request was HEAD: the response's content-length describes no body.
    var isHead = false
    /// A CONNECT without `:protocol`: no trailers.
    var isConnect = false

    /// Both sides have ended; it stays until its bytes are consumed.
    var isClosed: Bool { hasLocalEnd && hasRemoteEnd }
}
