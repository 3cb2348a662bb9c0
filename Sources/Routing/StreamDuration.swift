/// How long a request and its response may take in all, whatever moves meanwhile
/// (envoy.config.route.v3.RouteAction.MaxStreamDuration). Nanoseconds.
package struct StreamDuration: Sendable, Equatable {
    /// 0 = no limit; .max = what the connection manager says.
    package var limit: UInt64 = .max
    /// Upper bound for `grpc-timeout`: 0 = the client's counts as it is, .max = `grpc-timeout` is ignored.
    package var grpcLimit: UInt64 = .max
    /// Taken off `grpc-timeout`, so that the proxy gives up before the client does; 0 = nothing.
    package var grpcOffset: UInt64 = 0

    package init() {}

    /// The limit of one request; 0 = none.
    ///
    /// - Parameters:
    ///   - grpcTimeout: what the request asks for; nil when it does not.
    ///   - fallback: of the connection manager; 0 = none.
    package func limit(grpcTimeout: UInt64?, fallback: UInt64) -> UInt64 {
        guard let grpcTimeout, grpcLimit != .max else { return limit == .max ? fallback : limit }
        var result = grpcLimit == 0 ? grpcTimeout : min(grpcTimeout, grpcLimit)
        if grpcOffset < result { result -= grpcOffset }
        return result
    }
}
