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

    @Test(
        "Identities are Linkerd's names of the mesh's own SPIFFE ids",
        arguments: [
            ("'*'", "spiffe://cluster.local/ns/shop/sa/web", true),
            ("'*.cluster.local'", "spiffe://cluster.local/ns/shop/sa/web", true),
            ("'*.identity.linkerd.cluster.local'", "spiffe://cluster.local/ns/shop/sa/web", true),
            ("'*.cluster.local'", "spiffe://other.domain/ns/shop/sa/web", false),
            ("'*.other.domain'", "spiffe://other.domain/ns/shop/sa/web", false),
            ("'*.cal'", "spiffe://cluster.local/ns/shop/sa/web", false),
            ("web.shop.serviceaccount.identity.linkerd.cluster.local", "spiffe://cluster.local/ns/shop/sa/web", true),
            ("web.shop.serviceaccount.identity.linkerd.cluster.local", "spiffe://cluster.local/ns/shop/sa/web2", false),
            ("web.shop.serviceaccount.identity.linkerd.cluster.local", "spiffe://other/ns/shop/sa/web", false),
            ("web.shop.serviceaccount.identity.linkerd.other", "spiffe://cluster.local/ns/shop/sa/web", false),
            ("web.shop.serviceaccount.identity", "spiffe://cluster.local/ns/shop/sa/web", false),
            (
                "a.web.shop.serviceaccount.identity.linkerd.cluster.local", "spiffe://cluster.local/ns/shop/sa/a.web",
                true
            ),
            ("'*.shop.serviceaccount.identity.linkerd.cluster.local'", "spiffe://cluster.local/ns/shop/sa/web", true),
            ("'*.shop.serviceaccount.identity.linkerd.cluster.local'", "spiffe://cluster.local/ns/a/sa/shop", false),
            ("'*.serviceaccount.identity.linkerd.cluster.local'", "spiffe://cluster.local/ns/a/sa/shop", true),
            ("spiffe://other.domain/job", "spiffe://other.domain/job", true),
        ])
    func identities(_ identity: String, _ caller: String, _ isLetIn: Bool) throws {
        let reference = "{group: policy.linkerd.io, kind: MeshTLSAuthentication, name: callers}"
        let objects =
            Self.server("web", 8080) + Self.object("MeshTLSAuthentication", "callers", "{identities: [\(identity)]}")
            + Self.object(
                "AuthorizationPolicy", "a",
                "{targetRef: {group: policy.linkerd.io, kind: Server, name: web}, "
                    + "requiredAuthenticationRefs: [\(reference)]}")
        #expect(try Self.open(objects, ports: [8080], principal: caller) == [isLetIn])
        #expect(try Self.open(objects, ports: [8080]) == [false])
    }

    @Test("A path without a type is a prefix of segments, one without a value is the root")
    func paths() throws {
        for (match, open) in [
            ("{value: /admin}", [false, true, true, false]),
            ("{type: Exact, value: /admin}", [false, true, false, false]),
            ("{type: Exact}", [true, false, false, false]), ("{}", [true, true, true, true]),
        ] {
            let objects =
                Self.server("web", 8080)
                + Self.object(
                    "HTTPRoute", "r",
                    "{parentRefs: [{kind: Server, name: web}], rules: [{matches: [{path: \(match)}]}]}")
                + Self.object("AuthorizationPolicy", "a", "{targetRef: {kind: HTTPRoute, name: r}}")
            let found = try ["/", "/admin", "/admin/x", "/administrator"].map {
                try Self.open(objects, ports: [8080], path: $0)[0]
            }
            #expect(found == open, "\(match)")
        }
    }

    @Test(
        "What means nobody or is not carried out is said",
        arguments: [
            ("Server", "{podSelector: {matchLabels: {app: rewiews}}, port: 80}", "spec.podSelector"),
            ("Server", "{podSelector: {}, port: none}", "spec.port"),
            ("Server", "{podSelector: {}, port: 80, proxyProtocol: opaque}", "spec.proxyProtocol"),
            ("AuthorizationPolicy", "{targetRef: {group: policy.linkerd.io, kind: Server, name: b}}", "spec.targetRef"),
            (
                "AuthorizationPolicy",
                "{targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: b}}", "spec.targetRef"
            ),
            (
                "AuthorizationPolicy",
                "{targetRef: {kind: Namespace, name: default}, requiredAuthenticationRefs: "
                    + "[{group: policy.linkerd.io, kind: MeshTLSAuthentication, name: b}]}",
                "spec.requiredAuthenticationRefs"
            ),
            ("ServerAuthorization", "{server: {name: b}, client: {unauthenticated: true}}", "spec.server"),
            ("MeshTLSAuthentication", "{identities: ['*.other.domain']}", "spec.identities"),
            ("HTTPRoute", "{parentRefs: [{kind: Service, group: core, name: b}]}", "spec.parentRefs"),
            ("HTTPRoute", "{parentRefs: [{kind: Server, name: b}]}", "spec.parentRefs"),
            (
                "HTTPRoute", "{parentRefs: [{kind: Server, name: web}], rules: [{timeouts: {request: 1s}}]}",
                "spec.rules[0].timeouts"
            ),
        ])
    func reported(_ kind: String, _ spec: String, _ path: String) {
        let pod = MeshWorkload(
            name: "reviews-0", namespace: "default", ip: "10.244.0.3", workload: "reviews", labels: ["app": "reviews"])
        let text = Self.server("web", 8080) + Self.object(kind, "a", spec)
        let decoded = ManifestDecoder().decode(text, file: "mesh.yaml").flatMap(\.diagnostics)
        let found = decoded + CapabilityReport.diagnostics(Self.snapshot(text, pod))
        #expect(found.map(\.path) == [path] && found.first?.severity == .warning, "\(found)")
        #expect(found.first?.resource == "\(kind) default/a")
    }

    @Test("An unknown default policy is said where it stands, and lets nobody in")
    func unknownDefault() throws {
        let namespace = """
            apiVersion: v1
            kind: Namespace
            metadata: {name: default, annotations: {config.linkerd.io/default-inbound-policy: denny}}
            """
        var pod = MeshWorkload(name: "a-0", namespace: "default", ip: "10.244.0.3", workload: "a")
        let found = CapabilityReport.diagnostics(Self.snapshot(namespace, pod))
        #expect(found.map(\.resource) == ["Namespace default"])
        #expect(found.first?.message.contains("did you mean \"deny\"?") == true, "\(found)")
        pod.annotations = ["config.linkerd.io/default-inbound-policy": "all-authenticate"]
        #expect(CapabilityReport.diagnostics(Self.snapshot("", pod)).map(\.resource) == ["Pods of default/a"])
        #expect(try Self.open("", ports: [80], annotation: "denny") == [false])
    }
}
