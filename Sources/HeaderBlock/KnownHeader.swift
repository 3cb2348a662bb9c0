/// Header names that the proxy or its policies ask for, interned when a head is parsed.
///
/// `other` is every name that is not in the list. Names are compared without regard to case (RFC 9110 section 5.1).
@frozen
@usableFromInline
package enum KnownHeader: UInt8, Sendable {
    case other
    case host
    case connection
    case keepAlive
    case proxyConnection
    case contentLength
    case transferEncoding
    case te
    case trailer
    case upgrade
    case expect
    case contentType
    case date
    case server
    case via
    case userAgent
    case authorization
    case cookie
    case location
    case accept
    case cacheControl
    case xRequestID
    case xForwardedFor
    case xForwardedProto
    case xForwardedHost
    case xForwardedClientCert
    case xEnvoyUpstreamServiceTime
    case xEnvoyAttemptCount
    case xEnvoyExpectedRqTimeoutMs
    case xEnvoyOriginalPath
    case xEnvoyOriginalHost
    case xEnvoyUpstreamRqTimeoutMs
    case xEnvoyUpstreamRqPerTryTimeoutMs
    case xEnvoyMaxRetries
    case xEnvoyRetryOn
    case xEnvoyRetryGrpcOn
    case xEnvoyInternal
    case xEnvoyExternalAddress
    case xEnvoyDecoratorOperation
    case xEnvoyOverloaded
    case xEnvoyRatelimited
    case xEnvoyPeerMetadata
    case xEnvoyPeerMetadataID
    case grpcStatus
    case grpcTimeout
    case grpcMessage
    case traceparent
    case tracestate
    case b3
    case xB3Traceid
    case xB3Spanid
    case xB3Sampled
    case http2Settings

    /// The name in lower case; empty for `other`.
    package var name: StaticString {
        switch self {
        case .other: ""
        case .host: "host"
        case .connection: "connection"
        case .keepAlive: "keep-alive"
        case .proxyConnection: "proxy-connection"
        case .contentLength: "content-length"
        case .transferEncoding: "transfer-encoding"
        case .te: "te"
        case .trailer: "trailer"
        case .upgrade: "upgrade"
        case .expect: "expect"
        case .contentType: "content-type"
        case .date: "date"
        case .server: "server"
        case .via: "via"
        case .userAgent: "user-agent"
        case .authorization: "authorization"
        case .cookie: "cookie"
        case .location: "location"
        case .accept: "accept"
        case .cacheControl: "cache-control"
        case .xRequestID: "x-request-id"
        case .xForwardedFor: "x-forwarded-for"
        case .xForwardedProto: "x-forwarded-proto"
        case .xForwardedHost: "x-forwarded-host"
        case .xForwardedClientCert: "x-forwarded-client-cert"
        case .xEnvoyUpstreamServiceTime: "x-envoy-upstream-service-time"
        case .xEnvoyAttemptCount: "x-envoy-attempt-count"
        case .xEnvoyExpectedRqTimeoutMs: "x-envoy-expected-rq-timeout-ms"
        case .xEnvoyOriginalPath: "x-envoy-original-path"
        case .xEnvoyOriginalHost: "x-envoy-original-host"
        case .xEnvoyUpstreamRqTimeoutMs: "x-envoy-upstream-rq-timeout-ms"
        case .xEnvoyUpstreamRqPerTryTimeoutMs: "x-envoy-upstream-rq-per-try-timeout-ms"
        case .xEnvoyMaxRetries: "x-envoy-max-retries"
        case .xEnvoyRetryOn: "x-envoy-retry-on"
        case .xEnvoyRetryGrpcOn: "x-envoy-retry-grpc-on"
        case .xEnvoyInternal: "x-envoy-internal"
        case .xEnvoyExternalAddress: "x-envoy-external-address"
        case .xEnvoyDecoratorOperation: "x-envoy-decorator-operation"
        case .xEnvoyOverloaded: "x-envoy-overloaded"
        case .xEnvoyRatelimited: "x-envoy-ratelimited"
        case .xEnvoyPeerMetadata: "x-envoy-peer-metadata"
        case .xEnvoyPeerMetadataID: "x-envoy-peer-metadata-id"
        case .grpcStatus: "grpc-status"
        case .grpcTimeout: "grpc-timeout"
        case .grpcMessage: "grpc-message"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .b3: "b3"
        case .xB3Traceid: "x-b3-traceid"
        case .xB3Spanid: "x-b3-spanid"
        case .xB3Sampled: "x-b3-sampled"
        case .http2Settings: "http2-settings"
        }
    }

    /// Finds the known header for the name at `range`; `other` when there is none.
    package static func classify(_ bytes: borrowing Span<UInt8>, _ range: ByteRange) -> KnownHeader {
        let length = range.count
        guard length > 1, length <= 39 else { return .other }
        let first = bytes[range.lowerBound] | 0x20
        let last = bytes[range.upperBound &- 1] | 0x20
        let middle = bytes[range.lowerBound &+ length / 2] | 0x20
        let candidate = candidate(length: length, first: first, last: last, middle: middle)
        if candidate == .other { return .other }
        return bytes.equalsIgnoringCase(range, candidate.name) ? candidate : .other
    }

    /// The only known name with this length and these lower-cased bytes (first, last, the one at half the length).
    static func candidate(length: Int, first: UInt8, last: UInt8, middle: UInt8) -> KnownHeader {
        switch length {
        case 2:
            switch (first, last, middle) {
            case (0x74, 0x65, 0x65): return .te
            case (0x62, 0x33, 0x33): return .b3
            default: return .other
            }
        case 3:
            switch (first, last, middle) {
            case (0x76, 0x61, 0x69): return .via
            default: return .other
            }
        case 4:
            switch (first, last, middle) {
            case (0x68, 0x74, 0x73): return .host
            case (0x64, 0x65, 0x74): return .date
            default: return .other
            }
        case 6:
            switch (first, last, middle) {
            case (0x65, 0x74, 0x65): return .expect
            case (0x73, 0x72, 0x76): return .server
            case (0x63, 0x65, 0x6b): return .cookie
            case (0x61, 0x74, 0x65): return .accept
            default: return .other
            }
        case 7:
            switch (first, last, middle) {
            case (0x74, 0x72, 0x69): return .trailer
            case (0x75, 0x65, 0x72): return .upgrade
            default: return .other
            }
        case 8:
            switch (first, last, middle) {
            case (0x6c, 0x6e, 0x74): return .location
            default: return .other
            }
        case 10:
            switch (first, last, middle) {
            case (0x63, 0x6e, 0x63): return .connection
            case (0x6b, 0x65, 0x61): return .keepAlive
            case (0x75, 0x74, 0x61): return .userAgent
            case (0x74, 0x65, 0x73): return .tracestate
            default: return .other
            }
        case 11:
            switch (first, last, middle) {
            case (0x67, 0x73, 0x73): return .grpcStatus
            case (0x74, 0x74, 0x70): return .traceparent
            case (0x78, 0x64, 0x73): return .xB3Spanid
            default: return .other
            }
        case 12:
            switch (first, last, middle) {
            case (0x63, 0x65, 0x74): return .contentType
            case (0x78, 0x64, 0x65): return .xRequestID
            case (0x67, 0x74, 0x69): return .grpcTimeout
            case (0x67, 0x65, 0x65): return .grpcMessage
            case (0x78, 0x64, 0x72): return .xB3Traceid
            case (0x78, 0x64, 0x61): return .xB3Sampled
            default: return .other
            }
        case 13:
            switch (first, last, middle) {
            case (0x61, 0x6e, 0x69): return .authorization
            case (0x63, 0x6c, 0x63): return .cacheControl
            default: return .other
            }
        case 14:
            switch (first, last, middle) {
            case (0x63, 0x68, 0x2d): return .contentLength
            case (0x68, 0x73, 0x65): return .http2Settings
            default: return .other
            }
        case 15:
            switch (first, last, middle) {
            case (0x78, 0x72, 0x72): return .xForwardedFor
            default: return .other
            }
        case 16:
            switch (first, last, middle) {
            case (0x70, 0x6e, 0x6e): return .proxyConnection
            case (0x78, 0x74, 0x64): return .xForwardedHost
            case (0x78, 0x6e, 0x72): return .xEnvoyRetryOn
            case (0x78, 0x6c, 0x69): return .xEnvoyInternal
            default: return .other
            }
        case 17:
            switch (first, last, middle) {
            case (0x74, 0x67, 0x2d): return .transferEncoding
            case (0x78, 0x6f, 0x64): return .xForwardedProto
            default: return .other
            }
        case 18:
            switch (first, last, middle) {
            case (0x78, 0x64, 0x76): return .xEnvoyOverloaded
            default: return .other
            }
        case 19:
            switch (first, last, middle) {
            case (0x78, 0x73, 0x61): return .xEnvoyMaxRetries
            case (0x78, 0x64, 0x61): return .xEnvoyRatelimited
            default: return .other
            }
        case 21:
            switch (first, last, middle) {
            case (0x78, 0x74, 0x74): return .xEnvoyAttemptCount
            case (0x78, 0x68, 0x69): return .xEnvoyOriginalPath
            case (0x78, 0x74, 0x69): return .xEnvoyOriginalHost
            case (0x78, 0x6e, 0x74): return .xEnvoyRetryGrpcOn
            case (0x78, 0x61, 0x65): return .xEnvoyPeerMetadata
            default: return .other
            }
        case 23:
            switch (first, last, middle) {
            case (0x78, 0x74, 0x2d): return .xForwardedClientCert
            default: return .other
            }
        case 24:
            switch (first, last, middle) {
            case (0x78, 0x73, 0x72): return .xEnvoyExternalAddress
            case (0x78, 0x64, 0x2d): return .xEnvoyPeerMetadataID
            default: return .other
            }
        case 27:
            switch (first, last, middle) {
            case (0x78, 0x6e, 0x61): return .xEnvoyDecoratorOperation
            default: return .other
            }
        case 29:
            switch (first, last, middle) {
            case (0x78, 0x65, 0x61): return .xEnvoyUpstreamServiceTime
            default: return .other
            }
        case 30:
            switch (first, last, middle) {
            case (0x78, 0x73, 0x64): return .xEnvoyExpectedRqTimeoutMs
            case (0x78, 0x73, 0x6d): return .xEnvoyUpstreamRqTimeoutMs
            default: return .other
            }
        case 38:
            switch (first, last, middle) {
            case (0x78, 0x73, 0x2d): return .xEnvoyUpstreamRqPerTryTimeoutMs
            default: return .other
            }
        default: return .other
        }
    }
}

extension KnownHeader {
    /// The derived one is called through witnesses from other modules, by way of the raw values.
    @inlinable
    @inline(__always)
    package static func == (left: KnownHeader, right: KnownHeader) -> Bool {
        // SAFETY: an enumeration without payloads and with less than 256 cases is one byte, and each case another one.
        unsafe unsafeBitCast(left, to: UInt8.self) == unsafeBitCast(right, to: UInt8.self)
    }
}
