import FoundationEssentials
import Resilience
import SwiftProtobuf
import XDS

/// Circuit breakers, outlier detection and active health checks of a cluster.
extension ClusterCompiler {
    func limits(
        _ breakers: Envoy_Config_Cluster_V3_CircuitBreakers, _ priority: Envoy_Config_Core_V3_RoutingPriority
    ) -> CircuitLimits {
        var limits = CircuitLimits()
        guard let threshold = breakers.thresholds.first(where: { $0.priority == priority }) else { return limits }
        if threshold.hasMaxConnections { limits.connections = threshold.maxConnections.value }
        if threshold.hasMaxPendingRequests { limits.pendingRequests = threshold.maxPendingRequests.value }
        if threshold.hasMaxRequests { limits.requests = threshold.maxRequests.value }
        if threshold.hasMaxRetries { limits.retries = threshold.maxRetries.value }
        if threshold.hasRetryBudget {
            let budget = threshold.retryBudget
            limits.retryBudgetPercent = budget.hasBudgetPercent ? budget.budgetPercent.value : 20
            if budget.hasMinRetryConcurrency { limits.retryBudgetMinimum = budget.minRetryConcurrency.value }
        }
        return limits
    }

    mutating func outliers(_ message: Envoy_Config_Cluster_V3_OutlierDetection) -> OutlierPolicy {
        var policy = OutlierPolicy()
        func set(_ target: inout UInt32, _ isSet: Bool, _ value: Google_Protobuf_UInt32Value) {
            if isSet { target = value.value }
        }
        func percent(_ target: inout UInt32, _ isSet: Bool, _ value: Google_Protobuf_UInt32Value, _ field: String) {
            guard isSet else { return }
            target = min(100, value.value)
            if value.value > 100 {
                issues.append(CompileIssue(path: "outlier_detection.\(field)", message: "must not exceed 100"))
            }
        }
        set(&policy.consecutive5xx, message.hasConsecutive5Xx, message.consecutive5Xx)
        set(
            &policy.consecutiveGatewayErrors, message.hasConsecutiveGatewayFailure, message.consecutiveGatewayFailure)
        set(
            &policy.consecutiveLocalFailures, message.hasConsecutiveLocalOriginFailure,
            message.consecutiveLocalOriginFailure)
        policy.splitsLocalErrors = message.splitExternalLocalOriginErrors
        percent(
            &policy.enforcing5xx, message.hasEnforcingConsecutive5Xx, message.enforcingConsecutive5Xx,
            "enforcing_consecutive_5xx")
        percent(
            &policy.enforcingGatewayErrors, message.hasEnforcingConsecutiveGatewayFailure,
            message.enforcingConsecutiveGatewayFailure, "enforcing_consecutive_gateway_failure")
        percent(
            &policy.enforcingLocalFailures, message.hasEnforcingConsecutiveLocalOriginFailure,
            message.enforcingConsecutiveLocalOriginFailure, "enforcing_consecutive_local_origin_failure")
        percent(
            &policy.maximumPercent, message.hasMaxEjectionPercent, message.maxEjectionPercent, "max_ejection_percent")
        percent(
            &policy.successRate.enforcing, message.hasEnforcingSuccessRate, message.enforcingSuccessRate,
            "enforcing_success_rate")
        percent(
            &policy.successRate.enforcingLocal, message.hasEnforcingLocalOriginSuccessRate,
            message.enforcingLocalOriginSuccessRate, "enforcing_local_origin_success_rate")
        set(&policy.successRate.minimumHosts, message.hasSuccessRateMinimumHosts, message.successRateMinimumHosts)
        set(&policy.successRate.requestVolume, message.hasSuccessRateRequestVolume, message.successRateRequestVolume)
        set(&policy.deviationFactor, message.hasSuccessRateStdevFactor, message.successRateStdevFactor)
        percent(
            &policy.failureThreshold, message.hasFailurePercentageThreshold, message.failurePercentageThreshold,
            "failure_percentage_threshold")
        percent(
            &policy.failurePercentage.enforcing, message.hasEnforcingFailurePercentage,
            message.enforcingFailurePercentage, "enforcing_failure_percentage")
        percent(
            &policy.failurePercentage.enforcingLocal, message.hasEnforcingFailurePercentageLocalOrigin,
            message.enforcingFailurePercentageLocalOrigin, "enforcing_failure_percentage_local_origin")
        set(
            &policy.failurePercentage.minimumHosts, message.hasFailurePercentageMinimumHosts,
            message.failurePercentageMinimumHosts)
        set(
            &policy.failurePercentage.requestVolume, message.hasFailurePercentageRequestVolume,
            message.failurePercentageRequestVolume)
        times(message, &policy)
        policy.alwaysEjectsOne = message.alwaysEjectOneHost.value
        if message.hasSuccessfulActiveHealthCheckUnejectHost {
            policy.healthCheckReturns = message.successfulActiveHealthCheckUnejectHost.value
        }
        return policy
    }

