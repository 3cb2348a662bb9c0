import Resilience
import Routing
import SwiftProtobuf
import XDS

private typealias Fault = Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault
private typealias Delay = Envoy_Extensions_Filters_Common_Fault_V3_FaultDelay
private typealias Abort = Envoy_Extensions_Filters_Http_Fault_V3_FaultAbort

extension CompiledParts {
    /// envoy.extensions.filters.http.fault.v3.HTTPFault. The names of runtime keys change nothing: there is no runtime.
    mutating func faultFilter(
        _ any: Google_Protobuf_Any, path: String, issues: inout [CompileIssue]
    ) -> HTTPFilter? {
        guard let message = unpack(any, as: Fault.self, path: path, issues: &issues) else { return nil }
        let before = issues.count
        var policy = FaultPolicy()
        if message.hasDelay {
            (policy.delay, policy.delayShare) = Self.delay(message.delay, path + ".delay", &issues)
        }
        if message.hasAbort {
            (policy.abort, policy.abortShare) = Self.abort(message.abort, path + ".abort", &issues)
        }
        if message.hasMaxActiveFaults { policy.maxActive = message.maxActiveFaults.value }
        let specs = message.headers.enumerated().compactMap {
            HeaderMatchSpec($1, path: "\(path).headers[\($0)]", issues: &issues)
        }
        guard issues.count == before else { return nil }
        do throws(RegexProgram.Invalid) {
            return .fault(
                FaultFilter(
                    policy, cluster: message.upstreamCluster.isEmpty ? nil : registry.cluster(message.upstreamCluster),
                    headers: specs.isEmpty ? nil : try HeaderTestSet(specs)))
        } catch {
            issues.append(CompileIssue(path: path + ".headers", message: error.description))
            return nil
        }
    }

    private static func delay(
        _ message: Delay, _ path: String, _ issues: inout [CompileIssue]
    ) -> (FaultPolicy.Delay, Share) {
        let share = Share(message.percentage, path: path + ".percentage", issues: &issues)
        switch message.faultDelaySecifier {
        case .fixedDelay(let duration):
            let time = milliseconds(duration, path: path + ".fixed_delay", fallback: 0, issues: &issues)
            return (.milliseconds(UInt64(time)), share)
        case .headerDelay: return (.requested, share)
        case nil:
            issues.append(CompileIssue(path: path, message: "needs fixed_delay or header_delay"))
            return (.none, share)
        }
    }

    private static func abort(
        _ message: Abort, _ path: String, _ issues: inout [CompileIssue]
    ) -> (FaultPolicy.Abort, Share) {
        let share = Share(message.percentage, path: path + ".percentage", issues: &issues)
        switch message.errorType {
        case .httpStatus(let status):
            if !(200..<600).contains(status) {
                issues.append(
                    CompileIssue(path: path + ".http_status", message: "must be 200 to 599, is \(status)"))
            }
            return (.http(UInt16(clamping: status)), share)
        case .grpcStatus(let status): return (.grpc(Int16(clamping: status)), share)
        case .headerAbort: return (.requested, share)
        case nil:
            issues.append(CompileIssue(path: path, message: "needs http_status, grpc_status or header_abort"))
            return (.none, share)
        }
    }
}

extension Share {
    /// envoy.type.v3.FractionalPercent.
    init(_ message: Envoy_Type_V3_FractionalPercent, path: String, issues: inout [CompileIssue]) {
        switch message.denominator {
        case .hundred: self.init(message.numerator, of: 100)
        case .tenThousand: self.init(message.numerator, of: 10_000)
        case .million: self.init(message.numerator, of: 1_000_000)
        case .UNRECOGNIZED(let number):
            issues.append(CompileIssue(path: path + ".denominator", message: "unknown value \(number)"))
            self = .none
        }
    }

    /// The share in millionths.
    var millionths: UInt32 {
        UInt32(min(1_000_000, UInt64(numerator) * 1_000_000 / UInt64(max(1, denominator))))
    }
}
