internal import Authentication
internal import HeaderBlock
package import Routing

/// One compiled RBAC filter. Evaluation allocates nothing.
///
/// The conditions of all policies are one flat list of tests. Each test names the test that follows when it holds and the
/// one that follows when it does not, so that evaluation is a single loop without a stack: and, or, not and the step from
/// one policy to the next exist only in these numbers.
package struct Authorizer: Sendable {
    let pool: PatternPool
    let tests: [ConditionTest]
    let headers: [HeaderTest]
    let ranges: [AddressRange]
    let metadata: [MetadataTest]
    private let rules: CompiledRules?
    private let shadow: CompiledRules?
    private let policies: [CompiledPolicy]
    private let deniedWithoutPolicy: PooledBytes
    /// By policy: its name as metadata; empty without shadow rules.
    private let documents: [JSONDocument]
    private let shadowPolicyKey: [UInt8]
    private let shadowResultKey: [UInt8]
    private static let results = ["allowed", "denied"].map { result in
        var builder = JSONDocumentBuilder()
        builder.add(result)
        return builder.finish()
    }
    private static let metadataName = Array("envoy.filters.http.rbac".utf8)
    private static let connectionMetadataName = Array("envoy.filters.network.rbac".utf8)
    /// Where access logs look whether a request is to be logged (Istio's AUDIT).
    private static let commonName = Array("envoy.common".utf8)
    private static let hintKey = Array("access_log_hint".utf8)
    private static let hints = [false, true].map { hint in
        var builder = JSONDocumentBuilder()
        builder.add(hint)
        return builder.finish()
    }

    /// Compiles `spec`; fails for an invalid regular expression, or for more than 65,534 policies.
    package init(_ spec: AuthorizationSpec) throws(AuthorizationError) {
        var compiler = AuthorizerCompiler()
        rules = try spec.rules.map { (rules) throws(AuthorizationError) in try compiler.compile(rules) }
        shadow = try spec.shadowRules.map { (rules) throws(AuthorizationError) in try compiler.compile(rules) }
        deniedWithoutPolicy = compiler.pool.add(AuthorizerCompiler.details("none"))
        pool = compiler.pool.finish()
        tests = compiler.tests
        headers = compiler.headers
        ranges = compiler.ranges
        metadata = compiler.metadata
        policies = compiler.policies
        shadowPolicyKey = Array((spec.shadowPrefix + "shadow_effective_policy_id").utf8)
        shadowResultKey = Array((spec.shadowPrefix + "shadow_engine_result").utf8)
        let pool = pool
        documents =
            spec.shadowRules == nil
            ? []
            : policies.map { policy in
                var builder = JSONDocumentBuilder()
                builder.add(pool.string(policy.name))
                return builder.finish()
            }
    }

    /// Tells filters behind, and logs, which shadow policy matched and whether the request is to be logged, as Envoy does.
    package func record(
        _ verdict: AuthorizationVerdict, in metadata: inout RequestMetadata, ofConnection isConnection: Bool = false
    ) {
        if let rules, rules.action == .log {
            metadata.set(filter: Self.commonName, key: Self.hintKey, Self.hints[verdict.isLogged ? 1 : 0])
        }
        guard verdict.shadow != .none else { return }
        let filter = isConnection ? Self.connectionMetadataName : Self.metadataName
        metadata.set(
            filter: filter, key: shadowResultKey, verdict.shadow == .allowed ? Self.results[0] : Self.results[1])
        guard verdict.shadowPolicy != .none else { return }
        metadata.set(
            filter: filter, key: shadowPolicyKey,
            documents[Int(verdict.shadowPolicy.index)])
    }

    /// Decides about one request or connection.
    package func decide(_ input: borrowing AuthorizationInput) -> AuthorizationVerdict {
        var verdict = AuthorizationVerdict(
            isAllowed: true, policy: .none, shadow: .none, shadowPolicy: .none, isLogged: false)
        if let rules {
            verdict.policy = firstMatch(from: rules.entry, input)
            verdict.isAllowed = rules.allows(matched: verdict.policy != .none)
            verdict.isLogged = rules.action == .log && verdict.policy != .none
        }
        if let shadow {
            verdict.shadowPolicy = firstMatch(from: shadow.entry, input)
            verdict.shadow = shadow.allows(matched: verdict.shadowPolicy != .none) ? .allowed : .denied
        }
        return verdict
    }

    /// Envoy's response code details of a denial: `rbac_access_denied_matched_policy[NAME]`, without white space.
    @_lifetime(borrow self)
    package func details(_ policy: PolicyID) -> Span<UInt8> {
        let run = policy == .none ? deniedWithoutPolicy : policies[Int(policy.index)].details
        return pool.span(run)
    }

    /// The same, as text.
    package func detailsText(_ policy: PolicyID) -> String {
        pool.string(policy == .none ? deniedWithoutPolicy : policies[Int(policy.index)].details)
    }

    /// The names of its policies, by their numbers.
    package var names: [String] { policies.map { pool.string($0.name) } }

    /// The name of a policy, empty for none; for messages and the admin interface.
    package func name(_ policy: PolicyID) -> String {
        policy == .none ? "" : pool.string(policies[Int(policy.index)].name)
    }

    /// The resource that made a policy.
    package func origin(_ policy: PolicyID) -> Origin {
        policy == .none ? .none : policies[Int(policy.index)].origin
    }

    /// Without query; empty for a connection.
    private static func path(of input: borrowing AuthorizationInput) -> ByteRange {
        guard let head = input.head else { return ByteRange(start: 0, length: 0) }
        return head.pathWithoutQuery
    }

    private func firstMatch(from entry: Int32, _ input: borrowing AuthorizationInput) -> PolicyID {
        let tests = tests.span
        // Found once, not by each test.
        let path = Self.path(of: input)
        var next = entry
        while next >= 0 {
            let test = tests[Int(next)]
            next = holds(test, path, input) ? test.whenHolds : test.whenNot
        }
        return next == Exit.noMatch ? .none : PolicyID(index: Exit.policy(next))
    }
}

/// Why a specification cannot be compiled.
package enum AuthorizationError: Error, Sendable, CustomStringConvertible {
    case invalidPattern(policy: String, RegexProgram.Invalid)
    case tooManyPolicies

    package var description: String {
        switch self {
        case .invalidPattern(let policy, let reason): "policy \(policy): \(reason)"
        case .tooManyPolicies: "more than \(UInt16.max - 1) policies in one filter"
        }
    }
}

/// Where evaluation begins, and what a match means.
struct CompiledRules: Sendable {
    let action: RuleSetSpec.Action
    /// A test, or an `Exit`.
    let entry: Int32

    func allows(matched: Bool) -> Bool {
        switch action {
        case .allow: matched
        case .deny: !matched
        case .log: true
        }
    }
}

struct CompiledPolicy: Sendable {
    let name: PooledBytes
    let details: PooledBytes
    let origin: Origin
}

/// Negative test numbers: the end of evaluation.
enum Exit {
    static var noMatch: Int32 { -1 }
    static func matched(_ policy: UInt16) -> Int32 { -2 - Int32(policy) }
    static func policy(_ exit: Int32) -> UInt16 { UInt16(truncatingIfNeeded: -2 - exit) }
}
