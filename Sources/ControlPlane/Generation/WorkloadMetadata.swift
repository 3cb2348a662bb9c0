import MeshState
import SwiftProtobuf
import XDS

/// What an endpoint says about the pod behind it: how to speak to it, and what metrics call it.
enum WorkloadMetadata {
    static func endpoint(_ endpoint: MeshEndpoint, settings: MeshSettings) -> Metadata {
        let pod = endpoint.workload
        let canonicalName =
            pod.labels["service.istio.io/canonical-name"] ?? pod.labels["app.kubernetes.io/name"] ?? pod.labels["app"]
            ?? pod.workload
        let revision =
            pod.labels["service.istio.io/canonical-revision"] ?? pod.labels["app.kubernetes.io/version"]
            ?? pod.labels["version"] ?? "latest"
        var metadata = Metadata()
        if endpoint.takesMutualTLS {
            metadata.filterMetadata["envoy.transport_socket_match"] = .init(strings: ["tlsMode": "istio"])
        }
        // Istio's own form: workload;namespace;canonical name;canonical revision;cluster.
        let summary = [pod.workload, pod.namespace, canonicalName, revision, "Kubernetes"].joined(separator: ";")
        metadata.filterMetadata["istio"] = .init(strings: ["workload": summary])
        metadata.filterMetadata["martlet"] = .init(strings: [
            "pod": pod.name,
            "workload": pod.workload,
            "namespace": pod.namespace,
            "app": pod.labels["app"] ?? "",
            "version": pod.labels["version"] ?? "",
            "canonical_service": canonicalName,
            "canonical_revision": revision,
            "cluster": "Kubernetes",
            "principal": settings.spiffeID(namespace: pod.namespace, serviceAccount: pod.serviceAccount),
        ])
        return metadata
    }
}
