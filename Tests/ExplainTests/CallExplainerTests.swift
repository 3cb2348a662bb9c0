import Explain
import Foundation
import Testing

@Suite("Calls explained from manifests") struct CallExplainerTests {
    private static let shop = """
        apiVersion: v1
        kind: Service
        metadata: {name: api, namespace: shop}
        spec:
          selector: {app: api}
          ports: [{name: http, port: 80, targetPort: 8080}]
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: api, namespace: shop}
        spec:
          selector: {matchLabels: {app: api}}
          template:
            metadata: {labels: {app: api}}
            spec: {containers: [{name: api, ports: [{containerPort: 8080}]}]}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: shop}
        spec:
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec: {serviceAccountName: web, containers: [{name: web}]}
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: api, namespace: shop}
        spec:
          hosts: [api]
          http:
          - match: [{uri: {prefix: /old}}]
            directResponse: {status: 410}
          - route: [{destination: {host: api}}]
        ---
        apiVersion: security.istio.io/v1
        kind: PeerAuthentication
        metadata: {name: default, namespace: shop}
        spec:
          mtls: {mode: STRICT}
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: readers, namespace: shop}
        spec:
          selector: {matchLabels: {app: api}}
          rules:
          - from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]
            to: [{operation: {methods: [GET]}}]
        """

    private func explain(_ question: CallQuestion, more: String = "", shop: String = shop) throws -> CallExplanation {
        let folder = FileManager.default.temporaryDirectory.appending(path: "explain-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try (shop + more).write(to: folder.appending(path: "shop.yaml"), atomically: true, encoding: .utf8)
        return try CallExplainer(ExplainedMesh(paths: [folder.path])).explain(question)
    }

    private func question(caller: String?, method: String = "GET", path: String = "/") -> CallQuestion {
        var question = CallQuestion(host: "api.shop", port: 80)
        question.caller = caller
        question.method = method
        question.path = path
        return question
    }

    @Test("A call that gets through names its route, its identity and the rule")
    func allowed() throws {
        let answer = try explain(question(caller: "shop/web"))
        #expect(answer.isAllowed, "\(answer.lines)")
        let text = answer.lines.joined(separator: "\n")
        #expect(text.contains("VirtualService shop/api"), "\(text)")
        #expect(text.contains("shop.yaml:34:"), "\(text)")
        #expect(text.contains("as spiffe://cluster.local/ns/shop/sa/web"), "\(text)")
        #expect(text.contains("STRICT by PeerAuthentication shop/default"), "\(text)")
        #expect(text.contains("allowed by AuthorizationPolicy shop/readers rule 0"), "\(text)")
        #expect(answer.steps.last?.rule == "ns[shop]-policy[readers]-rule[0]")
    }

    @Test("A refusal names who refuses")
    func refused() throws {
        let wrongMethod = try explain(question(caller: "shop/web", method: "POST"))
        #expect(!wrongMethod.isAllowed)
        #expect(wrongMethod.steps.last?.text.contains("shop/readers") == true, "\(wrongMethod.lines)")

        let plaintext = try explain(question(caller: nil))
        #expect(plaintext.steps.last?.subject == .mutualTLS)
        #expect(plaintext.steps.last?.isAllowed == false, "\(plaintext.lines)")

        let direct = try explain(question(caller: "shop/web", path: "/old/x"))
        #expect(direct.steps.map(\.isAllowed) == [false], "\(direct.lines)")
        #expect(direct.steps.first?.text.contains("answered with 410") == true, "\(direct.lines)")
    }

    @Test("Who is unknown is said, with those that are known")
    func unknown() {
        #expect(throws: CallExplainer.Failure.self) { try explain(question(caller: "shop/nobody")) }
    }

    @Test("Who is asked outside is said, with the policy that wants it, and what a dry run would do")
    func providers() throws {
        let more = """

            ---
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                extensionProviders:
                - {name: checker, envoyExtAuthzGrpc: {service: api.shop.svc.cluster.local, port: 80}}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: ask, namespace: shop}
            spec:
              action: CUSTOM
              provider: {name: checker}
              rules: [{to: [{operation: {paths: [/orders]}}]}]
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: later, namespace: shop, annotations: {istio.io/dry-run: "true"}}
            spec: {action: DENY, rules: [{to: [{operation: {paths: [/orders]}}]}]}
            """
        let asked = try explain(question(caller: "shop/web", path: "/orders"), more: more)
        #expect(asked.isAllowed, "\(asked.lines)")
        let text = asked.lines.joined(separator: "\n")
        #expect(
            text.contains("provider checker is asked, and may refuse: AuthorizationPolicy shop/ask rule 0"), "\(text)")
        #expect(text.contains("dry run: AuthorizationPolicy shop/later rule 0"), "\(text)")
        #expect(text.contains("would deny it"), "\(text)")
        let other = try explain(question(caller: "shop/web", path: "/catalog"), more: more)
        #expect(!other.lines.joined().contains("checker"), "\(other.lines)")

        var connection = question(caller: "shop/web")
        connection.isRequest = false
        let text2 = try explain(connection, more: more.replacing("/orders", with: "/")).lines.joined(separator: "\n")
        #expect(!text2.contains("dry run"), "\(text2)")
    }

