import Authorization
import Routing
import XDS

extension RuleSetSpec {
    /// envoy.config.rbac.v3.RBAC; what cannot be honoured is an issue, and the result then must not be used.
    ///
    /// Policies are ordered by name, as in Envoy, so that the same one is named when several match.
    init(
        _ message: Envoy_Config_Rbac_V3_RBAC, path: String, origins: inout ProvenanceTable, issues: inout [CompileIssue]
    ) {
        var action = Action.allow
        switch message.action {
        case .allow: break
        case .deny: action = .deny
        case .log: action = .log
        case .UNRECOGNIZED(let number):
            issues.append(CompileIssue(path: path + ".action", message: "unknown value \(number)"))
        }
        var policies: [PolicySpec] = []
        for (name, policy) in message.policies.sorted(by: { $0.key < $1.key }) {
            let place = "\(path).policies[\(name)]"
            if policy.permissions.isEmpty {
                issues.append(CompileIssue(path: place + ".permissions", message: "must not be empty"))
            }
            if policy.principals.isEmpty {
                issues.append(CompileIssue(path: place + ".principals", message: "must not be empty"))
            }
            policies.append(
                PolicySpec(
                    name: name,
                    permissions: policy.permissions.enumerated().compactMap { index, rule in
                        ConditionSpec(rule, path: "\(place).permissions[\(index)]", issues: &issues)
                    },
                    principals: policy.principals.enumerated().compactMap { index, identifier in
                        ConditionSpec(identifier, path: "\(place).principals[\(index)]", issues: &issues)
                    },
                    origin: Origin(index: origins.intern(PolicyName(name)?.origin ?? ""))))
        }
        self.init(action: action, policies: policies)
    }
}

/// A policy name as Istio's control plane writes it, `ns[NAMESPACE]-policy[NAME]-rule[NUMBER]`.
struct PolicyName {
    let namespace: Substring
    let name: Substring
    let rule: Int

    init?(_ text: String) {
        guard text.hasPrefix("ns["), text.hasSuffix("]") else { return nil }
        let inner = text.dropFirst(3).dropLast()
        guard let policy = inner.firstSeparator("]-policy["),
            let rule = inner[policy.upperBound...].firstSeparator("]-rule["),
            let number = Int(inner[rule.upperBound...])
        else { return nil }
        namespace = inner[..<policy.lowerBound]
        name = inner[policy.upperBound..<rule.lowerBound]
        self.rule = number
    }

    var origin: String { "AuthorizationPolicy \(namespace)/\(name) rule \(rule)" }
}

extension Substring {
    fileprivate func firstSeparator(_ text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
