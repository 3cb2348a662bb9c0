package import HeaderBlock
internal import Resilience
package import Routing
package import Telemetry

/// Which requests a log gets (envoy.config.accesslog.v3.AccessLogFilter).
package indirect enum AccessLogFilter: Sendable {
    package enum Comparison: UInt8, Sendable { case equal, atLeast, atMost, different }

    case status(Comparison, UInt32)
    /// Milliseconds.
    case duration(Comparison, UInt32)
    /// Some of these flags; empty: any flag at all.
    case flags(ResponseFlags)
    case header(HeaderTestSet)
    /// One of these gRPC statuses; or, when `excludes`, none of them.
    case grpcStatus(Set<Int16>, excludes: Bool)
    /// A share in millionths.
    case share(UInt32)
    case all([AccessLogFilter])
    case any([AccessLogFilter])
    case always

    /// - Parameters:
    ///   - head: of the request; nil for TCP.
    ///   - random: 64 fresh random bits.
    package func passes(_ record: borrowing RequestRecord, _ head: borrowing HeadView?, random: UInt64) -> Bool {
        switch self {
        case .always: return true
        case .status(let comparison, let value): return comparison.holds(UInt32(record.status), value)
        case .duration(let comparison, let value):
            let time = (record.elapsed(record.ended) ?? 0) / 1000
            return comparison.holds(UInt32(clamping: time), value)
        case .flags(let wanted):
            return wanted.isEmpty ? !record.flags.isEmpty : !record.flags.isDisjoint(with: wanted)
        case .header(let test):
            switch head {
            case .some(let head): return test.matches(head)
            case nil: return false
            }
        case .grpcStatus(let statuses, let excludes):
            let status = record.grpcStatus >= 0 ? record.grpcStatus : Self.grpcStatus(http: record.status)
            return statuses.contains(status) != excludes
        case .share(let millionths): return random.multipliedFullWidth(by: 1_000_000).high < UInt64(millionths)
        case .all(let parts):
            for part in parts where !part.passes(record, head, random: random) { return false }
            return true
        case .any(let parts):
            for part in parts where part.passes(record, head, random: random) { return true }
            return false
        }
    }

    private static func grpcStatus(http: UInt16) -> Int16 {
        switch http {
        case 400: 13
        case 401: 16
        case 403: 7
        case 404: 12
        case 429, 502, 503, 504: 14
        default: 2
        }
    }
}

extension AccessLogFilter.Comparison {
    func holds(_ left: UInt32, _ right: UInt32) -> Bool {
        switch self {
        case .equal: left == right
        case .atLeast: left >= right
        case .atMost: left <= right
        case .different: left != right
        }
    }
}
