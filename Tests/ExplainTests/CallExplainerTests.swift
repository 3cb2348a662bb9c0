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

    private func explain(_ question: CallQuestion) throws -> CallExplanation {
        let folder = FileManager.default.temporaryDirectory.appending(path: "explain-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Self.shop.write(to: folder.appending(path: "shop.yaml"), atomically: true, encoding: .utf8)
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
}
