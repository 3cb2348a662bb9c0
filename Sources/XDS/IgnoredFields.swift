/// Fields that are part of the subset because messages are passed on or written with them, and that the proxy would not
/// heed. Peers who set them are refused as for any other field that is not supported: nothing is ignored in silence.
///
/// What stands here goes when the code that honours it comes.
enum IgnoredFields {
    static let byMessage: [String: Set<String>] = [
        "envoy.config.core.v3.Pipe": ["mode"],
        "envoy.config.core.v3.ConfigSource": ["path_config_source", "api_config_source", "initial_fetch_timeout"],
        "envoy.config.core.v3.Metadata": ["typed_filter_metadata"],
        "envoy.config.core.v3.Http1ProtocolOptions": ["allow_absolute_url"],
        // Verified tokens are always kept, in a cache whose bounds are the proxy's own.
        "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider": ["jwt_cache_config"],
        "envoy.config.core.v3.KeepaliveSettings": ["connection_idle_interval"],
        "envoy.config.core.v3.HealthCheck": ["reuse_connection"],
        "envoy.config.route.v3.RouteMatch.TlsContextMatchOptions": ["validated"],
        "envoy.config.cluster.v3.Cluster": [
            "cleanup_interval", "ignore_health_on_host_removal", "wait_for_warm_on_init",
        ],
        "envoy.config.cluster.v3.Cluster.CommonLbConfig": ["ignore_new_hosts_until_first_hc"],
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": [
            "stream_error_on_invalid_http_message"
        ],
    ]
}
