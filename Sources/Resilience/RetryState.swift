/// How one try of a request ended.
package struct AttemptOutcome: Sendable {
    package enum Kind: UInt8, Sendable {
        /// A response head arrived; `status` (and `grpcStatus` when the head has one) say which.
        case response
        /// The connection could not be made (refused, timed out, TLS failed).
        case connectFailure
        /// The connection ended before the request was written to it: the upstream cannot have acted on it.
        case resetBeforeRequest
        /// The connection or stream ended before a response head.
        case reset
        /// The upstream refused the stream without acting on it.
        case refusedStream
        /// The per-try timeout passed.
        case perTryTimeout
        /// The per-try timeout passed, and the try goes on beside the next one (hedging).
        case slow
    }

    package var kind: Kind
    package var status: UInt16 = 0
    /// From the response head (trailers-only responses); -1 = none.
    package var grpcStatus: Int16 = -1
    /// The response carries x-envoy-ratelimited.
    package var isRateLimited = false
    /// The response has a field for which the policy asks for another try.
    package var hasRetriableHeader = false

    package init(
        _ kind: Kind, status: UInt16 = 0, grpcStatus: Int16 = -1, isRateLimited: Bool = false,
        hasRetriableHeader: Bool = false
    ) {
        self.kind = kind
        self.status = status
        self.grpcStatus = grpcStatus
        self.isRateLimited = isRateLimited
        self.hasRetriableHeader = hasRetriableHeader
    }
}

/// Whether to send a request again.
package enum RetryDecision: Sendable, Equatable {
    /// Send again after this many nanoseconds.
    case retry(afterNanoseconds: UInt64)
    /// Give the outcome to the client: the policy does not name it, or the request cannot be repeated.
    case no
    /// The policy names it, but the tries are used up (flag URX).
    case exhausted
    /// The policy names it, but the cluster's retry limit is reached (flag UO).
    case overflow
}

/// The retries of one request: counts tries, says whether and when the next one goes. No clock, no randomness inside.
package struct RetryState: Sendable {
    private let policy: RetryPolicy
    /// Retries that have been granted.
    package private(set) var retries: UInt32 = 0

    package init(_ policy: RetryPolicy) { self.policy = policy }

    package var isLastTry: Bool { retries >= policy.retries }

    /// Whether fields of a response have a say.
    package var looksAtHeaders: Bool { policy.conditions.contains(.retriableHeaders) }

    /// Whether the policy asks for another try after `outcome`, if there were one left.
    package func wants(_ outcome: AttemptOutcome) -> Bool { Self.matches(policy, outcome) }

    /// Decides after a try.
    ///
    /// - Parameters:
    ///   - canRepeat: the request (its body) is still at hand and no byte of a response went to the client.
    ///   - allowed: the cluster's circuit breaker or retry budget admits one more.
    ///   - random: 64 fresh random bits, for the jitter.
    package mutating func decide(
        after outcome: AttemptOutcome, canRepeat: Bool, allowed: Bool, random: UInt64
    ) -> RetryDecision {
        guard canRepeat, Self.matches(policy, outcome) else { return .no }
        guard retries < policy.retries else { return .exhausted }
        guard allowed else { return .overflow }
        retries += 1
        return .retry(afterNanoseconds: Self.backOff(policy, retry: retries, random: random))
    }

    /// Fully jittered exponential back-off: uniform in [0, min(base * 2^(retry-1) …, limit)), as Envoy's
    /// JitteredExponentialBackOffStrategy: the first wait is below the base, each next bound doubles.
    package static func backOff(_ policy: RetryPolicy, retry: UInt32, random: UInt64) -> UInt64 {
        let base = max(1, policy.backOffBase)
        let shift = UInt64(min(max(retry, 1) - 1, 32))
        let (scaled, overflows) = base.multipliedReportingOverflow(by: 1 << shift)
        let bound = min(overflows ? .max : scaled, max(base, policy.backOffLimit))
        return random.multipliedFullWidth(by: bound).high
    }

    /// Whether the policy asks for another try after `outcome`.
    package static func matches(_ policy: RetryPolicy, _ outcome: AttemptOutcome) -> Bool {
        let on = policy.conditions
        switch outcome.kind {
        case .connectFailure:
            return !on.isDisjoint(with: [.connectFailure, .serverError, .gatewayError, .reset, .resetBeforeRequest])
        case .resetBeforeRequest:
            return !on.isDisjoint(with: [.resetBeforeRequest, .reset, .serverError, .gatewayError])
        case .refusedStream:
            return !on.isDisjoint(with: [.refusedStream, .reset, .serverError, .gatewayError])
        case .reset, .perTryTimeout:
            return !on.isDisjoint(with: [.reset, .serverError, .gatewayError])
        // Whatever the policy names: nothing has failed yet.
        case .slow: return true
        case .response: return matches(on, policy.statusCodes, outcome)
        }
    }

    private static func matches(
        _ on: RetryPolicy.Conditions, _ codes: StatusCodes, _ outcome: AttemptOutcome
    ) -> Bool {
        // A rate limiter's no is only retried when asked for by name.
        if outcome.isRateLimited { return on.contains(.envoyRateLimited) }
        let status = outcome.status
        if on.contains(.serverError), status >= 500, status < 600 { return true }
        if on.contains(.gatewayError), status >= 502, status <= 504 { return true }
        if on.contains(.retriable4xx), status == 409 { return true }
        if on.contains(.retriableStatusCodes), codes.contains(status) { return true }
        if on.contains(.retriableHeaders), outcome.hasRetriableHeader { return true }
        switch outcome.grpcStatus {
        case 1: return on.contains(.cancelled)
        case 4: return on.contains(.deadlineExceeded)
        case 8: return on.contains(.resourceExhausted)
        case 13: return on.contains(.internalError)
        case 14: return on.contains(.unavailable)
        default: return false
        }
    }
}
