import Authorization
import Routing
import SwiftProtobuf
import XDS

extension MetadataMatchSpec {
    /// envoy.type.matcher.v3.MetadataMatcher; nil, with an issue, when it cannot be honoured.
    init?(_ message: Envoy_Type_Matcher_V3_MetadataMatcher, path: String, issues: inout [CompileIssue]) {
        func issue(_ field: String, _ text: String) { issues.append(CompileIssue(path: path + field, message: text)) }
        guard !message.filter.isEmpty else {
            issue(".filter", "must not be empty")
            return nil
        }
        guard !message.path.isEmpty, message.path.allSatisfy({ !$0.key.isEmpty }) else {
            issue(".path", "needs keys")
            return nil
        }
        guard let value = ValueMatchSpec(message.value, path: path + ".value", issues: &issues) else { return nil }
        self.init(filter: message.filter, path: message.path.map(\.key), value: value, isInverted: message.invert)
    }
}

extension ValueMatchSpec {
    /// envoy.type.matcher.v3.ValueMatcher; nil, with an issue, when it cannot be honoured.
    init?(_ message: Envoy_Type_Matcher_V3_ValueMatcher, path: String, issues: inout [CompileIssue]) {
        switch message.matchPattern {
        case .nullMatch: self = .null
        case .boolMatch(let flag): self = .bool(flag)
        case .presentMatch(let flag): self = .present(flag)
        case .doubleMatch(let number):
            switch number.matchPattern {
            case .range(let range): self = .range(range.start, range.end)
            case .exact(let value): self = .number(value)
            case nil:
                issues.append(CompileIssue(path: path + ".double_match", message: "needs range or exact"))
                return nil
            }
        case .stringMatch(let string):
            guard let pattern = StringPattern(string, path: path + ".string_match", issues: &issues) else { return nil }
            self = .string(pattern)
        case .listMatch(let list):
            guard let element = ValueMatchSpec(list.oneOf, path: path + ".list_match.one_of", issues: &issues) else {
                return nil
            }
            self = .list(element)
        case .orMatch(let set):
            var parts: [ValueMatchSpec] = []
            for (index, part) in set.valueMatchers.enumerated() {
                let place = "\(path).or_match.value_matchers[\(index)]"
                guard let compiled = ValueMatchSpec(part, path: place, issues: &issues) else { return nil }
                parts.append(compiled)
            }
            self = .any(parts)
        case nil:
            issues.append(CompileIssue(path: path, message: "needs a match"))
            return nil
        }
    }
}
