import SwiftProtobuf
import Telemetry
import XDS

/// The access logs of a snapshot. Equal ones share a number, which they keep from one snapshot to the next.
struct AccessLogTable {
    private struct Key: Hashable {
        let sink: AccessLogDescriptor.Sink
        let format: AccessLogFormatSpec
        var filter: Envoy_Config_Accesslog_V3_AccessLogFilter?
    }

    private(set) var descriptors: [AccessLogDescriptor] = []
    private var numbers: [Key: Int] = [:]

    /// The number of an envoy.config.accesslog.v3.AccessLog; nil, with issues, when it cannot be honoured.
    mutating func number(
        _ message: Envoy_Config_Accesslog_V3_AccessLog, path: String, issues: inout [CompileIssue]
    ) -> Int? {
        guard var key = key(message, path: path + ".typed_config", issues: &issues) else { return nil }
        if message.hasFilter { key.filter = message.filter }
        if let known = numbers[key] { return known }
        let before = issues.count
        let filter = key.filter.flatMap { AccessLogFilter($0, path: path + ".filter", issues: &issues) }
        guard issues.count == before else { return nil }
        do throws(AccessLogFormatError) {
            descriptors.append(
                AccessLogDescriptor(sink: key.sink, format: try AccessLogFormat(key.format), filter: filter))
        } catch {
            let place = error.key.isEmpty ? "" : ".json_format.\(error.key)"
            issues.append(CompileIssue(path: path + ".typed_config.log_format" + place, message: error.message))
            return nil
        }
        numbers[key] = descriptors.count - 1
        return descriptors.count - 1
    }

    private func key(
        _ message: Envoy_Config_Accesslog_V3_AccessLog, path: String, issues: inout [CompileIssue]
    ) -> Key? {
        typealias Format = Envoy_Config_Core_V3_SubstitutionFormatString
        let any = message.typedConfig
        let sink: AccessLogDescriptor.Sink
        let format: Format?
        if any.isA(Envoy_Extensions_AccessLoggers_File_V3_FileAccessLog.self) {
            guard
                let file = unpack(
                    any, as: Envoy_Extensions_AccessLoggers_File_V3_FileAccessLog.self, path: path, issues: &issues)
            else { return nil }
            switch file.path {
            case "":
                issues.append(CompileIssue(path: path + ".path", message: "must not be empty"))
                return nil
            case "/dev/stdout": sink = .standardOutput
            case "/dev/stderr": sink = .standardError
            default: sink = .file(file.path)
            }
            format = file.accessLogFormat.map { _ in file.logFormat }
        } else if any.isA(Envoy_Extensions_AccessLoggers_Stream_V3_StdoutAccessLog.self) {
            guard
                let stream = unpack(
                    any, as: Envoy_Extensions_AccessLoggers_Stream_V3_StdoutAccessLog.self, path: path, issues: &issues)
            else { return nil }
            sink = .standardOutput
            format = stream.accessLogFormat.map { _ in stream.logFormat }
        } else if any.isA(Envoy_Extensions_AccessLoggers_Stream_V3_StderrAccessLog.self) {
            guard
                let stream = unpack(
                    any, as: Envoy_Extensions_AccessLoggers_Stream_V3_StderrAccessLog.self, path: path, issues: &issues)
            else { return nil }
            sink = .standardError
            format = stream.accessLogFormat.map { _ in stream.logFormat }
        } else {
            issues.append(CompileIssue(path: path, message: "access logger \(message.name) is not supported"))
            return nil
        }
        guard let format else { return Key(sink: sink, format: .envoyText) }
        guard let spec = AccessLogFormatSpec(format, path: path + ".log_format", issues: &issues) else { return nil }
        return Key(sink: sink, format: spec)
    }
}

extension CompiledParts {
    /// The numbers of a filter's access logs.
    mutating func accessLogs(
        _ messages: [Envoy_Config_Accesslog_V3_AccessLog], path: String, issues: inout [CompileIssue]
    ) -> [Int] {
        messages.enumerated().compactMap { index, message in
            accessLogTable.number(message, path: "\(path)[\(index)]", issues: &issues)
        }
    }
}
