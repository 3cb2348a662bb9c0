/// When and how often a failed try is repeated.
package struct HTTPRetry: ObjectDecodable {
    package var location: SourceLocation
    /// Number of repetitions after the first try; 0 turns retries off.
    package var attempts: Int
    /// Nil means the route's timeout.
    package var perTryTimeout: Duration?
    /// Conditions, comma separated; numbers are status codes. Nil means the mesh's default conditions.
    package var retryOn: [String]?
    package var retryRemoteLocalities: Bool?
    package var retryIgnorePreviousHosts: Bool?
    package var backoff: Duration?

    package init(_ reader: ObjectReader) {
        location = reader.location
        attempts = reader.int("attempts", in: 0...Int(Int32.max)) ?? 0
        perTryTimeout = reader.duration("perTryTimeout")
        let conditions = reader.string("retryOn")
        retryOn = conditions.flatMap { text in
            text.isEmpty ? nil : text.split(separator: ",", omittingEmptySubsequences: false).map(Self.trim)
        }
        retryRemoteLocalities = reader.bool("retryRemoteLocalities")
        retryIgnorePreviousHosts = reader.bool("retryIgnorePreviousHosts")
        backoff = reader.duration("backoff")

        for condition in retryOn ?? [] { Self.check(condition, reader) }
        if attempts == 0 {
            let others = ["perTryTimeout", "retryOn", "retryRemoteLocalities", "retryIgnorePreviousHosts", "backoff"]
            if let other = others.first(where: reader.has) {
                reader.error(other, "\(other) has no meaning when attempts is 0: set attempts or remove it")
            }
        }
    }

    private static func trim(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }

    private static func check(_ condition: String, _ reader: ObjectReader) {
        if let status = Int(condition) {
            if !(100...599).contains(status) { reader.error("retryOn", "\(status) is not an HTTP status code") }
        } else if !conditions.contains(condition) {
            reader.error(
                "retryOn",
                "unknown retry condition \"\(condition)\""
                    + Suggestion.clause(for: condition, among: conditions)
            )
        }
    }

    /// The conditions of Envoy's `x-envoy-retry-on` and `x-envoy-retry-grpc-on`.
    package static let conditions = [
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited",
        "retriable-4xx", "refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
        "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    ]
}
