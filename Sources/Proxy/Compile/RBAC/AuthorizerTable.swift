import Authorization
import SwiftProtobuf
import XDS

/// The authorizers of a snapshot. Equal rules share one, so that it keeps its number from one snapshot to the next.
struct AuthorizerTable {
    private struct Key: Hashable {
        let rules: Envoy_Config_Rbac_V3_RBAC?
        let shadowRules: Envoy_Config_Rbac_V3_RBAC?
        let shadowPrefix: String
    }

    private(set) var authorizers: [Authorizer] = []
    private var numbers: [Key: Int] = [:]

    /// The number of the authorizer for these rules; nil, with issues, when they cannot be honoured.
    mutating func number(
        rules: Envoy_Config_Rbac_V3_RBAC?, shadowRules: Envoy_Config_Rbac_V3_RBAC?, shadowPrefix: String, path: String,
        origins: inout ProvenanceTable, issues: inout [CompileIssue]
    ) -> Int? {
        let key = Key(rules: rules, shadowRules: shadowRules, shadowPrefix: shadowPrefix)
        if let known = numbers[key] { return known }
        var found: [CompileIssue] = []
        let spec = AuthorizationSpec(
            rules: rules.map { RuleSetSpec($0, path: path + ".rules", origins: &origins, issues: &found) },
            shadowRules: shadowRules.map {
                RuleSetSpec($0, path: path + ".shadow_rules", origins: &origins, issues: &found)
            }, shadowPrefix: shadowPrefix)
        guard found.isEmpty else {
            issues += found
            return nil
        }
        do throws(AuthorizationError) {
            authorizers.append(try Authorizer(spec))
        } catch {
            issues.append(CompileIssue(path: path, message: error.description))
            return nil
        }
        numbers[key] = authorizers.count - 1
        return authorizers.count - 1
    }
}

extension ListenerCompiler {
    /// envoy.extensions.filters.network.rbac.v3.RBAC.
    mutating func networkAuthorizer(_ any: Google_Protobuf_Any, path: String) -> NetworkFilter? {
        guard
            let message = unpack(
                any, as: Envoy_Extensions_Filters_Network_Rbac_V3_RBAC.self, path: path, issues: &issues)
        else { return nil }
        return parts.authorizers.number(
            rules: message.hasRules ? message.rules : nil,
            shadowRules: message.hasShadowRules ? message.shadowRules : nil,
            shadowPrefix: message.shadowRulesStatPrefix, path: path, origins: &parts.registry.provenance,
            issues: &issues
        ).map { .rbac(authorizer: $0) }
    }

    /// envoy.extensions.filters.http.rbac.v3.RBAC.
    mutating func httpAuthorizer(_ any: Google_Protobuf_Any, path: String) -> HTTPFilter? {
        unpack(any, as: Envoy_Extensions_Filters_Http_Rbac_V3_RBAC.self, path: path, issues: &issues).flatMap {
            parts.rbacFilter($0, path: path, issues: &issues)
        }
    }
}
