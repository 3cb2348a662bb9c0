/// The time limits of one request, nanoseconds, 0 = none: the route's, bounded and replaced by what the request asks for.
package struct TimeoutPlan: Sendable, Equatable {
    /// From the end of the request to the end of the response, all tries together.
    package var total: UInt64
    /// Each try.
    package var perTry: UInt64
    /// The request asked for the total itself (`x-envoy-upstream-rq-timeout-ms`).
    package var isFromRequest = false

    /// Combines as Envoy's router does (FilterUtility::finalTimeout).
    ///
    /// - Parameters:
    ///   - route: the route's timeout.
    ///   - perTry: of the retry policy.
    ///   - requestedTotal: `x-envoy-upstream-rq-timeout-ms`, in milliseconds; nil when absent or not trusted.
    ///   - requestedPerTry: `x-envoy-upstream-rq-per-try-timeout-ms`.
    ///   - grpc: `grpc-timeout` in nanoseconds, for a gRPC request; 0 = none asked.
    ///   - grpcLimit: the route's bound for it: 0 = the client's counts as it is, nil = `grpc-timeout` is ignored.
    package init(
        route: UInt64, perTry: UInt64, requestedTotal: UInt64? = nil, requestedPerTry: UInt64? = nil,
        grpc: UInt64? = nil, grpcLimit: UInt64? = nil
    ) {
        total = route
        if let grpc, let grpcLimit {
            total = grpcLimit == 0 ? grpc : grpc == 0 ? grpcLimit : min(grpc, grpcLimit)
        }
        if let requestedTotal {
            total = Self.nanoseconds(requestedTotal)
            isFromRequest = true
        }
        self.perTry = requestedPerTry.map(Self.nanoseconds) ?? perTry
        // A try that may take as long as all of them needs no clock of its own.
        if total != 0, self.perTry >= total { self.perTry = 0 }
    }

    private static func nanoseconds(_ milliseconds: UInt64) -> UInt64 { nanoseconds(milliseconds, of: 1_000_000) }

    /// What is too long for a clock of nanoseconds (584 years) is as long as that clock goes.
    private static func nanoseconds(_ count: UInt64, of unit: UInt64) -> UInt64 {
        let (product, overflows) = count.multipliedReportingOverflow(by: unit)
        return overflows ? .max : product
    }

    /// A limit in whole milliseconds, rounded up, so that a tiny limit does not become none and a huge one stays one.
    package static func milliseconds(_ nanoseconds: UInt64) -> UInt64 {
        nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1)
    }

    /// Reads `grpc-timeout`: up to eight digits and a unit (H M S m u n), in nanoseconds; nil when malformed.
    package static func grpcTimeout(_ text: borrowing Span<UInt8>) -> UInt64? {
        guard text.count >= 2, text.count <= 9 else { return nil }
        var value: UInt64 = 0
        for index in 0..<(text.count - 1) {
            let digit = text[index] &- 0x30
            guard digit <= 9 else { return nil }
            value = value * 10 + UInt64(digit)
        }
        switch text[text.count - 1] {
        case UInt8(ascii: "H"): return nanoseconds(value, of: 3_600_000_000_000)
        case UInt8(ascii: "M"): return nanoseconds(value, of: 60_000_000_000)
        case UInt8(ascii: "S"): return nanoseconds(value, of: 1_000_000_000)
        case UInt8(ascii: "m"): return nanoseconds(value, of: 1_000_000)
        case UInt8(ascii: "u"): return nanoseconds(value, of: 1_000)
        case UInt8(ascii: "n"): return value
        default: return nil
        }
    }
}
