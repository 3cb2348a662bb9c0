internal import Routing

/// Turns condition trees into the flat list of tests, from the last test to the first: what follows a test is known
/// before the test is made.
struct AuthorizerCompiler {
    var pool = PatternPoolBuilder()
    var tests: [ConditionTest] = []
    var headers: [HeaderTest] = []
    var ranges: [AddressRange] = []
    var metadata: [MetadataTest] = []
    var policies: [CompiledPolicy] = []

    mutating func compile(_ rules: RuleSetSpec) throws(AuthorizationError) -> CompiledRules {
        guard policies.count + rules.policies.count < Int(UInt16.max) else { throw .tooManyPolicies }
        let first = policies.count
        for policy in rules.policies {
            policies.append(
                CompiledPolicy(
                    name: pool.add(policy.name), details: pool.add(Self.details(policy.name)), origin: policy.origin))
        }
        var entry = Exit.noMatch
        for (index, policy) in rules.policies.enumerated().reversed() {
            let condition = ConditionSpec.all([.any(policy.permissions), .any(policy.principals)])
            let matched = Exit.matched(UInt16(first + index))
            do {
                entry = try emit(condition, whenHolds: matched, whenNot: entry)
            } catch {
                throw .invalidPattern(policy: policy.name, error)
            }
        }
        return CompiledRules(action: rules.action, entry: entry)
    }

    /// Envoy's response code details; white space would end the field in a log line.
    static func details(_ policy: String) -> String {
        let name = String(String.UnicodeScalarView(policy.unicodeScalars.map { $0.properties.isWhitespace ? "_" : $0 }))
        return "rbac_access_denied_matched_policy[\(name)]"
    }

    /// Makes the tests of `condition` and answers the number of the first, or an exit when nothing has to be tested.
    private mutating func emit(
        _ condition: ConditionSpec, whenHolds: Int32, whenNot: Int32
    ) throws(RegexProgram.Invalid) -> Int32 {
        if whenHolds == whenNot { return whenHolds }
        var test = ConditionTest(kind: .authenticated, whenHolds: whenHolds, whenNot: whenNot)
        switch condition {
        case .always: return whenHolds
        case .not(let inner): return try emit(inner, whenHolds: whenNot, whenNot: whenHolds)
        case .all(let parts):
            var entry = whenHolds
            for part in parts.reversed() { entry = try emit(part, whenHolds: entry, whenNot: whenNot) }
            return entry
        case .any(let parts):
            var entry = whenNot
            for part in parts.reversed() { entry = try emit(part, whenHolds: whenHolds, whenNot: entry) }
            return entry
        case .header(let spec):
            test.kind = .header
            test.index = UInt32(headers.count)
            headers.append(try HeaderTest(spec, pool: &pool))
        case .path(let pattern):
            test.kind = .path
            test.pattern = try pool.add(pattern)
        case .destinationAddress(let range):
            test.kind = .destinationAddress
            test.index = add(range)
        case .sourceAddress(let range):
            test.kind = .sourceAddress
            test.index = add(range)
        case .directAddress(let range):
            test.kind = .directAddress
            test.index = add(range)
        case .remoteAddress(let range):
            test.kind = .remoteAddress
            test.index = add(range)
        case .destinationPort(let ports):
            test.kind = .destinationPort
            test.lowPort = ports.lowerBound
            test.highPort = ports.upperBound
        case .principal(nil): test.kind = .authenticated
        case .principal(let pattern?):
            test.kind = .principal
            test.pattern = try pool.add(pattern)
        case .metadata(let spec):
            test.kind = .metadata
            test.index = UInt32(metadata.count)
            metadata.append(try MetadataTest(spec, pool: &pool))
        case .serverName(let pattern):
            test.kind = .serverName
            test.pattern = try pool.add(pattern)
        }
        tests.append(test)
        return Int32(tests.count - 1)
    }

    private mutating func add(_ range: AddressRange) -> UInt32 {
        ranges.append(range)
        return UInt32(ranges.count - 1)
    }
}
