extension AccessLogFormatSpec {
    /// Envoy's default text format (envoy/extensions/access_loggers/file/v3/file.proto).
    package static let envoyText = AccessLogFormatSpec(
        .text(
            #"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" "#
                + "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
                + #"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "#
                + #""%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""# + "\n"))

    /// The text format of Istio's proxies (meshConfig.accessLogFormat's default).
    package static let istioText = AccessLogFormatSpec(
        .text(
            #"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% "#
                + "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
                + #""%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "#
                + #"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "#
                + #""%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% "#
                + "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
                + "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"))

    /// The JSON format of Istio's proxies (accessLogEncoding JSON), in the order in which people read it.
    package static let istioJSON = AccessLogFormatSpec(
        .json([
            Member("start_time", .text("%START_TIME%")),
            Member("method", .text("%REQ(:METHOD)%")),
            Member("path", .text("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%")),
            Member("protocol", .text("%PROTOCOL%")),
            Member("response_code", .text("%RESPONSE_CODE%")),
            Member("response_flags", .text("%RESPONSE_FLAGS%")),
            Member("response_code_details", .text("%RESPONSE_CODE_DETAILS%")),
            Member("connection_termination_details", .text("%CONNECTION_TERMINATION_DETAILS%")),
            Member("upstream_transport_failure_reason", .text("%UPSTREAM_TRANSPORT_FAILURE_REASON%")),
            Member("bytes_received", .text("%BYTES_RECEIVED%")),
            Member("bytes_sent", .text("%BYTES_SENT%")),
            Member("duration", .text("%DURATION%")),
            Member("upstream_service_time", .text("%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%")),
            Member("x_forwarded_for", .text("%REQ(X-FORWARDED-FOR)%")),
            Member("user_agent", .text("%REQ(USER-AGENT)%")),
            Member("request_id", .text("%REQ(X-REQUEST-ID)%")),
            Member("authority", .text("%REQ(:AUTHORITY)%")),
            Member("upstream_host", .text("%UPSTREAM_HOST%")),
            Member("upstream_cluster", .text("%UPSTREAM_CLUSTER_RAW%")),
            Member("upstream_local_address", .text("%UPSTREAM_LOCAL_ADDRESS%")),
            Member("downstream_local_address", .text("%DOWNSTREAM_LOCAL_ADDRESS%")),
            Member("downstream_remote_address", .text("%DOWNSTREAM_REMOTE_ADDRESS%")),
            Member("requested_server_name", .text("%REQUESTED_SERVER_NAME%")),
            Member("route_name", .text("%ROUTE_NAME%")),
        ]))
}
