import Routing
import SwiftProtobuf
import XDS

extension RouteCompiler {
    /// - Parameter path: of the pair of fields, without `_to_add` and `_to_remove`.
    mutating func mutations(
        _ additions: [Envoy_Config_Core_V3_HeaderValueOption], _ removals: [String], _ path: String
    ) -> HeaderMutationSpec {
        var spec = HeaderMutationSpec()
        for (index, option) in additions.enumerated() {
            let place = "\(path)_to_add[\(index)]"
            guard isChangeable(option.header.key, place + ".header.key"),
                let value = literal(option.header.value, place + ".header.value")
            else { continue }
            if value.isEmpty, !option.keepEmptyValue { continue }
            spec.settings.append(.init(name: option.header.key, value: value, append: append(option, place)))
        }
        for (index, name) in removals.enumerated() where isChangeable(name, "\(path)_to_remove[\(index)]") {
            spec.removals.append(name)
        }
        return spec
    }

    private mutating func append(
        _ option: Envoy_Config_Core_V3_HeaderValueOption, _ path: String
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

    private mutating func isChangeable(_ name: String, _ path: String) -> Bool {
        if name.isEmpty || name.hasPrefix(":") || name.lowercased() == "host" {
            issues.append(
                CompileIssue(
                    path: path, message: "\"\(name)\" cannot be changed here; use host_rewrite or prefix_rewrite"))
            return false
        }
        let isToken = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
        if !isToken { issues.append(CompileIssue(path: path, message: "\"\(name)\" is no header name")) }
        return isToken
    }

    /// The text of a header value: `%%` is a percent sign; nil, with an issue, for a command operator.
    private mutating func literal(_ value: String, _ path: String) -> String? {
        if value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) {
            issues.append(CompileIssue(path: path, message: "holds a control character"))
            return nil
        }
        guard value.contains("%") else { return value }
        let unescaped = value.replacingPercentPairs()
        if unescaped == nil {
            issues.append(
                CompileIssue(
                    path: path, message: "command operators are not supported yet; write %% for a percent sign"))
        }
        return unescaped
    }
}

extension String {
    /// The text with each `%%` as `%`; nil when a percent sign stands alone.
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
