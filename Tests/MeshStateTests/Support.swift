import MeshAPI
import MeshState
import Testing

/// A mesh made of manifests and pods.
func mesh(
    _ manifests: String,
    pods: [MeshWorkload] = [],
    previous: MeshSnapshot? = nil
) -> SnapshotBuilder.Result {
    let documents = ManifestDecoder().decode(manifests, file: "f.yaml")
    let errors = documents.flatMap(\.diagnostics).filter { $0.severity == .error }
    if !errors.isEmpty { Issue.record("\(errors)") }
    let resources = documents.compactMap { document in
        document.key.flatMap { key in document.resource.map { (key, $0) } }
    }
    return SnapshotBuilder().build(ResourceSet(resources), workloads: pods, previous: previous)
}

func pod(
    _ name: String,
    in namespace: String = "default",
    ip: String = "10.244.0.1",
    labels: [String: String],
    ports: [MeshWorkload.Port] = [],
    ready: Bool = true,
    sidecar: Bool = true,
    kind: MeshWorkload.Kind = .pod
) -> MeshWorkload {
    MeshWorkload(
        name: name,
        namespace: namespace,
        ip: ip,
        workload: name,
        labels: labels,
        serviceAccount: "sa-\(name)",
        ports: ports,
        ready: ready,
        sidecar: sidecar,
        kind: kind
    )
}

/// A Service with one HTTP port 80 that selects `app: NAME`.
func service(_ name: String, in namespace: String = "default") -> String {
    """
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {ports: [{port: 80, name: http, targetPort: 8080}], selector: {app: \(name)}}

    """
}

func virtualService(
    _ name: String,
    in namespace: String = "default",
    _ spec: String
) -> String {
    """
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {\(spec)}

    """
}

func destinationRule(_ name: String, in namespace: String = "default", _ spec: String) -> String {
    """
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {\(spec)}

    """
}

func peerAuthentication(_ name: String, in namespace: String, _ spec: String) -> String {
    """
    ---
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {\(spec)}

    """
}

func gateway(_ name: String, in namespace: String = "default", _ servers: String) -> String {
    """
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {selector: {istio: ingressgateway}, servers: [\(servers)]}

    """
}

/// `route: [{destination: {host: HOST}}]`
func route(_ host: String, subset: String? = nil) -> String {
    let subset = subset.map { ", subset: \($0)" } ?? ""
    return "route: [{destination: {host: \(host)\(subset)}}]"
}
