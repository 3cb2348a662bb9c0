package import HTTP2

/// What one side announces to its HTTP/2 peers, and bears from them (envoy.config.core.v3.Http2ProtocolOptions).
package struct HTTP2Options: Sendable {
    package var settings: HTTP2Settings
    package var limits = HTTP2Limits()

    package init(_ role: HTTP2Role) {
        settings = .announced(by: role)
        // A few streams with slow readers must not hold up the others: many times a stream's window.
        limits.connectionWindowBytes = 16 * 1024 * 1024
    }

    package static let server = HTTP2Options(.server)
    package static let client = HTTP2Options(.client)
}
