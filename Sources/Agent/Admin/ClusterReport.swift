import EventLoop
import Proxy
import Resilience

/// One cluster's limits and endpoints as `/clusters` shows them, in Envoy's form.
enum ClusterReport {
    /// - Parameter isOwn: of the bootstrap, not of a control plane.
    static func lines(_ cluster: ClusterDescriptor, isOwn: Bool) -> String {
        let name = cluster.name
        var text = "\(name)::observability_name::\(cluster.statName)\n"
        if cluster.outliers != nil {
            let rate = average(cluster)
            text += "\(name)::outlier::success_rate_average::\(rate)\n"
        }
        for (priority, breaker) in [("default", cluster.breaker), ("high", cluster.highBreaker)] {
            let limits = breaker.limits
            text += "\(name)::\(priority)_priority::max_connections::\(limits.connections)\n"
            text += "\(name)::\(priority)_priority::max_pending_requests::\(limits.pendingRequests)\n"
            text += "\(name)::\(priority)_priority::max_requests::\(limits.requests)\n"
            text += "\(name)::\(priority)_priority::max_retries::\(limits.retries)\n"
        }
        text += "\(name)::added_via_api::\(!isOwn)\n"
        for (host, endpoint) in cluster.endpoints.enumerated() {
            let prefix = "\(name)::\(endpoint.address)"
            text += "\(prefix)::hostname::\(endpoint.hostname)\n"
            text += "\(prefix)::health_flags::\(flags(endpoint, cluster.health.flags(host)))\n"
            text += "\(prefix)::weight::\(endpoint.weight)\n"
            text += "\(prefix)::region::\(endpoint.locality.region)\n"
            text += "\(prefix)::zone::\(endpoint.locality.zone)\n"
            text += "\(prefix)::sub_zone::\(endpoint.locality.subzone)\n"
            text += "\(prefix)::canary::false\n"
            text += "\(prefix)::priority::\(endpoint.priority)\n"
            text += "\(prefix)::success_rate::\(cluster.health.successRate(host) ?? -1)\n"
            text += "\(prefix)::local_origin_success_rate::\(cluster.health.successRate(host, local: true) ?? -1)\n"
        }
        return text
    }

    /// envoy.admin.v3.ClusterStatus. As in Envoy's, what is false, 0 or empty is left out.
    static func json(_ cluster: ClusterDescriptor, isOwn: Bool) -> String {
        let hosts = cluster.endpoints.enumerated().map { host($1, cluster.health.flags($0)) }
        let thresholds = [("", cluster.breaker), ("\"priority\":\"HIGH\",", cluster.highBreaker)].map {
            priority, breaker in
            let limits = breaker.limits
            return """
                {\(priority)"max_connections":\(limits.connections),"max_pending_requests":\(limits.pendingRequests),\
                "max_requests":\(limits.requests),"max_retries":\(limits.retries)}
                """
        }
        return """
            {"name":\(JSONText.quoted(cluster.name)),\(isOwn ? "" : "\"added_via_api\":true,")\
            \(hosts.isEmpty ? "" : "\"host_statuses\":[\(hosts.joined(separator: ","))],")\
            "circuit_breakers":{"thresholds":[\(thresholds.joined(separator: ","))]},\
            "observability_name":\(JSONText.quoted(cluster.statName))}
            """
    }

    private static func host(_ endpoint: EndpointDescriptor, _ flags: EndpointHealth.Flags) -> String {
        var health: [String] = []
        if flags.contains(.failedActiveCheck) { health.append("\"failed_active_health_check\":true") }
        if flags.contains(.failedOutlierCheck) { health.append("\"failed_outlier_check\":true") }
        if flags.contains(.pendingActiveCheck) { health.append("\"pending_active_hc\":true") }
        let name =
            switch endpoint.health {
            case .healthy: "HEALTHY"
            case .unhealthy: "UNHEALTHY"
            case .draining: "DRAINING"
            case .degraded: "DEGRADED"
            }
        health.append("\"eds_health_status\":\"\(name)\"")
        let locality = [
            ("region", endpoint.locality.region), ("zone", endpoint.locality.zone),
            ("sub_zone", endpoint.locality.subzone),
        ].filter { !$0.1.isEmpty }.map { "\"\($0.0)\":\(JSONText.quoted($0.1))" }
        let priority = endpoint.priority == 0 ? "" : "\"priority\":\(endpoint.priority),"
        let hostname = endpoint.hostname.isEmpty ? "" : "\"hostname\":\(JSONText.quoted(endpoint.hostname)),"
        return """
            {"address":\(JSONText.address(endpoint.address)),"health_status":{\(health.joined(separator: ","))},\
            "weight":\(endpoint.weight),\(hostname)\(priority)"locality":{\(locality.joined(separator: ","))}}
            """
    }

    private static func average(_ cluster: ClusterDescriptor) -> Double {
        let rates = cluster.endpoints.indices.compactMap { cluster.health.successRate($0) }
        return rates.isEmpty ? -1 : rates.reduce(0, +) / Double(rates.count)
    }

    private static func flags(_ endpoint: EndpointDescriptor, _ flags: EndpointHealth.Flags) -> String {
        var text = ""
        if flags.contains(.failedActiveCheck) { text += "/failed_active_hc" }
        if flags.contains(.failedOutlierCheck) { text += "/failed_outlier_check" }
        switch endpoint.health {
        case .healthy: break
        case .unhealthy: text += "/failed_eds_health"
        case .draining: text += "/eds_status_draining"
        case .degraded: text += "/degraded_eds_health"
        }
        if flags.contains(.pendingActiveCheck) { text += "/pending_active_hc" }
        return text.isEmpty ? "healthy" : text
    }
}