    private mutating func times(
        _ message: Envoy_Config_Cluster_V3_OutlierDetection, _ policy: inout OutlierPolicy
    ) {
        func set(_ target: inout UInt64, _ isSet: Bool, _ value: Google_Protobuf_Duration, _ field: String) {
            guard isSet else { return }
            let path = "outlier_detection." + field
            let time = milliseconds(value, path: path, fallback: 1, issues: &issues)
            if time == 0, field != "max_ejection_time_jitter" {
                issues.append(CompileIssue(path: path, message: "must be above 0s"))
            }
            target = UInt64(time) * 1_000_000
        }
        set(&policy.interval, message.hasInterval, message.interval, "interval")
        set(&policy.baseEjection, message.hasBaseEjectionTime, message.baseEjectionTime, "base_ejection_time")
        set(&policy.maximumEjection, message.hasMaxEjectionTime, message.maxEjectionTime, "max_ejection_time")
        set(
            &policy.ejectionJitter, message.hasMaxEjectionTimeJitter, message.maxEjectionTimeJitter,
            "max_ejection_time_jitter")
    }

    // MARK: Health checks

    mutating func healthChecks(_ messages: [Envoy_Config_Core_V3_HealthCheck]) -> [HealthCheckPolicy] {
        messages.enumerated().compactMap { healthCheck($0.element, "health_checks[\($0.offset)]") }
    }

    private mutating func healthCheck(_ message: Envoy_Config_Core_V3_HealthCheck, _ path: String) -> HealthCheckPolicy?
    {
        guard let kind = checkKind(message, path) else { return nil }
        var policy = HealthCheckPolicy(kind: kind)
        func read(_ isSet: Bool, _ value: Google_Protobuf_Duration, _ field: String) -> UInt64? {
            guard isSet else { return nil }
            return UInt64(milliseconds(value, path: "\(path).\(field)", fallback: 1000, issues: &issues))
        }
        func require(_ isSet: Bool, _ field: String) {
            if !isSet { issues.append(CompileIssue(path: "\(path).\(field)", message: "is required")) }
        }
        require(message.hasTimeout, "timeout")
        require(message.hasInterval, "interval")
        require(message.hasUnhealthyThreshold, "unhealthy_threshold")
        require(message.hasHealthyThreshold, "healthy_threshold")
        policy.timeout = max(1, read(message.hasTimeout, message.timeout, "timeout") ?? 1000)
        policy.interval = max(1, read(message.hasInterval, message.interval, "interval") ?? 5000)
        policy.initialJitter = read(message.hasInitialJitter, message.initialJitter, "initial_jitter") ?? 0
        policy.intervalJitter = read(message.hasIntervalJitter, message.intervalJitter, "interval_jitter") ?? 0
        policy.intervalJitterPercent = message.intervalJitterPercent
        policy.unhealthyThreshold = max(1, message.unhealthyThreshold.value)
        policy.healthyThreshold = max(1, message.healthyThreshold.value)
        policy.noTrafficInterval =
            read(message.hasNoTrafficInterval, message.noTrafficInterval, "no_traffic_interval") ?? 60_000
        policy.noTrafficHealthyInterval = read(
            message.hasNoTrafficHealthyInterval, message.noTrafficHealthyInterval, "no_traffic_healthy_interval")
        policy.unhealthyInterval = read(
            message.hasUnhealthyInterval, message.unhealthyInterval, "unhealthy_interval")
        policy.unhealthyEdgeInterval = read(
            message.hasUnhealthyEdgeInterval, message.unhealthyEdgeInterval, "unhealthy_edge_interval")
        policy.healthyEdgeInterval = read(
            message.hasHealthyEdgeInterval, message.healthyEdgeInterval, "healthy_edge_interval")
        return policy
    }

