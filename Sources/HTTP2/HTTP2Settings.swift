/// One side's settings (RFC 9113 section 6.5.2, RFC 8441 section 3).
package struct HTTP2Settings: Sendable, Equatable {
    package var headerTableSize = 4096
    package var enablePush = true
    /// `Int.max` is no limit.
    package var maxConcurrentStreams = Int.max
    package var initialWindowSize = 65_535
    package var maxFrameSize = 16_384
    /// `Int.max` is no limit. Advisory; what we enforce stands in `HTTP2Limits.headerListBytes`.
    package var maxHeaderListSize = Int.max
    package var enableConnectProtocol = false

    /// What holds before the first SETTINGS frame.
    package init() {}

    /// What we announce when nothing else is configured.
    package static func announced(by role: HTTP2Role) -> HTTP2Settings {
        var settings = HTTP2Settings()
        settings.enablePush = false
        settings.initialWindowSize = 256 * 1024
        settings.maxConcurrentStreams = role == .server ? 1024 : .max
        return settings
    }
}

/// Which end of the connection we are.
package enum HTTP2Role: UInt8, Sendable {
    /// The peer opens streams with requests.
    case server
    /// We open streams with requests.
    case client
}
