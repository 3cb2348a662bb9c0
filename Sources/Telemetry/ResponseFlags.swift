/// What happened to a request beside its status, as access logs and metrics show it.
///
/// The bits are in the order of Envoy's `CoreResponseFlag` (envoy/stream_info/stream_info.h), in which it prints them.
package struct ResponseFlags: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let failedLocalHealthCheck = ResponseFlags(rawValue: 1 << 0)
    package static let noHealthyUpstream = ResponseFlags(rawValue: 1 << 1)
    package static let upstreamRequestTimeout = ResponseFlags(rawValue: 1 << 2)
    package static let localReset = ResponseFlags(rawValue: 1 << 3)
    package static let upstreamRemoteReset = ResponseFlags(rawValue: 1 << 4)
    package static let upstreamConnectionFailure = ResponseFlags(rawValue: 1 << 5)
    package static let upstreamConnectionTermination = ResponseFlags(rawValue: 1 << 6)
    package static let upstreamOverflow = ResponseFlags(rawValue: 1 << 7)
    package static let noRouteFound = ResponseFlags(rawValue: 1 << 8)
    package static let delayInjected = ResponseFlags(rawValue: 1 << 9)
    package static let faultInjected = ResponseFlags(rawValue: 1 << 10)
    package static let rateLimited = ResponseFlags(rawValue: 1 << 11)
    /// An external authorization service refused.
    package static let unauthorized = ResponseFlags(rawValue: 1 << 12)
    package static let rateLimitServiceError = ResponseFlags(rawValue: 1 << 13)
    package static let downstreamConnectionTermination = ResponseFlags(rawValue: 1 << 14)
    package static let upstreamRetryLimitExceeded = ResponseFlags(rawValue: 1 << 15)
    package static let streamIdleTimeout = ResponseFlags(rawValue: 1 << 16)
    package static let invalidRequestHeaders = ResponseFlags(rawValue: 1 << 17)
    package static let downstreamProtocolError = ResponseFlags(rawValue: 1 << 18)
    package static let upstreamMaxStreamDurationReached = ResponseFlags(rawValue: 1 << 19)
    package static let responseFromCache = ResponseFlags(rawValue: 1 << 20)
    package static let noFilterConfigFound = ResponseFlags(rawValue: 1 << 21)
    package static let durationTimeout = ResponseFlags(rawValue: 1 << 22)
    package static let upstreamProtocolError = ResponseFlags(rawValue: 1 << 23)
    package static let noClusterFound = ResponseFlags(rawValue: 1 << 24)
    package static let overloadManager = ResponseFlags(rawValue: 1 << 25)
    package static let nameResolutionFailed = ResponseFlags(rawValue: 1 << 26)
    package static let dropOverload = ResponseFlags(rawValue: 1 << 27)
    package static let downstreamRemoteReset = ResponseFlags(rawValue: 1 << 28)
    package static let unconditionalDropOverload = ResponseFlags(rawValue: 1 << 29)

    /// Number of flags that have names.
    package static let count = 30

    /// The flag with this short name (`UF`); nil when Envoy has none.
    package init?(shortName: String) {
        guard let bit = (0..<Self.count).first(where: { "\(Self.shortName(bit: $0))" == shortName }) else { return nil }
        self.init(rawValue: 1 << UInt32(bit))
    }

    /// The name that `%RESPONSE_FLAGS%` prints for the flag with this bit number.
    package static func shortName(bit: Int) -> StaticString { names(bit).0 }

    /// The name that `%RESPONSE_FLAGS_LONG%` prints for the flag with this bit number.
    package static func longName(bit: Int) -> StaticString { names(bit).1 }

    /// `UF,URX`, or `-` for none: the label of metrics.
    package var text: String {
        if isEmpty { return "-" }
        var names: [String] = []
        for bit in 0..<Self.count where rawValue & (1 << UInt32(bit)) != 0 {
            names.append("\(Self.shortName(bit: bit))")
        }
        return names.joined(separator: ",")
    }

    private static func names(_ bit: Int) -> (StaticString, StaticString) {
        switch bit {
        case 0: ("LH", "FailedLocalHealthCheck")
        case 1: ("UH", "NoHealthyUpstream")
        case 2: ("UT", "UpstreamRequestTimeout")
        case 3: ("LR", "LocalReset")
        case 4: ("UR", "UpstreamRemoteReset")
        case 5: ("UF", "UpstreamConnectionFailure")
        case 6: ("UC", "UpstreamConnectionTermination")
        case 7: ("UO", "UpstreamOverflow")
        case 8: ("NR", "NoRouteFound")
        case 9: ("DI", "DelayInjected")
        case 10: ("FI", "FaultInjected")
        case 11: ("RL", "RateLimited")
        case 12: ("UAEX", "UnauthorizedExternalService")
        case 13: ("RLSE", "RateLimitServiceError")
        case 14: ("DC", "DownstreamConnectionTermination")
        case 15: ("URX", "UpstreamRetryLimitExceeded")
        case 16: ("SI", "StreamIdleTimeout")
        case 17: ("IH", "InvalidEnvoyRequestHeaders")
        case 18: ("DPE", "DownstreamProtocolError")
        case 19: ("UMSDR", "UpstreamMaxStreamDurationReached")
        case 20: ("RFCF", "ResponseFromCacheFilter")
        case 21: ("NFCF", "NoFilterConfigFound")
        case 22: ("DT", "DurationTimeout")
        case 23: ("UPE", "UpstreamProtocolError")
        case 24: ("NC", "NoClusterFound")
        case 25: ("OM", "OverloadManagerTerminated")
        case 26: ("DF", "DnsResolutionFailed")
        case 27: ("DO", "DropOverload")
        case 28: ("DR", "DownstreamRemoteReset")
        case 29: ("UDO", "UnconditionalDropOverload")
        default: ("", "")
        }
    }
}
