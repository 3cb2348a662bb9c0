import Authorization
import Routing
import SwiftProtobuf
import XDS

extension RouteCompiler {
    mutating func match(_ message: Envoy_Config_Route_V3_RouteMatch, _ path: String) -> RouteMatchSpec? {
        refuse(message.hasTlsContext, path + ".tls_context")
        let test: RouteMatchSpec.Path
        switch message.pathSpecifier {
        case .prefix(let prefix): test = .prefix(prefix)
        case .path(let exact): test = .exact(exact)
        case .safeRegex(let regex): test = .regex(regex.regex)
        case .connectMatcher: test = .connect
        case .pathSeparatedPrefix(let prefix):
            if !prefix.hasPrefix("/") || prefix.hasSuffix("/") || prefix.contains("?") || prefix.contains("#") {
                issues.append(
                    CompileIssue(
                        path: path + ".path_separated_prefix",
                        message: "\"\(prefix)\" must begin with / and neither end with it nor hold ? or #"))
            }
            test = .segmentPrefix(prefix)
        case nil:
            issues.append(
                CompileIssue(path: path, message: "needs prefix, path, safe_regex or path_separated_prefix"))
            return nil
        }
        var match = RouteMatchSpec(path: test)
        match.caseSensitive = message.hasCaseSensitive ? message.caseSensitive.value : true
        match.grpcOnly = message.hasGrpc
        if message.hasRuntimeFraction {
            match.runtimeFraction = millionths(message.runtimeFraction.defaultValue, path + ".runtime_fraction")
        }
        for (index, header) in message.headers.enumerated() {
            if let compiled = headerMatch(header, "\(path).headers[\(index)]") { match.headers.append(compiled) }
        }
        for (index, parameter) in message.queryParameters.enumerated() {
            let place = "\(path).query_parameters[\(index)]"
            if parameter.name.isEmpty {
                issues.append(CompileIssue(path: place + ".name", message: "must not be empty"))
            }
            match.queryParameters.append(QueryMatchSpec(name: parameter.name, pattern: query(parameter, place)))
        }
        match.condition = condition(message.dynamicMetadata, path + ".dynamic_metadata")
        return match
    }

    /// The number of what the request's metadata must hold; .max when nothing is asked, or, with issues, the impossible.
    private mutating func condition(_ messages: [Envoy_Type_Matcher_V3_MetadataMatcher], _ path: String) -> UInt32 {
        if messages.isEmpty { return .max }
        let before = issues.count
        let specs = messages.enumerated().compactMap { index, message in
            MetadataMatchSpec(message, path: "\(path)[\(index)]", issues: &issues)
        }
        guard issues.count == before else { return .max }
        do throws(AuthorizationError) {
            return try parts.registry.condition(specs)
        } catch {
            issues.append(CompileIssue(path: path, message: error.description))
            return .max
        }
    }

    private mutating func query(
        _ message: Envoy_Config_Route_V3_QueryParameterMatcher, _ path: String
    ) -> StringPattern? {
        switch message.queryParameterMatchSpecifier {
        case .stringMatch(let string): return StringPattern(string, path: path + ".string_match", issues: &issues)
        case .presentMatch(let present):
            refuse(!present, path + ".present_match", "false is not supported")
            return nil
        case nil: return nil
        }
    }

    private mutating func headerMatch(
        _ message: Envoy_Config_Route_V3_HeaderMatcher, _ path: String
    ) -> HeaderMatchSpec? {
        HeaderMatchSpec(message, path: path, issues: &issues)
    }

    /// A share in millionths.
    mutating func millionths(_ message: Envoy_Type_V3_FractionalPercent, _ path: String) -> UInt32 {
        let perUnit: UInt64 =
            switch message.denominator {
            case .hundred: 10_000
            case .tenThousand: 100
            case .million: 1
            case .UNRECOGNIZED(let number):
                {
                    issues.append(
                        CompileIssue(path: path + ".default_value.denominator", message: "unknown value \(number)"))
                    return 0
                }()
            }
        return UInt32(min(1_000_000, UInt64(message.numerator) * perUnit))
    }
}

extension HeaderMatchSpec {
    /// envoy.config.route.v3.HeaderMatcher; nil, with an issue, when it cannot be honoured.
    init?(_ message: Envoy_Config_Route_V3_HeaderMatcher, path: String, issues: inout [CompileIssue]) {
        if message.name.isEmpty {
            issues.append(CompileIssue(path: path + ".name", message: "must not be empty"))
            return nil
        }
        var test = Test.present
        var isInverted = message.invertMatch
        switch message.headerMatchSpecifier {
        case .exactMatch(let text): test = .matches(.exact(text))
        case .prefixMatch(let text): test = .matches(.prefix(text))
        case .suffixMatch(let text): test = .matches(.suffix(text))
        case .containsMatch(let text): test = .matches(.contains(text))
        case .safeRegexMatch(let regex): test = .matches(.regex(regex.regex))
        case .rangeMatch(let range): test = .range(range.start, range.end)
        case .presentMatch(let isPresent): if !isPresent { isInverted.toggle() }
        case .stringMatch(let string):
            guard let pattern = StringPattern(string, path: path + ".string_match", issues: &issues) else { return nil }
            test = .matches(pattern)
        case nil: break
        }
        self.init(
            name: message.name, test: test, inverted: isInverted, missingIsEmpty: message.treatMissingHeaderAsEmpty)
    }
}

extension StringPattern {
    /// envoy.type.matcher.v3.StringMatcher; nil, with an issue, when it is empty or its regular expression is invalid.
    init?(_ message: Envoy_Type_Matcher_V3_StringMatcher, path: String, issues: inout [CompileIssue]) {
        switch message.matchPattern {
        case .exact(let text): self.init(.exact, text, ignoresCase: message.ignoreCase)
        case .prefix(let text): self.init(.prefix, text, ignoresCase: message.ignoreCase)
        case .suffix(let text): self.init(.suffix, text, ignoresCase: message.ignoreCase)
        case .contains(let text): self.init(.contains, text, ignoresCase: message.ignoreCase)
        case .safeRegex(let regex):
            do throws(RegexProgram.Invalid) {
                _ = try RegexProgram(regex.regex)
            } catch {
                issues.append(CompileIssue(path: path + ".safe_regex", message: error.description))
                return nil
            }
            self.init(.regex, regex.regex)
        case nil:
            issues.append(CompileIssue(path: path, message: "needs exact, prefix, suffix, contains or safe_regex"))
            return nil
        }
    }
}
