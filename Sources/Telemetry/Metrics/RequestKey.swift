/// Who reports a request (the `reporter` label).
package enum Reporter: UInt8, Sendable, CaseIterable {
    case source, destination

    package var text: StaticString { self == .source ? "source" : "destination" }
}

/// The `request_protocol` label.
package enum RequestProtocol: UInt8, Sendable, CaseIterable {
    case http, grpc, tcp

    package var text: StaticString {
        switch self {
        case .http: "http"
        case .grpc: "grpc"
        case .tcp: "tcp"
        }
    }
}

/// The `connection_security_policy` label. Istio's reporter at the source says `unknown`.
package enum ConnectionSecurity: UInt8, Sendable, CaseIterable {
    case unknown, none, mutualTLS

    package var text: StaticString {
        switch self {
        case .unknown: "unknown"
        case .none: "none"
        case .mutualTLS: "mutual_tls"
        }
    }
}

/// The labels of one request, or TCP connection, as integers: numbers of a `LabelTable` and small values.
package struct RequestKey: Sendable, Hashable {
    /// Source and destination workload.
    private let workloads: UInt64
    /// Service, status, gRPC status, and three small labels.
    private let rest: UInt64
    package let flags: ResponseFlags

    /// - Parameters:
    ///   - status: the response code; 0 for TCP and when no response was sent.
    ///   - grpcStatus: negative is none.
    @inline(__always)
    package init(
        reporter: Reporter,
        source: Int32,
        destination: Int32,
        service: Int32,
        status: UInt16 = 0,
        flags: ResponseFlags = [],
        requestProtocol: RequestProtocol = .http,
        security: ConnectionSecurity = .unknown,
        grpcStatus: Int16 = -1
    ) {
        workloads = UInt64(UInt32(bitPattern: source)) << 32 | UInt64(UInt32(bitPattern: destination))
        var small = UInt64(reporter.rawValue) | UInt64(requestProtocol.rawValue) << 1 | UInt64(security.rawValue) << 3
        small |= UInt64(UInt8(truncatingIfNeeded: grpcStatus)) << 8 | UInt64(status) << 16
        rest = small | UInt64(UInt32(bitPattern: service)) << 32
        self.flags = flags
    }

    package var source: Int32 { Int32(truncatingIfNeeded: workloads >> 32) }
    package var destination: Int32 { Int32(truncatingIfNeeded: workloads) }
    package var service: Int32 { Int32(truncatingIfNeeded: rest >> 32) }
    package var status: UInt16 { UInt16(truncatingIfNeeded: rest >> 16) }
    package var reporter: Reporter { Reporter(rawValue: UInt8(rest & 1)) ?? .source }
    package var requestProtocol: RequestProtocol { RequestProtocol(rawValue: UInt8(rest >> 1 & 3)) ?? .http }
    package var security: ConnectionSecurity { ConnectionSecurity(rawValue: UInt8(rest >> 3 & 3)) ?? .unknown }
    /// Negative is none.
    package var grpcStatus: Int16 { Int16(Int8(truncatingIfNeeded: rest >> 8)) }

    /// Well-mixed bits of all labels.
    @inline(__always)
    var mixed: UInt64 {
        var bits = workloads &* 0x9E37_79B9_7F4A_7C15
        bits = (bits ^ bits >> 29 ^ rest) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 32 ^ UInt64(flags.rawValue)) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}
