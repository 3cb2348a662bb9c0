internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Resilience
internal import Telemetry

/// envoy.filters.http.local_ratelimit and envoy.filters.network.local_ratelimit.
extension Worker where Wire: ~Copyable {
    mutating func limitRate(_ exchange: Handle, _ limiter: LocalRateLimit) -> FilterStep {
        guard let bucket = limiter.bucket, limiter.enabled.holds(transport.random()) else { return .next }
        if bucket.take(now: transport.microseconds) { return .next }
        guard limiter.enforced.holds(transport.random()) else {
            mutateRequest(exchange, limiter.requestHeadersWhenNotEnforced)
            return .next
        }
        exchanges[exchange].details = "local_rate_limited"
        exchanges[exchange].flags.insert(.rateLimited)
        exchanges[exchange].filters.rateLimit = limiter
        if limiter.isResourceExhausted { exchanges[exchange].filters.grpcStatus = 8 }
        reply(exchange, limiter.status, "local_rate_limited", .rateLimited)
        return .answered
    }

    /// The headers of a refusal.
    mutating func addRateLimitHeaders(_ exchange: Handle) {
        if let limiter = exchanges[exchange].filters.rateLimit { mutateResponse(exchange, limiter.responseHeaders) }
    }
}
