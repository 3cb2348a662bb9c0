/// What labels say about a workload.
package enum WorkloadLabels {
    package static let tlsMode = "security.istio.io/tlsMode"
    package static let canonicalNameLabel = "service.istio.io/canonical-name"
    package static let canonicalRevisionLabel = "service.istio.io/canonical-revision"

    package static func canonicalName(_ labels: [String: String], workload: String) -> String {
        labels[canonicalNameLabel] ?? labels["app.kubernetes.io/name"] ?? labels["app"] ?? workload
    }

    package static func canonicalRevision(_ labels: [String: String]) -> String {
        labels[canonicalRevisionLabel] ?? labels["app.kubernetes.io/version"] ?? labels["version"] ?? "latest"
    }

    /// A pod's labels with those that Istio's injector adds.
    package static func injected(_ labels: [String: String], workload: String) -> [String: String] {
        var all = labels
        all[tlsMode] = labels[tlsMode] ?? "istio"
        all[canonicalNameLabel] = canonicalName(labels, workload: workload)
        all[canonicalRevisionLabel] = canonicalRevision(labels)
        return all
    }

    /// Whether a pod gets a sidecar. The label beats the annotation of the same name, the pod beats its namespace; namespaces
    /// that say nothing are in the mesh here.
    package static func wantsSidecar(
        labels: [String: String],
        annotations: [String: String],
        namespaceLabels: [String: String],
        hostNetwork: Bool
    ) -> Bool {
        if hostNetwork { return false }
        switch labels["sidecar.istio.io/inject"] ?? annotations["sidecar.istio.io/inject"] {
        case "true": return true
        case "false": return false
        default: return namespaceLabels["istio-injection"] != "disabled"
        }
    }
}
