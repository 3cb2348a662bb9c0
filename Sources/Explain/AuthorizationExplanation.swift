package import ControlPlane
package import MeshAPI
package import MeshState
package import Proxy

/// Who may call a workload, and because of which line of which file: the question is answered by the filters that its
/// sidecar gets, compiled as the sidecar compiles them.
package struct AuthorizationExplanation: Sendable {
    package struct Answer: Sendable, Hashable {
        package var verdict: PolicyVerdict
        /// The resource that decided; nil when no policy did.
        package var policy: ResourceKey?
        /// Number of the rule in it, from 0.
        package var rule: Int?
        /// The line of the rule.
        package var location: SourceLocation?
        /// One sentence for people.
        package var reason: String
    }

    private let http: PolicyChain
    private let tcp: PolicyChain
    private let policies: [AuthorizationPolicy]
    private let linkerd: LinkerdOrigin

    /// - Throws: what the workload's proxy would answer when it got these policies.
    package init(snapshot: MeshSnapshot, workload: MeshWorkload, keySets: KeySetSnapshot = KeySetSnapshot()) throws {
        let filters = WorkloadSecurity(snapshot: snapshot, workload: workload, keySets: keySets)
        http = try PolicyChain(http: filters.http)
        tcp = try PolicyChain(network: filters.tcp)
        policies = snapshot.authorizationPolicies(of: workload)
        linkerd = LinkerdOrigin(snapshot, workload)
    }

    /// Who is asked outside of the mesh before this answer holds, a sentence each.
    package func providers(of answer: Answer) -> [String] {
        answer.verdict.asked.map { name in
            let found = policy(named: name)
            let provider = policies.first { $0.metadata.name == found?.key.name && $0.action == .custom }?.provider
            let rule = found.map { "\($0.key) rule \($0.rule) (\($0.location))" } ?? name
            return "provider \(provider ?? "?") is asked, and may refuse: \(rule)"
        }
    }

    /// What policies of a dry run would have done, a sentence each.
    package func dryRuns(of answer: Answer) -> [String] {
        answer.verdict.dryRuns.compactMap { dryRun in
            let verb = dryRun.allows ? "allow" : "deny"
            if let found = policy(named: dryRun.rule) {
                return "dry run: \(found.key) rule \(found.rule) (\(found.location)) would \(verb) it"
            }
            return dryRun.allows ? nil : "dry run: no rule matches, it would be denied"
        }
    }

    package func ask(_ question: PolicyQuestion) -> Answer {
        let verdict = (question.isRequest ? http : tcp).decide(question)
        let found = policy(named: verdict.rule)
        return Answer(
            verdict: verdict, policy: found?.key, rule: found?.rule, location: found?.location,
            reason: reason(verdict, found, port: question.port))
    }

    private typealias Found = (key: ResourceKey, rule: Int, location: SourceLocation)

    private func policy(named name: String) -> Found? {
        for policy in policies {
            for number in 0..<max(1, policy.rules.count) {
                let text = "ns[\(policy.metadata.namespace)]-policy[\(policy.metadata.name)]-rule[\(number)]"
                guard name.contains(text) else { continue }
                let key = ResourceKey(
                    group: "security.istio.io", kind: "AuthorizationPolicy", namespace: policy.metadata.namespace,
                    name: policy.metadata.name)
                let location = number < policy.rules.count ? policy.rules[number].location : policy.metadata.location
                return (key, number, location)
            }
        }
        return nil
    }

    private func reason(_ verdict: PolicyVerdict, _ found: Found?, port: UInt16) -> String {
        switch verdict.outcome {
        case .tokenRefused(let status, let reason): return "\(status): \(reason)"
        case .denied:
            if let found { return "denied by \(found.key) rule \(found.rule) (\(found.location))" }
            if !verdict.rule.isEmpty { return "denied by \(verdict.rule)" }
            let names = policies.filter { $0.action == .allow && !$0.isDryRun }.map {
                "\($0.metadata.namespace)/\($0.metadata.name) (\($0.metadata.location))"
            }
            return names.isEmpty
                ? "denied: \(linkerd.refusal(port: port))"
                : "denied: no rule of the ALLOW policies matches: \(names.joined(separator: ", "))"
        case .allowed:
            if let found { return "allowed by \(found.key) rule \(found.rule) (\(found.location))" }
            if let origin = linkerd.text(ofRule: verdict.rule) { return "allowed by \(origin)" }
            return policies.contains { $0.action == .deny && !$0.isDryRun }
                ? "allowed: no DENY policy matches and no ALLOW policy holds for the workload"
                : "allowed: no policy holds for the workload"
        }
    }
}
