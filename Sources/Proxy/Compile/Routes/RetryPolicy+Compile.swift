import Resilience
import Routing
import SwiftProtobuf
import XDS

extension RetryPolicy {
    /// envoy.config.route.v3.RetryPolicy.
    init(_ message: Envoy_Config_Route_V3_RetryPolicy, path: String, issues: inout [CompileIssue]) {
        self.init()
        var unknown: [String] = []
        conditions = Conditions(retryOn: message.retryOn, unknown: &unknown)
        for word in unknown {
            issues.append(CompileIssue(path: path + ".retry_on", message: "unknown condition \"\(word)\""))
        }
        retries = message.hasNumRetries ? message.numRetries.value : 1
        if message.hasPerTryTimeout {
            perTryTimeout = Nanoseconds.read(
                message.perTryTimeout, path: path + ".per_try_timeout", issues: &issues)
        }
        if message.hasPerTryIdleTimeout {
            perTryIdleTimeout = Nanoseconds.read(
                message.perTryIdleTimeout, path: path + ".per_try_idle_timeout", issues: &issues)
        }
        if message.hasRetryPriority {
            let any = message.retryPriority.typedConfig
            let place = path + ".retry_priority.typed_config"
            if let priorities = unpack(
                any, as: Envoy_Extensions_Retry_Priority_PreviousPriorities_V3_PreviousPrioritiesConfig.self,
                path: place, issues: &issues)
            {
                priorityUpdateFrequency = UInt32(clamping: priorities.updateFrequency)
                if priorities.updateFrequency <= 0 {
                    issues.append(CompileIssue(path: place + ".update_frequency", message: "must be above 0"))
                }
            }
        }
        for code in message.retriableStatusCodes { statusCodes.insert(code) }
        if message.hasRetryBackOff {
            let backOff = message.retryBackOff
            backOffBase = Nanoseconds.read(
                backOff.baseInterval, path: path + ".retry_back_off.base_interval", issues: &issues)
            backOffLimit =
                backOff.hasMaxInterval
                ? Nanoseconds.read(
                    backOff.maxInterval, path: path + ".retry_back_off.max_interval", issues: &issues)
                : backOffBase * 10
            if backOffBase == 0 || backOffLimit < backOffBase {
                issues.append(
                    CompileIssue(
                        path: path + ".retry_back_off",
                        message: "base_interval must be above 0s and max_interval not below it"))
            }
        }
        hostSelectionAttempts = UInt32(clamping: message.hostSelectionRetryMaxAttempts)
        for (index, predicate) in message.retryHostPredicate.enumerated() {
            let isKnown =
                predicate.name == "envoy.retry_host_predicates.previous_hosts"
                || predicate.typedConfig.isA(Envoy_Extensions_Retry_Host_PreviousHosts_V3_PreviousHostsPredicate.self)
            if isKnown {
                avoidsPreviousHosts = true
            } else {
                issues.append(
                    CompileIssue(
                        path: "\(path).retry_host_predicate[\(index)]",
                        message: "\(predicate.name) is not supported; only previous_hosts is"))
            }
        }
        func refuse(_ isSet: Bool, _ field: String) {
            if isSet { issues.append(CompileIssue(path: "\(path).\(field)", message: "not supported yet")) }
        }
        refuse(message.hasRateLimitedRetryBackOff, "rate_limited_retry_back_off")
    }
}

extension RetryHeaders {
    /// `retriable_request_headers` and `retriable_headers` of an envoy.config.route.v3.RetryPolicy.
    init(_ message: Envoy_Config_Route_V3_RetryPolicy, path: String, issues: inout [CompileIssue]) {
        self.init()
        request = Self.tests(
            message.retriableRequestHeaders, path: path + ".retriable_request_headers", issues: &issues)
        response = Self.tests(message.retriableHeaders, path: path + ".retriable_headers", issues: &issues)
    }

    private static func tests(
        _ messages: [Envoy_Config_Route_V3_HeaderMatcher], path: String, issues: inout [CompileIssue]
    ) -> [HeaderTestSet] {
        var tests: [HeaderTestSet] = []
        for (index, message) in messages.enumerated() {
            let place = "\(path)[\(index)]"
            guard let spec = HeaderMatchSpec(message, path: place, issues: &issues) else { continue }
            do throws(RegexProgram.Invalid) {
                tests.append(try HeaderTestSet([spec]))
            } catch {
                issues.append(CompileIssue(path: place, message: "\(error)"))
            }
        }
        return tests
    }
}
