/// When a request is sent again: envoy.config.route.v3.RetryPolicy as a plain value, free to copy. Times in nanoseconds.
package struct RetryPolicy: Sendable {
    /// Reasons of the `retry_on` list.
    package struct Conditions: OptionSet, Sendable, Hashable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Any 5xx, and no response at all (reset, refused, timeout).
        package static let serverError = Conditions(rawValue: 1 << 0)
        /// 502, 503, 504.
        package static let gatewayError = Conditions(rawValue: 1 << 1)
        package static let reset = Conditions(rawValue: 1 << 2)
        /// The connection failed before the request was sent on it.
        package static let resetBeforeRequest = Conditions(rawValue: 1 << 3)
        package static let connectFailure = Conditions(rawValue: 1 << 4)
        /// The upstream said that it did not begin (REFUSED_STREAM).
        package static let refusedStream = Conditions(rawValue: 1 << 5)
        /// 409.
        package static let retriable4xx = Conditions(rawValue: 1 << 6)
        package static let retriableStatusCodes = Conditions(rawValue: 1 << 7)
        /// The response has x-envoy-ratelimited; without it such a response is never retried.
        package static let envoyRateLimited = Conditions(rawValue: 1 << 8)
        package static let http3PostConnectFailure = Conditions(rawValue: 1 << 9)
        /// A field of the response that the policy, or the request, names.
        package static let retriableHeaders = Conditions(rawValue: 1 << 10)
        /// gRPC status 1.
        package static let cancelled = Conditions(rawValue: 1 << 16)
        /// gRPC status 4.
        package static let deadlineExceeded = Conditions(rawValue: 1 << 17)
        /// gRPC status 13.
        package static let internalError = Conditions(rawValue: 1 << 18)
        /// gRPC status 8.
        package static let resourceExhausted = Conditions(rawValue: 1 << 19)
        /// gRPC status 14.
        package static let unavailable = Conditions(rawValue: 1 << 20)

        static let names: [String: Conditions] = [
            "5xx": serverError, "gateway-error": gatewayError, "reset": reset,
            "reset-before-request": resetBeforeRequest, "connect-failure": connectFailure,
            "refused-stream": refusedStream, "retriable-4xx": retriable4xx,
            "retriable-status-codes": retriableStatusCodes, "envoy-ratelimited": envoyRateLimited,
            "http3-post-connect-failure": http3PostConnectFailure, "cancelled": cancelled,
            "deadline-exceeded": deadlineExceeded, "internal": internalError,
            "resource-exhausted": resourceExhausted, "unavailable": unavailable,
            "retriable-headers": retriableHeaders,
        ]

        /// Reads a comma-separated `retry_on`; `unknown` gets the words that mean nothing.
        package init(retryOn: String, unknown: inout [String]) {
            self = []
            for word in retryOn.split(separator: ",") {
                let name = String(word.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
                if let condition = Self.names[name] { insert(condition) } else { unknown.append(name) }
            }
        }
    }

    package var conditions: Conditions = []
    /// Tries beside the first. Envoy's default is 1.
    package var retries: UInt32 = 1
    /// 0 = none.
    package var perTryTimeout: UInt64 = 0
    /// No byte from the upstream for this long ends a try; 0 = none.
    package var perTryIdleTimeout: UInt64 = 0
    package var statusCodes = StatusCodes()
    /// First mean of the back-off.
    package var backOffBase: UInt64 = 25_000_000
    /// Its upper limit: ten times the base by default.
    package var backOffLimit: UInt64 = 250_000_000
    /// Endpoints that were tried already are drawn again (envoy.retry_host_predicates.previous_hosts).
    package var avoidsPreviousHosts = false
    /// How often such a draw is repeated.
    package var hostSelectionAttempts: UInt32 = 1
    /// After each so many tries their priorities are left alone (envoy.retry_priorities.previous_priorities); 0 = never.
    package var priorityUpdateFrequency: UInt32 = 0
    package init() {}
}

/// A set of HTTP status codes 100...599.
package struct StatusCodes: Sendable {
    private var bits = InlineArray<8, UInt64>(repeating: 0)

    package init() {}

    /// Codes outside 100...599 are ignored.
    package mutating func insert(_ code: UInt32) {
        guard code >= 100, code < 600 else { return }
        bits[Int(code - 100) / 64] |= 1 << UInt64((code - 100) % 64)
    }

    @inline(__always)
    package func contains(_ code: UInt16) -> Bool {
        guard code >= 100, code < 600 else { return false }
        return bits[Int(code - 100) / 64] & 1 << UInt64((code - 100) % 64) != 0
    }
}
