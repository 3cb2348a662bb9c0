package import Identity
import SwiftProtobuf
import Telemetry
package import XDS

/// Who this proxy is, as the bootstrap's node says it in Istio's way: `sidecar~IP~POD.NS~NS.svc.cluster.local`, and metadata.
package struct ProxyNode: Sendable, Equatable {
    package var namespace = ""
    package var serviceAccount = ""
    package var workload = ""
    package var labels: [String: String] = [:]
    package var clusterID = ""
    package var trustDomain = "cluster.local"
    package var domain = "cluster.local"

    package init(_ node: Envoy_Config_Core_V3_Node) {
        let fields = node.metadata.fields
        namespace = fields["NAMESPACE"]?.stringValue ?? ""
        serviceAccount = fields["SERVICE_ACCOUNT"]?.stringValue ?? ""
        workload = fields["WORKLOAD_NAME"]?.stringValue ?? ""
        clusterID = fields["CLUSTER_ID"]?.stringValue ?? ""
        labels = fields["LABELS"]?.structValue.fields.mapValues(\.stringValue) ?? [:]
        let parts = node.id.split(separator: "~", omittingEmptySubsequences: false)
        if parts.count == 4 {
            if namespace.isEmpty { namespace = parts[2].split(separator: ".").last.map(String.init) ?? "" }
            // NS.svc.DOMAIN
            let labels = parts[3].split(separator: ".")
            if labels.count > 2, labels[1] == "svc" { domain = labels.dropFirst(2).joined(separator: ".") }
        }
    }

    /// - Throws: when the bootstrap does not say who the workload is.
    package func identity() throws -> SPIFFEID {
        try SPIFFEID(trustDomain: trustDomain, namespace: namespace, serviceAccount: serviceAccount)
    }

    /// What the metrics say about this workload.
    var metricLabels: WorkloadLabels {
        let service =
            labels["service.istio.io/canonical-name"] ?? labels["app.kubernetes.io/name"] ?? labels["app"] ?? workload
        let revision =
            labels["service.istio.io/canonical-revision"] ?? labels["app.kubernetes.io/version"] ?? labels["version"]
            ?? "latest"
        let principal = serviceAccount.isEmpty ? "" : "spiffe://\(trustDomain)/ns/\(namespace)/sa/\(serviceAccount)"
        return WorkloadLabels(
            workload: workload, namespace: namespace, app: labels["app"] ?? "", version: labels["version"] ?? "",
            cluster: clusterID, canonicalService: service, canonicalRevision: revision, principal: principal)
    }
}
