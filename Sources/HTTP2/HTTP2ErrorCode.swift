/// Error codes of RST_STREAM and GOAWAY (RFC 9113 section 7). Peers may send others.
package struct HTTP2ErrorCode: RawRepresentable, Sendable, Hashable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static var noError: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 0) }
    package static var protocolError: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 1) }
    package static var internalError: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 2) }
    package static var flowControlError: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 3) }
    package static var settingsTimeout: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 4) }
    package static var streamClosed: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 5) }
    package static var frameSizeError: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 6) }
    package static var refusedStream: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 7) }
    package static var cancel: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 8) }
    package static var compressionError: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 9) }
    package static var connectError: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 10) }
    package static var enhanceYourCalm: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 11) }
    package static var inadequateSecurity: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 12) }
    package static var http11Required: HTTP2ErrorCode { HTTP2ErrorCode(rawValue: 13) }
}

/// What is wrong with a peer's frames: the code that it is told, and a short text for the log and GOAWAY's debug data.
package struct HTTP2Failure: Error, Sendable {
    package let code: HTTP2ErrorCode
    /// One lower-case phrase such as `http2.window_overflow`, for access logs.
    package let detail: StaticString

    package init(_ code: HTTP2ErrorCode, _ detail: StaticString) {
        self.code = code
        self.detail = detail
    }
}