    private mutating func checkKind(
        _ message: Envoy_Config_Core_V3_HealthCheck, _ path: String
    ) -> HealthCheckPolicy.Kind? {
        switch message.healthChecker {
        case .httpHealthCheck(let http): return .http(httpCheck(http, path + ".http_health_check"))
        case .tcpHealthCheck(let tcp):
            let place = path + ".tcp_health_check"
            return .tcp(
                payload: tcp.hasSend ? payload(tcp.send, place + ".send") : [],
                expected: tcp.receive.enumerated().map { payload($0.element, "\(place).receive[\($0.offset)]") })
        case .grpcHealthCheck(let grpc): return .grpc(service: grpc.serviceName, authority: grpc.authority)
        case nil:
            issues.append(
                CompileIssue(
                    path: path, message: "needs http_health_check, tcp_health_check or grpc_health_check"))
            return nil
        }
    }

    private mutating func payload(_ message: Envoy_Config_Core_V3_HealthCheck.Payload, _ path: String) -> [UInt8] {
        switch message.payload {
        case .binary(let bytes): return Array(bytes)
        case .text(let text):
            let digits = Array(text.utf8)
            var bytes: [UInt8] = []
            for index in stride(from: 0, to: digits.count - 1, by: 2) {
                guard let byte = UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16) else {
                    break
                }
                bytes.append(byte)
            }
            if bytes.count * 2 != digits.count || digits.isEmpty {
                issues.append(CompileIssue(path: path + ".text", message: "must be hexadecimal digits, two a byte"))
            }
            return bytes
        case nil:
            issues.append(CompileIssue(path: path, message: "needs text or binary"))
            return []
        }
    }

    private mutating func httpCheck(
        _ message: Envoy_Config_Core_V3_HealthCheck.HttpHealthCheck, _ path: String
    ) -> HealthCheckPolicy.HTTPCheck {
        var check = HealthCheckPolicy.HTTPCheck()
        check.host = message.host
        check.path = message.path
        if !message.path.hasPrefix("/") {
            issues.append(CompileIssue(path: path + ".path", message: "must begin with /"))
        }
        switch message.method {
        case .methodUnspecified, .get: check.method = "GET"
        case .head: check.method = "HEAD"
        case .post: check.method = "POST"
        case .put: check.method = "PUT"
        case .delete: check.method = "DELETE"
        case .options: check.method = "OPTIONS"
        case .trace: check.method = "TRACE"
        case .patch: check.method = "PATCH"
        default: issues.append(CompileIssue(path: path + ".method", message: "is not supported for health checks"))
        }
        for (index, option) in message.requestHeadersToAdd.enumerated() {
            if option.header.value.contains("%") {
                issues.append(
                    CompileIssue(
                        path: "\(path).request_headers_to_add[\(index)].header.value",
                        message: "%operators% are not supported in health checks"))
            }
            check.headers.append(HealthCheckPolicy.Header(name: option.header.key, value: option.header.value))
        }
        check.removedHeaders = message.requestHeadersToRemove.map { $0.lowercased() }
        check.expected = ranges(message.expectedStatuses, path + ".expected_statuses")
        check.retriable = ranges(message.retriableStatuses, path + ".retriable_statuses")
        return check
    }

    private mutating func ranges(_ messages: [Envoy_Type_V3_Int64Range], _ path: String) -> [Range<Int>] {
        messages.enumerated().compactMap { index, range in
            guard range.start >= 100, range.end > range.start, range.end <= 600 else {
                issues.append(
                    CompileIssue(
                        path: "\(path)[\(index)]", message: "must be within 100 to 600, the start below the end"))
                return nil
            }
            return Int(range.start)..<Int(range.end)
        }
    }
}
