import HTTP2
import SwiftProtobuf
import XDS

extension HTTP2Options {
    /// Reads envoy.config.core.v3.Http2ProtocolOptions. Windows and limits that are not set are this proxy's own.
    init(
        _ message: Envoy_Config_Core_V3_Http2ProtocolOptions, role: HTTP2Role, path: String,
        issues: inout [CompileIssue]
    ) {
        self.init(role)
        func refuse(_ isSet: Bool, _ field: String, _ reason: String = "not supported yet") {
            if isSet { issues.append(CompileIssue(path: "\(path).\(field)", message: reason)) }
        }
        func number(_ isSet: Bool, _ value: UInt32, _ field: String, _ range: ClosedRange<UInt32>) -> Int? {
            guard isSet else { return nil }
            refuse(!range.contains(value), field, "must be between \(range.lowerBound) and \(range.upperBound)")
            return Int(value)
        }
        // What is announced is what peers may use: not more than the decoder keeps.
        if let size = number(
            message.hasHpackTableSize, message.hpackTableSize.value, "hpack_table_size", 0...65_535)
        {
            settings.headerTableSize = size
        }
        if let streams = number(
            message.hasMaxConcurrentStreams, message.maxConcurrentStreams.value, "max_concurrent_streams",
            1...0x7fff_ffff)
        {
            settings.maxConcurrentStreams = streams
        }
        if let window = number(
            message.hasInitialStreamWindowSize, message.initialStreamWindowSize.value, "initial_stream_window_size",
            65_535...0x7fff_ffff)
        {
            settings.initialWindowSize = window
        }
        if let window = number(
            message.hasInitialConnectionWindowSize, message.initialConnectionWindowSize.value,
            "initial_connection_window_size", 65_535...0x7fff_ffff)
        {
            limits.connectionWindowBytes = window
        }
        settings.enableConnectProtocol = role == .server && message.allowConnect
        refuse(message.allowMetadata, "allow_metadata")
        let keepalive = message.connectionKeepalive
        refuse(keepalive.hasConnectionIdleInterval, "connection_keepalive.connection_idle_interval")
        if keepalive.hasInterval {
            keepaliveMilliseconds = milliseconds(
                keepalive.interval, path: path + ".connection_keepalive.interval", fallback: 0, issues: &issues)
            keepaliveTimeoutMilliseconds = milliseconds(
                keepalive.timeout, path: path + ".connection_keepalive.timeout", fallback: 20_000, issues: &issues)
        }
        if message.hasMaxOutboundControlFrames {
            limits.queuedControlFrames = Int(message.maxOutboundControlFrames.value)
        }
        refuse(message.hasMaxOutboundFrames, "max_outbound_frames")
        refuse(
            message.hasMaxConsecutiveInboundFramesWithEmptyPayload,
            "max_consecutive_inbound_frames_with_empty_payload")
        refuse(message.hasMaxInboundPriorityFramesPerStream, "max_inbound_priority_frames_per_stream")
        refuse(
            message.hasMaxInboundWindowUpdateFramesPerDataFrameSent,
            "max_inbound_window_update_frames_per_data_frame_sent")
        // A malformed message always costs its stream, never the connection: what `true` asks for.
        refuse(
            message.hasOverrideStreamErrorOnInvalidHTTPMessage
                && !message.overrideStreamErrorOnInvalidHTTPMessage.value,
            "override_stream_error_on_invalid_http_message", "false is not supported")
    }
}
