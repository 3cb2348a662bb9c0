import LocalMesh
import MeshAPI
import Testing

@Suite struct PlanTests {
    private func plan(_ text: String) throws -> MeshPlan {
        let documents = ManifestDecoder().decode(text, file: "test.yaml")
        let diagnostics = documents.flatMap(\.diagnostics)
        try #require(!diagnostics.hasErrors, "\(diagnostics)")
        return MeshPlan(
            documents.compactMap(\.resource), addresses: ["web.shop.svc.cluster.local": "10.96.0.9"], problems: [])
    }

    private let gateway = """
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: { name: NAME, namespace: shop }
        spec:
          selector: { istio: ingressgateway }
          servers:
            - port: { number: PORT, name: http, protocol: HTTP }
              hosts: ["*"]
        ---

        """

    private let deployment = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: { name: web-v1, namespace: shop }
        spec:
          replicas: 2
          selector: { matchLabels: { app: web } }
          template:
            metadata: { labels: { app: web, version: v1 } }
            spec:
              serviceAccountName: web
              containers:
                - name: web
                  image: example/web
                  command: [/bin/web]
                  ports: [{ containerPort: 8080, name: http }]
                  readinessProbe: { httpGet: { path: /health, port: http }, periodSeconds: 2 }
        ---
        apiVersion: v1
        kind: Service
        metadata: { name: web, namespace: shop }
        spec:
          selector: { app: web }
          ports: [{ port: 80, targetPort: http }]
        """

    @Test("A port of the host leads to one gateway, and to one for the way in where there is one")
    func hostPorts() throws {
        let entry = gateway.replacing("NAME", with: "entry").replacing("PORT", with: "80")
        let out = gateway.replacing("NAME", with: "out").replacing("PORT", with: "80")
            .replacing("ingressgateway", with: "egressgateway")
        let more = gateway.replacing("NAME", with: "more").replacing("PORT", with: "8443")
            .replacing("ingressgateway", with: "egressgateway")
        let templates = try plan(out + more + entry).workloads.map(\.template)
        #expect(templates.map(\.workload).sorted() == ["istio-egressgateway", "istio-ingressgateway"])
        #expect(templates.first { $0.workload == "istio-ingressgateway" }?.hostPorts == [80])
        #expect(templates.first { $0.workload == "istio-egressgateway" }?.hostPorts == [8443])
    }

    @Test("An application whose labels a Gateway selects stays an application")
    func labelled() throws {
        let selected = gateway.replacing("istio: ingressgateway", with: "app: web").replacing("NAME", with: "g")
            .replacing("PORT", with: "8080")
        let plan = try plan(selected + deployment)
        let web = try #require(plan.workloads.first { $0.template.workload == "web-v1" })
        #expect(web.template.kind == .pod)
        #expect(web.template.containers.count == 1)
        #expect(plan.workloads.contains { $0.template.kind == .gateway })
    }

    @Test func gatewaysOfOneSelectorShareAWorkload() throws {
        let text = [("a", "80"), ("b", "443"), ("c", "80")]
            .map { gateway.replacing("NAME", with: $0.0).replacing("PORT", with: $0.1) }.joined()
        let workloads = try plan(text).workloads
        #expect(workloads.count == 1)
        let template = try #require(workloads.first?.template)
        #expect(template.kind == .gateway)
        #expect(template.namespace == "istio-system")
        #expect(template.workload == "istio-ingressgateway")
        #expect(template.labels == ["istio": "ingressgateway", "app": "istio-ingressgateway"])
        #expect(template.gatewayPorts == [80, 443])
    }

    @Test func aDeploymentBecomesPodsWithTheirProbes() throws {
        let plan = try plan(deployment)
        let workload = try #require(plan.workloads.first)
        #expect(workload.replicas == 2)
        #expect(workload.template.sidecar)
        #expect(workload.template.serviceAccount == "web")
        let container = try #require(workload.template.containers.first)
        #expect(container.readiness?.question == .http(port: 8080, path: "/health", headers: [:]))
        #expect(container.readiness?.period == .seconds(2))
        #expect(plan.services.first?.address == "10.96.0.9")
        #expect(plan.services.first?.ports.first?.target == .name("http"))
    }

    @Test(
        arguments: [
            (["sidecar.istio.io/inject": "false"], [:], [:], false),
            (["sidecar.istio.io/inject": "true"], [:], ["istio-injection": "disabled"], true),
            ([:], ["sidecar.istio.io/inject": "false"], [:], false), ([:], [:], ["istio-injection": "disabled"], false),
            ([:], [:], [:], true), ([:], [:], ["istio-injection": "enabled"], true),
        ] as [([String: String], [String: String], [String: String], Bool)])
    func labelsDecideOverTheSidecar(
        labels: [String: String],
        annotations: [String: String],
        namespace: [String: String],
        expected: Bool
    ) {
        let wants = WorkloadLabels.wantsSidecar(
            labels: labels, annotations: annotations, namespaceLabels: namespace, hostNetwork: false)
        #expect(wants == expected)
    }
}