    @Test("Tokens are judged by the keys that the control plane of the mesh has fetched")
    func keySets() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "explain-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ value: some Encodable, _ name: String) throws {
            try JSONEncoder().encode(value).write(to: folder.appending(path: name))
        }
        let policy = """

            ---
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: tokens, namespace: shop}
            spec: {jwtRules: [{issuer: "https://issuer.test", jwksUri: "https://issuer.test/keys"}]}
            """
        try write(["shop.yaml": Self.shop + policy], "last-good.json")
        try Data(
            #"""
            {"workloads": [
              {"name": "api-0", "namespace": "shop", "ip": "10.1.0.1", "workload": "api", "serviceAccount": "default",
               "labels": {"app": "api"}, "ports": [{"name": "http", "number": 8080}], "ready": true, "sidecar": true},
              {"name": "web-0", "namespace": "shop", "ip": "10.1.0.2", "workload": "web", "serviceAccount": "web",
               "labels": {"app": "web"}, "ports": [], "ready": true, "sidecar": true}]}
            """#.utf8
        ).write(to: folder.appending(path: "workloads.json"))
        // The example of RFC 8037 appendix A: its key, and a token that is signed with another one.
        let key =
            #"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#
        let header = Data(#"{"alg":"EdDSA","kid":"a"}"#.utf8).base64EncodedString().replacing("=", with: "")
        let claims = Data(#"{"iss":"https://issuer.test","sub":"me"}"#.utf8).base64EncodedString().replacing(
            "=", with: "")
        var asked = question(caller: "shop/web-0")
        asked.headers["authorization"] =
            "Bearer \(header).\(claims).\(String(repeating: "A", count: 86))"
        let without = try CallExplainer(ExplainedMesh(stateDirectory: folder.path)).explain(asked)
        #expect(!without.isAllowed)
        #expect(without.steps.last?.text.contains("401: Jwks") == true, "\(without.lines)")
        try write(["https://issuer.test/keys": key], "key-sets.json")
        let with = try CallExplainer(ExplainedMesh(stateDirectory: folder.path)).explain(asked)
        #expect(with.steps.last?.text.contains("401: Jwt verification fails") == true, "\(with.lines)")
    }

    @Test(
        "Paths are judged as the proxies normalise them, by the option of the mesh",
        arguments: [
            ("BASE", "/public/../old/x", "410"), ("BASE", "/%6fld/x", "410"), ("BASE", "/public/%2e%2e/old/x", "410"),
            ("BASE", "//old/x", nil), ("MERGE_SLASHES", "//old/x", "410"), ("BASE", "/%2fold/x", nil),
            ("DECODE_AND_MERGE_SLASHES", "/%2fold/x", "410"), ("NONE", "/public/../old/x", nil),
            ("BASE", "/a%00b", "400"),
        ] as [(String, String, String?)])
    func paths(_ option: String, _ path: String, _ status: String?) throws {
        let mesh = """

            ---
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                pathNormalization: {normalization: \(option)}
            """
        let answer = try explain(question(caller: "shop/web", path: path), more: mesh)
        #expect(answer.isAllowed == (status == nil), "\(answer.lines)")
        if let status { #expect(answer.steps.first?.text.contains(status) == true, "\(answer.lines)") }
    }

    @Test("A caller without a proxy cannot pass a policy by with dots either")
    func policiesOfPaths() throws {
        let more = """

            ---
            apiVersion: security.istio.io/v1
            kind: PeerAuthentication
            metadata: {name: api, namespace: shop}
            spec: {selector: {matchLabels: {app: api}}, mtls: {mode: PERMISSIVE}}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: readers, namespace: shop}
            spec:
              selector: {matchLabels: {app: api}}
              rules: [{to: [{operation: {paths: [/public/*]}}]}]
            """
        for (path, isAllowed) in [("/public/a", true), ("/public/../admin", false), ("/admin/%2e%2e/public/a", true)] {
            let answer = try explain(question(caller: nil, path: path), more: more)
            #expect(answer.isAllowed == isAllowed, "\(path): \(answer.lines)")
        }
    }

    @Test(
        "TLS of a DestinationRule is called what it is",
        arguments: [
            ("DISABLE", "in plaintext by DestinationRule shop/api"),
            ("SIMPLE", "over TLS of mode SIMPLE by DestinationRule shop/api"),
            ("MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: /a", "over TLS of mode MUTUAL by"),
            ("ISTIO_MUTUAL", "as spiffe://cluster.local/ns/shop/sa/web by DestinationRule shop/api"),
        ])
    func transports(_ mode: String, _ text: String) throws {
        let rule = """

            ---
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {name: api, namespace: shop}
            spec: {host: api, trafficPolicy: {tls: {mode: \(mode)}}}
            """
        let answer = try explain(question(caller: "shop/web"), more: rule)
        let step = answer.steps.first { $0.subject == .mutualTLS }
        #expect(step?.text.contains(text) == true, "\(answer.lines)")
        // The port is STRICT.
        #expect(answer.isAllowed == (mode == "ISTIO_MUTUAL"), "\(answer.lines)")
    }

    @Test("What Linkerd's policies decide is said with their place")
    func linkerd() throws {
        func policies(_ authorization: String) -> String {
            """

            ---
            apiVersion: policy.linkerd.io/v1beta3
            kind: Server
            metadata: {name: http, namespace: shop}
            spec: {podSelector: {matchLabels: {app: api}}, port: http}
            ---
            apiVersion: policy.linkerd.io/v1alpha1
            kind: AuthorizationPolicy
            metadata: {name: web, namespace: shop}
            spec:
              targetRef: {group: policy.linkerd.io, kind: Server, name: http}
              requiredAuthenticationRefs: [{kind: ServiceAccount, name: \(authorization)}]
            """
        }
        // Without Istio's policy, which is the last document.
        let shop = Self.shop.components(separatedBy: "---\n").dropLast().joined(separator: "---\n")
            .replacing("containerPort: 8080", with: "name: http, containerPort: 8080")
        for (account, text) in [
            ("web", "allowed by Linkerd's AuthorizationPolicy shop/web ("),
            ("other", "denied: no authorization of Linkerd's Server shop/http"),
        ] {
            let answer = try explain(question(caller: "shop/web"), more: policies(account), shop: shop)
            #expect(answer.isAllowed == (account == "web"), "\(answer.lines)")
            #expect(answer.steps.last?.text.contains(text) == true, "\(answer.lines)")
        }
    }
}
