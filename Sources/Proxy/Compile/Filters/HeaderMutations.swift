import Routing
import SwiftProtobuf
import Telemetry
import XDS

extension CompiledParts {
    /// - Parameter path: of the pair of fields, without `_to_add` and `_to_remove`.
    mutating func headerMutations(
        _ additions: [Envoy_Config_Core_V3_HeaderValueOption], _ removals: [String], path: String,
        issues: inout [CompileIssue]
    ) -> HeaderMutationSpec {
        var spec = HeaderMutationSpec()
        for (index, option) in additions.enumerated() {
            if let setting = setting(option, path: "\(path)_to_add[\(index)]", issues: &issues) {
                spec.settings.append(setting)
            }
        }
        for (index, name) in removals.enumerated()
        where Self.isChangeable(name, "\(path)_to_remove[\(index)]", &issues) {
            spec.removals.append(name)
        }
        return spec
    }

    /// One envoy.config.core.v3.HeaderValueOption; nil when it does nothing, or has issues.
    mutating func setting(
        _ option: Envoy_Config_Core_V3_HeaderValueOption, path: String, issues: inout [CompileIssue]
    ) -> HeaderMutationSpec.Setting? {
        guard Self.isChangeable(option.header.key, path + ".header.key", &issues) else { return nil }
        var value = option.header.value
        if value.isEmpty, !option.header.rawValue.isEmpty {
            value = String(decoding: option.header.rawValue, as: UTF8.self)
        }
        if value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) {
            issues.append(CompileIssue(path: path + ".header.value", message: "holds a control character"))
            return nil
        }
        if value.isEmpty, !option.keepEmptyValue { return nil }
        var setting = HeaderMutationSpec.Setting(
            name: option.header.key, value: value, append: Self.append(option, path, &issues),
            keepsEmpty: option.keepEmptyValue)
        guard value.contains("%") else { return setting }
        if let plain = value.replacingPercentPairs() {
            setting.value = plain
            return setting
        }
        do throws(AccessLogFormatError) {
            setting.format = try filterTables.format(value)
        } catch {
            issues.append(CompileIssue(path: path + ".header.value", message: error.message))
            return nil
        }
        return setting
    }

    private static func append(
        _ option: Envoy_Config_Core_V3_HeaderValueOption, _ path: String, _ issues: inout [CompileIssue]
    ) -> HeaderMutationSpec.Append {
        // The older flag, when present, says what the action says now.
        if option.hasAppend { return option.append.value ? .append : .overwriteOrAdd }
        switch option.appendAction {
        case .appendIfExistsOrAdd: return .append
        case .addIfAbsent: return .addIfAbsent
        case .overwriteIfExistsOrAdd: return .overwriteOrAdd
        case .overwriteIfExists: return .overwriteIfPresent
        case .UNRECOGNIZED(let number):
            issues.append(CompileIssue(path: path + ".append_action", message: "unknown value \(number)"))
            return .append
        }
    }

    static func isChangeable(_ name: String, _ path: String, _ issues: inout [CompileIssue]) -> Bool {
        if name.isEmpty || name.hasPrefix(":") || name.lowercased() == "host" {
            issues.append(
                CompileIssue(
                    path: path, message: "\"\(name)\" cannot be changed here; use host_rewrite or prefix_rewrite"))
            return false
        }
        if ["content-length", "transfer-encoding"].contains(name.lowercased()) {
            issues.append(
                CompileIssue(path: path, message: "\"\(name)\" cannot be changed: framing is the proxy's own business"))
            return false
        }
        let isToken = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
        if !isToken { issues.append(CompileIssue(path: path, message: "\"\(name)\" is no header name")) }
        return isToken
    }
}

extension String {
    /// The text with each `%%` as `%`; nil when a percent sign stands alone: the text is a format.
    fileprivate func replacingPercentPairs() -> String? {
        var result = ""
        var isPending = false
        for character in unicodeScalars {
            if isPending, character != "%" { return nil }
            if character != "%" || isPending { result.unicodeScalars.append(character) }
            isPending = character == "%" && !isPending
        }
        return isPending ? nil : result
    }
}
