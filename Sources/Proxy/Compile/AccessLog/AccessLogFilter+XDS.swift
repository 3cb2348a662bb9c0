import Resilience
import Routing
import SwiftProtobuf
import Telemetry
import XDS

extension AccessLogFilter {
    /// envoy.config.accesslog.v3.AccessLogFilter; nil, with an issue, when it cannot be honoured.
    init?(_ message: Envoy_Config_Accesslog_V3_AccessLogFilter, path: String, issues: inout [CompileIssue]) {
        switch message.filterSpecifier {
        case .statusCodeFilter(let filter):
            self = .status(
                Comparison(filter.comparison, path: path + ".status_code_filter.comparison", issues: &issues),
                filter.comparison.value.defaultValue)
        case .durationFilter(let filter):
            self = .duration(
                Comparison(filter.comparison, path: path + ".duration_filter.comparison", issues: &issues),
                filter.comparison.value.defaultValue)
        // Nothing here answers health checks itself.
        case .notHealthCheckFilter: self = .always
        case .runtimeFilter(let filter):
            self = .share(
                Share(filter.percentSampled, path: path + ".runtime_filter.percent_sampled", issues: &issues).millionths
            )
        case .headerFilter(let filter):
            let place = path + ".header_filter.header"
            guard let spec = HeaderMatchSpec(filter.header, path: place, issues: &issues) else { return nil }
            do throws(RegexProgram.Invalid) {
                self = .header(try HeaderTestSet([spec]))
            } catch {
                issues.append(CompileIssue(path: place, message: error.description))
                return nil
            }
        case .responseFlagFilter(let filter):
            var flags = ResponseFlags()
            for (index, name) in filter.flags.enumerated() {
                guard let flag = ResponseFlags(shortName: name) else {
                    issues.append(
                        CompileIssue(
                            path: "\(path).response_flag_filter.flags[\(index)]", message: "unknown flag \"\(name)\""))
                    return nil
                }
                flags.insert(flag)
            }
            self = .flags(flags)
        case .grpcStatusFilter(let filter):
            self = .grpcStatus(
                Set(filter.statuses.map { Int16(clamping: $0.rawValue) }), excludes: filter.exclude)
        case .andFilter(let filter):
            self = .all(Self.parts(filter.filters, path + ".and_filter.filters", &issues))
        case .orFilter(let filter):
            self = .any(Self.parts(filter.filters, path + ".or_filter.filters", &issues))
        case .metadataFilter:
            issues.append(CompileIssue(path: path + ".metadata_filter", message: "not supported yet"))
            return nil
        case nil:
            issues.append(CompileIssue(path: path, message: "needs a filter"))
            return nil
        }
    }

    private static func parts(
        _ messages: [Envoy_Config_Accesslog_V3_AccessLogFilter], _ path: String, _ issues: inout [CompileIssue]
    ) -> [AccessLogFilter] {
        messages.enumerated().compactMap { AccessLogFilter($1, path: "\(path)[\($0)]", issues: &issues) }
    }
}

extension AccessLogFilter.Comparison {
    init(
        _ message: Envoy_Config_Accesslog_V3_ComparisonFilter, path: String, issues: inout [CompileIssue]
    ) {
        switch message.op {
        case .eq: self = .equal
        case .ge: self = .atLeast
        case .le: self = .atMost
        case .ne: self = .different
        case .UNRECOGNIZED(let number):
            issues.append(CompileIssue(path: path + ".op", message: "unknown value \(number)"))
            self = .equal
        }
    }
}
