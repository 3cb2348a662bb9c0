package import HTTP2

/// What one side announces to its HTTP/2 peers, and bears from them (envoy.config.core.v3.Http2ProtocolOptions).
package struct HTTP2Options: Sendable {
    package var settings: HTTP2Settings
    package var limits = HTTP2Limits()
    /// The peer is asked for a sign of life this often; 0 is never. Without one in the second time the connection is lost.
    package var keepaliveMilliseconds: UInt32 = 0
    package var keepaliveTimeoutMilliseconds: UInt32 = 0

    package init(_ role: HTTP2Role) {
        settings = .announced(by: role)
        // A few streams with slow readers must not hold up the others: many times a stream's window. A client may make us
        // keep as much, and there are many of them.
        limits.connectionWindowBytes = (role == .server ? 4 : 16) * 1024 * 1024
    }

    /// With heads of up to `bytes` bytes (max_request_headers_kb).
    func admittingHeads(of bytes: Int) -> HTTP2Options {
        var options = self
        options.limits.headerListBytes = bytes
        // As they come, heads are smaller than their fields; frames of 16 KiB carry them.
        options.limits.headerBlockBytes = max(limits.headerBlockBytes, bytes)
        options.limits.continuationFrames = max(limits.continuationFrames, bytes / 8192)
        return options
    }

    package static let server = HTTP2Options(.server)
    package static let client = HTTP2Options(.client)
}
