import ControlPlane
import MeshAPI
import MeshState
import Testing

@Suite("Policies that hold for nobody")
struct PolicyTargetTests {
    private static func found(_ kind: String, _ spec: String, namespace: String = "default", pods: [MeshWorkload])
        -> [Diagnostic]
    {
        let mesh = TestMesh(
            TestMesh.services
                + """
                apiVersion: security.istio.io/v1
                kind: \(kind)
                metadata: {name: a, namespace: \(namespace)}
                spec: \(spec)
                """, pods: pods)
        return CapabilityReport.diagnostics(mesh.snapshot)
    }

    @Test(
        "A selector or target that no running pod has is a warning",
        arguments: [
            ("{selector: {matchLabels: {app: reviews}}, action: DENY, rules: [{}]}", "default", 0),
            ("{selector: {matchLabels: {app: review}}, action: DENY, rules: [{}]}", "default", 1),
            ("{selector: {matchLabels: {app: reviews}}, action: DENY, rules: [{}]}", "other", 1),
            ("{selector: {matchLabels: {app: reviews}}, action: DENY, rules: [{}]}", "istio-system", 0),
            ("{selector: {matchLabels: {app: review}}, action: DENY, rules: [{}]}", "istio-system", 1),
            ("{targetRefs: [{kind: Service, group: '', name: reviews}], action: DENY, rules: [{}]}", "default", 0),
            ("{targetRefs: [{kind: Service, group: '', name: rewiews}], action: DENY, rules: [{}]}", "default", 1),
            ("{action: DENY, rules: [{}]}", "empty", 0),
        ])
    func selectors(_ spec: String, _ namespace: String, _ count: Int) {
        let found = Self.found("AuthorizationPolicy", spec, namespace: namespace, pods: TestMesh.pods)
        #expect(found.count == count, "\(found)")
        for one in found {
            #expect(one.severity == .warning && one.message.contains("holds for nobody"), "\(one)")
            #expect(one.resource == "AuthorizationPolicy \(namespace)/a")
        }
    }

    @Test("It follows the pods: none running says nothing, those that come end it")
    func pods() {
        let spec =
            "{selector: {matchLabels: {app: reviews}}, jwtRules: [{issuer: a, jwksUri: 'https://a.example/jwks'}]}"
        let counts = [[], TestMesh.pods.filter { $0.name == "productpage-0" }, TestMesh.pods].map {
            Self.found("RequestAuthentication", spec, pods: $0).count
        }
        #expect(counts == [0, 1, 0])
    }
}
