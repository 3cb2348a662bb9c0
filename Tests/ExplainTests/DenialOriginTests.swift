import ControlPlane
import Explain
import MeshAPI
import MeshState
import Proxy
import Testing

@Suite("Where a denial comes from")
struct DenialOriginTests {
    @Test("A denial names the policy, the rule and the line")
    func origin() throws {
        let text = """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: no-writes, namespace: shop}
            spec:
              action: DENY
              rules:
              - to: [{operation: {methods: [POST]}}]
              - to:
                - operation: {methods: [DELETE]}
            """
        let resources = ManifestDecoder().decode(text, file: "shop.yaml").compactMap { document in
            document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
        }
        let pod = MeshWorkload(name: "p", namespace: "shop", ip: "10.0.0.1", workload: "p")
        let snapshot = SnapshotBuilder().build(MeshState.ResourceSet(resources), workloads: [pod]).snapshot
        var question = PolicyQuestion()
        question.method = "DELETE"
        let answer = try AuthorizationExplanation(snapshot: snapshot, workload: pod).ask(question)
        #expect(answer.verdict.outcome == .denied)
        #expect(answer.rule == 1)
        #expect(answer.reason == "denied by AuthorizationPolicy shop/no-writes rule 1 (shop.yaml:8:5)")
    }
}
