/// Envoy's response code details and connection termination details, as operators search for them in logs
/// (envoy/stream_info/stream_info.h, `ResponseCodeDetailValues`).
package enum CodeDetails {
    package static var viaUpstream: StaticString { "via_upstream" }
    package static var routeNotFound: StaticString { "route_not_found" }
    package static var clusterNotFound: StaticString { "cluster_not_found" }
    package static var routeConfigurationNotFound: StaticString { "route_configuration_not_found" }
    package static var directResponse: StaticString { "direct_response" }
    package static var noHealthyUpstream: StaticString { "no_healthy_upstream" }
    package static var overflow: StaticString { "upstream_reset_before_response_started{overflow}" }
    package static var connectionFailure: StaticString {
        "upstream_reset_before_response_started{connection_failure}"
    }
    package static var remoteConnectionFailure: StaticString {
        "upstream_reset_before_response_started{remote_connection_failure}"
    }
    package static var localConnectionFailure: StaticString {
        "upstream_reset_before_response_started{local_connection_failure}"
    }
    package static var connectionTimeout: StaticString {
        "upstream_reset_before_response_started{connection_timeout}"
    }
    package static var connectionTermination: StaticString {
        "upstream_reset_before_response_started{connection_termination}"
    }
    package static var remoteReset: StaticString { "upstream_reset_before_response_started{remote_reset}" }
    package static var protocolError: StaticString { "upstream_reset_before_response_started{protocol_error}" }
    package static var resetAfterResponseStarted: StaticString {
        "upstream_reset_after_response_started{connection_termination}"
    }
    package static var upstreamResponseTimeout: StaticString { "upstream_response_timeout" }
    package static var upstreamPerTryTimeout: StaticString { "upstream_per_try_timeout" }
    package static var responseTimeout: StaticString { "response_timeout" }
    package static var requestHeadTimeout: StaticString { "request_header_timeout" }
    package static var requestTimeout: StaticString { "request_overall_timeout" }
    package static var streamIdleTimeout: StaticString { "stream_idle_timeout" }
    package static var maxDurationTimeout: StaticString { "max_duration_timeout" }
    package static var downstreamRemoteDisconnect: StaticString { "downstream_remote_disconnect" }
    package static var downstreamLocalDisconnect: StaticString { "downstream_local_disconnect" }
    package static var missingHost: StaticString { "missing_host_header" }
    package static var missingPath: StaticString { "missing_path_rejected" }
    package static var absolutePathRejected: StaticString { "absolute_path_rejected" }
    package static var pathNormalizationFailed: StaticString { "path_normalization_failed" }
    package static var requestHeadersTooLarge: StaticString { "request_headers_too_large" }
    package static var requestPayloadTooLarge: StaticString { "request_payload_too_large" }
    package static var responsePayloadTooLarge: StaticString { "response_payload_too_large" }
    package static var lowVersion: StaticString { "low_version" }
    package static var upgradeFailed: StaticString { "upgrade_failed" }
    package static var http1CodecError: StaticString { "http1.codec_error" }
    package static var accessDenied: StaticString { "rbac_access_denied" }
    package static var faultAbort: StaticString { "fault_filter_abort" }
    package static var overload: StaticString { "overload" }
}
