/// What a peer may cost us before it is refused. One value for all of HTTP/2.
///
/// Rates are token buckets: `burst` is what an idle connection has saved up, `perSecond` comes back with time.
package struct HTTP2Limits: Sendable {
    /// Our receive window of the whole connection: the most body bytes that wait in our memory for one peer.
    package var connectionWindowBytes = 1024 * 1024
    /// Names, values and 32 bytes per field (RFC 9113 section 6.5.2): beyond it a head is `.tooLarge`.
    package var headerListBytes = 60 * 1024
    /// A header block as it comes, HEADERS and CONTINUATION frames together: beyond it the connection ends.
    package var headerBlockBytes = 128 * 1024
    /// CONTINUATION frames of one header block.
    package var continuationFrames = 16
    /// Streams that the peer opened and reset before they ended (CVE-2023-44487).
    package var resetBurst = 500
    package var resetsPerSecond = 100
    /// Frames that carry nothing: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty DATA, unknown types, and frames for streams
    /// that are gone.
    package var idleFrameBurst = 4_000
    package var idleFramesPerSecond = 1_000
    /// What every useful frame earns: a peer may send this many WINDOW_UPDATEs per DATA frame of ours.
    package var idleFramesPerUsefulFrame = 16
    /// Answers (SETTINGS and PING acknowledgements, RST_STREAM) that wait in the output while the peer does not read.
    package var queuedControlFrames = 2_000

    package init() {}
}
