import MeshAPI
import MeshState
import SwiftProtobuf
import XDS

typealias WireHTTPFilter = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter
typealias WireRBAC = Envoy_Config_Rbac_V3_RBAC

/// The RBAC filters of a workload, from the AuthorizationPolicies that hold for it: names and order are Istio's, so that
/// what its users know of logs and metrics is true here.
struct AuthorizationFilters {
    private let policies: [AuthorizationPolicy]
    private let trustDomains: [String]
    private let providers: [String: ExternalAuthorizer]

    init(policies: [AuthorizationPolicy], trustDomains: [String], providers: [String: ExternalAuthorizer] = [:]) {
        self.policies = policies
        self.trustDomains = trustDomains
        self.providers = providers
    }

    /// What one action comes to; `nil` parts are left out of the filter.
    private struct Rules {
        var enforced: WireRBAC?
        var dryRun: WireRBAC?
    }

    // MARK: Policies that the proxy decides itself

    /// AUDIT, DENY, ALLOW, in this order; behind the authentication of requests.
    func http() -> [WireHTTPFilter] {
        decisions(isTCP: false).map { action, rules in
            var filter = Envoy_Extensions_Filters_Http_Rbac_V3_RBAC()
            if let enforced = rules.enforced { filter.rules = enforced }
            if let dryRun = rules.dryRun {
                filter.shadowRules = dryRun
                filter.shadowRulesStatPrefix = Self.dryRunPrefix(action)
            }
            return WireHTTPFilter("envoy.filters.http.rbac", filter)
        }
    }

    func tcp() -> [NetworkFilter] {
        decisions(isTCP: true).map { action, rules in
            var filter = Envoy_Extensions_Filters_Network_Rbac_V3_RBAC()
            filter.statPrefix = "tcp."
            if let enforced = rules.enforced { filter.rules = enforced }
            if let dryRun = rules.dryRun {
                filter.shadowRules = dryRun
                filter.shadowRulesStatPrefix = Self.dryRunPrefix(action)
            }
            return NetworkFilter("envoy.filters.network.rbac", filter)
        }
    }

    private func decisions(isTCP: Bool) -> [(AuthorizationPolicy.Action, Rules)] {
        let actions: [(AuthorizationPolicy.Action, WireRBAC.Action)] = [
            (.audit, .log), (.deny, .deny), (.allow, .allow),
        ]
        return actions.compactMap { action, wire in
            let chosen = policies.filter { $0.action == action }
            return chosen.isEmpty ? nil : (action, rules(chosen, wire, isTCP: isTCP))
        }
    }

    private static func dryRunPrefix(_ action: AuthorizationPolicy.Action) -> String {
        switch action {
        case .allow: "istio_dry_run_allow_"
        case .deny: "istio_dry_run_deny_"
        case .audit, .custom: ""
        }
    }

    private func rules(
        _ policies: [AuthorizationPolicy], _ action: WireRBAC.Action, isTCP: Bool, prefix: String = ""
    ) -> Rules {
        var result = Rules()
        for isDryRun in [false, true] {
            let chosen = policies.filter { $0.isDryRun == isDryRun }
            guard !chosen.isEmpty else { continue }
            var rbac = WireRBAC()
            rbac.action = action
            for policy in chosen { add(policy, to: &rbac, isTCP: isTCP, prefix: prefix) }
            if isDryRun { result.dryRun = rbac } else { result.enforced = rbac }
        }
        return result
    }

    private func add(_ policy: AuthorizationPolicy, to rbac: inout WireRBAC, isTCP: Bool, prefix: String) {
        let name = { PolicyRuleName(policy, rule: $0, prefix: prefix).text }
        if policy.rules.isEmpty {
            rbac.policies[name(0)] = Self.never
            return
        }
        let compiler = RuleCompiler(
            namespace: policy.metadata.namespace, trustDomains: trustDomains, isTCP: isTCP,
            isAllow: rbac.action == .allow)
        for (number, rule) in policy.rules.enumerated() {
            if let compiled = compiler.compile(rule) { rbac.policies[name(number)] = compiled }
        }
    }

    /// Matches nothing: an ALLOW policy without rules lets nobody in.
    private static let never: Envoy_Config_Rbac_V3_Policy = .with { policy in
        policy.permissions = [.with { $0.notRule.any = true }]
        policy.principals = [.with { $0.notID.any = true }]
    }

    // MARK: Policies that someone else decides

    /// CUSTOM: one filter that finds which requests are concerned, and one that asks; in front of everything else.
    func customHTTP() -> [WireHTTPFilter] {
        byProvider().flatMap { provider, policies -> [WireHTTPFilter] in
            let found = rules(policies, .deny, isTCP: false, prefix: "istio-ext-authz-\(provider)-")
            var filter = Envoy_Extensions_Filters_Http_Rbac_V3_RBAC()
            guard let authorizer = providers[provider], let config = authorizer.http(provider: provider) else {
                // Nobody to ask: who should have been asked about is denied.
                filter.rules = Self.bad(found.enforced ?? WireRBAC())
                return [WireHTTPFilter("envoy.filters.http.rbac", filter)]
            }
            guard let enforced = found.enforced else { return [] }
            filter.shadowRules = enforced
            filter.shadowRulesStatPrefix = "istio_ext_authz_"
            return [
                WireHTTPFilter("envoy.filters.http.rbac", filter),
                WireHTTPFilter("envoy.filters.http.ext_authz", config),
            ]
        }
    }

    /// The same for connections. A provider that speaks HTTP cannot judge them and is not asked, as in Istio; one that is
    /// not there denies.
    func customTCP() -> [NetworkFilter] {
        byProvider().flatMap { provider, policies -> [NetworkFilter] in
            guard providers[provider]?.kind != .http else { return [] }
            let found = rules(policies, .deny, isTCP: true, prefix: "istio-ext-authz-\(provider)-")
            var filter = Envoy_Extensions_Filters_Network_Rbac_V3_RBAC()
            filter.statPrefix = "tcp."
            guard let config = providers[provider]?.network(provider: provider) else {
                filter.rules = Self.bad(found.enforced ?? WireRBAC())
                return [NetworkFilter("envoy.filters.network.rbac", filter)]
            }
            guard let enforced = found.enforced else { return [] }
            filter.shadowRules = enforced
            filter.shadowRulesStatPrefix = "istio_ext_authz_"
            return [
                NetworkFilter("envoy.filters.network.rbac", filter),
                NetworkFilter("envoy.filters.network.ext_authz", config),
            ]
        }
    }

    private func byProvider() -> [(String, [AuthorizationPolicy])] {
        Dictionary(grouping: policies.filter { $0.action == .custom }) { $0.provider ?? "" }
            .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private static func bad(_ rules: WireRBAC) -> WireRBAC {
        var rules = rules
        rules.action = .deny
        rules.policies = Dictionary(
            rules.policies.map { ($0.key + "-deny-due-to-bad-CUSTOM-action", $0.value) }, uniquingKeysWith: { $1 })
        return rules
    }
}

/// `ns[NAMESPACE]-policy[NAME]-rule[N]`, the name that a rule has in proxies, logs and metrics.
struct PolicyRuleName {
    let text: String

    init(_ policy: AuthorizationPolicy, rule: Int, prefix: String = "") {
        text = "\(prefix)ns[\(policy.metadata.namespace)]-policy[\(policy.metadata.name)]-rule[\(rule)]"
    }
}

extension WireHTTPFilter {
    init(_ name: String, _ config: some Message) {
        self.init()
        self.name = name
        typedConfig = .init(packing: config)
    }
}
