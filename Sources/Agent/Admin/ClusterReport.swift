import EventLoop
import Proxy
import Resilience

/// One cluster's limits and endpoints as `/clusters` shows them, in Envoy's form.
enum ClusterReport {
    static func lines(_ cluster: ClusterDescriptor) -> String {
        let name = cluster.name
        var text = ""
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
        for (host, endpoint) in cluster.endpoints.enumerated() {
            let prefix = "\(name)::\(endpoint.address)"
            text += "\(prefix)::hostname::\(endpoint.hostname)\n"
            text += "\(prefix)::health_flags::\(flags(endpoint, cluster.health.flags(host)))\n"
            text += "\(prefix)::weight::\(endpoint.weight)\n"
            text += "\(prefix)::region::\(endpoint.locality.region)\n"
            text += "\(prefix)::zone::\(endpoint.locality.zone)\n"
            text += "\(prefix)::sub_zone::\(endpoint.locality.subzone)\n"
            text += "\(prefix)::priority::\(endpoint.priority)\n"
            text += "\(prefix)::success_rate::\(cluster.health.successRate(host) ?? -1)\n"
            text += "\(prefix)::local_origin_success_rate::\(cluster.health.successRate(host, local: true) ?? -1)\n"
        }
        return text
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
