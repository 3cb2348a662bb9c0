/// What can be wrong with the example service's options and what can go wrong with its calls.
package enum ServiceError: Error, CustomStringConvertible, Equatable {
    /// An option, environment variable, query item or header that cannot be understood; the text says why.
    case invalid(String)
    case upstreamTimeout
    case upstreamClosed
    case upstreamAnswerTooLarge

    package var description: String {
        switch self {
        case .invalid(let reason): reason
        case .upstreamTimeout: "the upstream did not answer in time"
        case .upstreamClosed: "the upstream closed the connection before it answered"
        case .upstreamAnswerTooLarge: "the upstream's answer is over \(Limits.upstreamAnswerBytes) bytes"
        }
    }
}

/// What the example service accepts at most.
enum Limits {
    /// Request bodies over this size are refused with 413.
    static let requestBodyBytes = 64 << 20
    /// So much of a request body is repeated in the answer.
    static let echoedBodyBytes = 4096
    static let upstreamAnswerBytes = 8 << 20
    static let paddingBytes = 64 << 20
    static let rememberedRequestIDs = 20_000
    static let idleConnectionsPerUpstream = 256
}
