import ControlPlane
import Explain
import MeshAPI
import MeshState
import Testing

@Suite("Pods that manifests make")
struct PlannedPodsTests {
    private static let manifest = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: api, namespace: shop}
        spec:
          replicas: 3
          selector: {matchLabels: {app: api}}
          template:
            metadata:
              labels: {app: api}
              annotations: {config.linkerd.io/default-inbound-policy: deny, other: x}
            spec: {serviceAccountName: api, containers: [{name: api, ports: [{name: http, containerPort: 8080}]}]}
        ---
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: edge, namespace: shop}
        spec:
          selector: {istio: ingressgateway}
          servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: edge, namespace: istio-system}
        spec: {selector: {matchLabels: {istio: ingressgateway}}, action: DENY, rules: [{}]}
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: typo, namespace: shop}
        spec: {selector: {matchLabels: {app: apo}}, action: DENY, rules: [{}]}
        """

    private static var documents: [(key: ResourceKey, resource: Resource)] {
        ManifestDecoder().decode(manifest, file: "shop.yaml").compactMap { document in
            document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
        }
    }

    @Test("They are those of workloads.json: account, ports, annotations of the proxy, gateways")
    func pods() throws {
        let pods = try PlannedPods.list(Self.documents + Self.documents)
        #expect(pods.map { "\($0.namespace)/\($0.name)" } == ["shop/api", "istio-system/istio-ingressgateway"])
        let api = try #require(pods.first)
        #expect(api.sidecar && api.ready && api.serviceAccount == "api")
        #expect(api.ports.map(\.number) == [8080] && api.ports.first?.name == "http")
        #expect(api.annotations == ["config.linkerd.io/default-inbound-policy": "deny"])
        #expect(pods.last?.kind == .gateway)
    }

    @Test("A policy for none of them is found before anything runs")
    func policies() throws {
        let pods = try PlannedPods.list(Self.documents)
        let snapshot = SnapshotBuilder().build(ResourceSet(Self.documents), workloads: pods).snapshot
        let found = CapabilityReport.diagnostics(snapshot)
        #expect(found.map(\.resource) == ["AuthorizationPolicy shop/typo"], "\(found)")
    }
}
