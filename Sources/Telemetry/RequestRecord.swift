package import HeaderBlock

/// The facts of one request, or of one proxied TCP connection, that logs and metrics report.
///
/// Plain bits: the engine keeps one per exchange and fills it as things happen. Names that the facts refer to (cluster,
/// route, certificate names) are handed over as bytes when a line is written: see `AccessLogContext`.
package struct RequestRecord: Sendable {
    package enum Kind: UInt8, Sendable { case http, tcp }

    /// A moment that did not happen.
    package static let never = UInt64.max

    package var kind = Kind.http
    /// Microseconds since 1970 at the first byte of the request.
    package var startedWall: UInt64 = 0
    /// Microseconds of a monotonic clock, as all moments below; `never` when the moment did not happen.
    package var started: UInt64 = 0
    package var requestReceived = RequestRecord.never
    package var firstUpstreamSent = RequestRecord.never
    package var lastUpstreamSent = RequestRecord.never
    package var firstUpstreamReceived = RequestRecord.never
    package var lastUpstreamReceived = RequestRecord.never
    package var firstDownstreamSent = RequestRecord.never
    package var ended = RequestRecord.never

    /// Body bytes of the request; for TCP, all bytes from the client.
    package var bytesReceived: UInt64 = 0
    /// Body bytes of the response; for TCP, all bytes to the client.
    package var bytesSent: UInt64 = 0
    package var requestHeaderBytes: UInt64 = 0
    package var responseHeaderBytes: UInt64 = 0

    package var version = HTTPVersion.http11
    package var upstreamVersion = HTTPVersion.http11
    /// Status that went to the client; 0 when none did.
    package var status: UInt16 = 0
    /// Of the head as it is now, for header values that are made while it changes; 0 is that of the request.
    package var headStatus: UInt16 = 0
    package var flags = ResponseFlags()
    /// One of `CodeDetails`; empty is none.
    package var codeDetails: StaticString = ""
    /// Why the connection ended, one of `CodeDetails`; empty is none.
    package var terminationDetails: StaticString = ""
    /// The gRPC status of the response's headers or trailers; negative is none.
    package var grpcStatus: Int16 = -1
    /// Attempts that reached a connection, the first included.
    package var attempts: UInt32 = 0

    package var connectionID: UInt64 = 0
    package var upstreamConnectionID: UInt64 = 0

    package var upstreamRemote = LoggedAddress.none
    package var upstreamLocal = LoggedAddress.none
    /// Where the client wanted to go (the original destination of captured traffic).
    package var downstreamLocal = LoggedAddress.none
    /// The client, taken from x-forwarded-for where that is trusted.
    package var downstreamRemote = LoggedAddress.none
    /// The peer of the connection.
    package var downstreamDirectRemote = LoggedAddress.none
    /// Our side of the connection.
    package var downstreamDirectLocal = LoggedAddress.none

    /// Protocol version on the wire, 0x0304 for TLS 1.3; 0 is no TLS.
    package var downstreamTLSVersion: UInt16 = 0
    package var upstreamTLSVersion: UInt16 = 0

    package init() {}

    /// Microseconds from the first byte to `moment`; nil when that did not happen.
    package func elapsed(_ moment: UInt64) -> UInt64? {
        moment == RequestRecord.never || moment < started ? nil : moment &- started
    }
}
