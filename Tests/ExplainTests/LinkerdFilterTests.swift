import ControlPlane
import MeshAPI
import MeshState
import Proxy
import Testing

@Suite("Linkerd's policies as filters")
struct LinkerdFilterTests {
    private static func object(_ kind: String, _ name: String, _ spec: String, labels: String = "{}") -> String {
        """
        apiVersion: policy.linkerd.io/v1beta1
        kind: \(kind)
        metadata: {name: \(name), namespace: default, labels: \(labels)}
        spec: \(spec)
        ---

        """
    }

    private static func server(_ name: String, _ port: Int, _ more: String = "") -> String {
        object(
            "Server", name, "{podSelector: {matchLabels: {app: reviews}}, port: \(port)\(more)}",
            labels: "{team: reviews}")
    }

    private static func snapshot(_ manifest: String, _ pod: MeshWorkload) -> MeshSnapshot {
        let documents = ManifestDecoder().decode(manifest, file: "mesh.yaml").compactMap { document in
            document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
        }
        return SnapshotBuilder().build(ResourceSet(documents), workloads: [pod]).snapshot
    }

    /// Whether requests of `path` to the ports get through, by what the sidecar's filters decide.
    private static func open(
        _ objects: String, ports: [UInt16], principal: String? = nil, path: String = "/",
        headers: [String: String] = [:], annotation: String = "deny"
    ) throws -> [Bool] {
        let pod = MeshWorkload(
            name: "reviews-0", namespace: "default", ip: "10.244.0.3", workload: "reviews", labels: ["app": "reviews"])
        let snapshot = Self.snapshot(
            """
            apiVersion: v1
            kind: Namespace
            metadata: {name: default, annotations: {config.linkerd.io/default-inbound-policy: \(annotation)}}
            ---
            \(objects)
            """, pod)
        let security = WorkloadSecurity(snapshot: snapshot, workload: pod)
        let chain = try PolicyChain(http: security.http)
        return ports.map { port in
            var question = PolicyQuestion()
            question.port = port
            question.path = path
            question.headers = headers
            question.principal = principal
            return chain.decide(question).isAllowed
        }
    }

    @Test(
        "One authorization of several Servers opens each of them, whatever it is called",
        arguments: [
            ("AuthorizationPolicy", "{targetRef: {kind: Namespace, name: default}, requiredAuthenticationRefs: []}"),
            (
                "ServerAuthorization",
                "{server: {selector: {matchLabels: {team: reviews}}}, client: {unauthenticated: true}}"
            ),
        ],
        ["open", "default-web", "default-admin", "default-inbound-policy", "audit"])
    func severalServers(_ authorization: (kind: String, spec: String), _ name: String) throws {
        let objects =
            Self.server("web", 8080) + Self.server("admin", 9090)
            + Self.object(authorization.kind, name, authorization.spec)
        #expect(try Self.open(objects, ports: [8080, 9090, 7070]) == [true, true, false])
    }

    @Test("An authorization does not take the place of what a Server or the namespace lets in")
    func names() throws {
        let nobody =
            "{targetRef: {kind: Server, name: admin}, requiredAuthenticationRefs: [{kind: ServiceAccount, name: a}]}"
        let objects =
            Self.server("web", 8080, ", accessPolicy: all-unauthenticated") + Self.server("admin", 9090)
            + Self.object("AuthorizationPolicy", "default-web", nobody)
            + Self.object("AuthorizationPolicy", "default-inbound-policy", nobody)
        let ports: [UInt16] = [8080, 9090, 7070]
        #expect(try Self.open(objects, ports: ports, annotation: "all-unauthenticated") == [true, false, true])
        let caller = "spiffe://cluster.local/ns/default/sa/a"
        #expect(try Self.open(objects, ports: ports, principal: caller) == [true, true, false])
    }
}
