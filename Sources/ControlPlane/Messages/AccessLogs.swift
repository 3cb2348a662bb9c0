import SwiftProtobuf
import XDS

/// How access logs are written (mesh config `accessLogFile`, `accessLogEncoding`, `accessLogFormat`).
package struct AccessLogSettings: Sendable, Equatable {
    package enum Encoding: String, Sendable {
        case text = "TEXT"
        case json = "JSON"
    }

    /// Empty turns access logs off.
    package var file = "/dev/stdout"
    package var encoding = Encoding.text
    /// Empty means Istio's default format of the encoding.
    package var format = ""

    package init() {}
}

extension Envoy_Config_Accesslog_V3_AccessLog {
    /// The log of listeners and connection managers; nil when logs are off.
    static func make(_ settings: AccessLogSettings) -> Self? {
        guard !settings.file.isEmpty else { return nil }
        var file = Envoy_Extensions_AccessLoggers_File_V3_FileAccessLog()
        file.path = settings.file
        switch settings.encoding {
        case .text:
            let format = settings.format.isEmpty ? textFormat : settings.format
            file.logFormat.textFormatSource.inlineString = format.hasSuffix("\n") ? format : format + "\n"
        case .json:
            let given = settings.format.isEmpty ? nil : try? Google_Protobuf_Struct(jsonString: settings.format)
            file.logFormat.jsonFormat = given ?? Google_Protobuf_Struct(strings: jsonFormat)
        }
        var log = Self()
        log.name = "envoy.access_loggers.file"
        log.typedConfig = .init(packing: file)
        return log
    }

    /// Istio's default text format.
    static let textFormat = """
        [%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% \
        %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
        "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
        %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" \
        "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% \
        %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%

        """

    /// Istio's default JSON keys.
    static let jsonFormat = [
        "start_time": "%START_TIME%",
        "route_name": "%ROUTE_NAME%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "protocol": "%PROTOCOL%",
        "response_code": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "response_code_details": "%RESPONSE_CODE_DETAILS%",
        "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "duration": "%DURATION%",
        "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
        "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
        "user_agent": "%REQ(USER-AGENT)%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "authority": "%REQ(:AUTHORITY)%",
        "upstream_host": "%UPSTREAM_HOST%",
        "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
        "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
        "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
        "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "requested_server_name": "%REQUESTED_SERVER_NAME%",
        "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    ]
}
