/// What Istio's standard metrics say about one workload; an empty field is reported as `unknown`.
package struct WorkloadLabels: Sendable, Hashable {
    package var workload = ""
    package var namespace = ""
    package var app = ""
    package var version = ""
    package var cluster = ""
    package var canonicalService = ""
    package var canonicalRevision = ""
    package var principal = ""

    package init(
        workload: String = "", namespace: String = "", app: String = "", version: String = "", cluster: String = "",
        canonicalService: String = "", canonicalRevision: String = "", principal: String = ""
    ) {
        self.workload = workload
        self.namespace = namespace
        self.app = app
        self.version = version
        self.cluster = cluster
        self.canonicalService = canonicalService
        self.canonicalRevision = canonicalRevision
        self.principal = principal
    }
}

/// What Istio's standard metrics say about a destination service.
package struct ServiceLabels: Sendable, Hashable {
    /// `destination_service`, e.g. `reviews.default.svc.cluster.local`.
    package var host = ""
    package var name = ""
    package var namespace = ""

    package init(host: String = "", name: String = "", namespace: String = "") {
        self.host = host
        self.name = name
        self.namespace = namespace
    }
}
