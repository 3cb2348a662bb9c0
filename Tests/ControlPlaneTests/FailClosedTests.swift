import ControlPlane
import Foundation
import MeshAPI
import MeshState
import SwiftProtobuf
import Testing
import XDS
import XDSTransport

@Suite("What is odd opens nothing")
struct FailClosedTests {
    private static func diagnostics(_ manifest: String) -> [String] {
        ManifestDecoder().decode(manifest, file: "mesh.yaml").flatMap(\.diagnostics).filter { $0.severity == .error }
            .map(\.message)
    }

    private static func allow(_ rules: String) -> String {
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: a, namespace: default}
        spec: {action: ALLOW, rules: [\(rules)]}
        ---

        """
    }

    @Test(
        "A condition that cannot be judged is an error",
        arguments: [
            "{when: [{key: destination.port, values: ['8080-8090']}]}",
            "{when: [{key: experimental.envoy.filters.x, values: [a]}]}",
            "{when: [{key: 'request.auth.claims[a][]', values: [a]}]}",
            "{when: [{key: 'request.headers[a][b]', values: [a]}]}",
            "{when: [{key: source.ip, values: [10.0.0.0/99]}]}",
        ])
    func conditions(_ rule: String) {
        #expect(Self.diagnostics(Self.allow(rule)).count == 1)
    }

    @Test("Settings that cannot be read leave those of before in force, also over a restart")
    func settings() async throws {
        let path = NSTemporaryDirectory() + "/martlet-settings-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func mesh(_ normalization: String) -> MeshSnapshot {
            let settings =
                "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}, pathNormalization: {normalization: \(normalization)}"
            return TestMesh(
                """
                apiVersion: v1
                kind: ConfigMap
                metadata: {name: istio, namespace: istio-system}
                data: {mesh: "\(settings)}"}
                """
            ).snapshot
        }
        var options = ControlPlaneServer.Options()
        options.settingsPath = path
        let first = ControlPlaneServer(options: options, authority: nil)
        await first.apply(mesh("MERGE_SLASHES"), diagnostics: [])
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("REGISTRY_ONLY"))
        // What cannot be read is not remembered, and what is remembered is taken.
        let second = ControlPlaneServer(options: options, authority: nil)
        await second.apply(mesh("SLASHES"), diagnostics: [])
        let kept = MeshConfiguration(yaml: try String(contentsOfFile: path, encoding: .utf8))
        #expect(kept.fault == nil && kept.pathNormalization == .mergeSlashes && kept.outboundMode == .registryOnly)
        let proxy = ProxyIdentity(
            id: "p", role: .sidecar, ip: "10.244.0.2", pod: "productpage-0", namespace: "default",
            labels: ["app": "productpage"])
        var unreadable = ConfigurationBuilder(mesh("SLASHES"), lastGood: kept)
        var readable = ConfigurationBuilder(mesh("MERGE_SLASHES"))
        let (made, wanted) = (unreadable.build(for: proxy), readable.build(for: proxy))
        #expect(made[TypeURL.listener] == wanted[TypeURL.listener])
    }

    @Test(
        "An ALLOW rule with such a condition lets nobody in, a DENY rule denies what is left of it",
        arguments: [
            ("destination.port", "8080-8090"), ("experimental.envoy.filters.x", "a"),
            ("request.headersx[a]", "a"),
            ("request.auth.claims[a][]", "a"), ("request.headers[a][b]", "a"), ("source.ip", "10.0.0.0/99"),
        ])
    func rules(_ key: String, _ value: String) throws {
        for (action, count) in [("ALLOW", 0), ("DENY", 1)] {
            let manifest = Self.allow("{when: [{key: destination.port, values: ['8080']}]}")
                .replacing("ALLOW", with: action)
            let document = try #require(ManifestDecoder().decode(manifest, file: "mesh.yaml").first)
            guard case .authorizationPolicy(var policy) = document.resource else {
                Issue.record("\(document.diagnostics)")
                continue
            }
            // Its error keeps such a policy out of a real mesh; the compiler does not rely on it.
            policy.rules[0].when[0].key = key
            policy.rules[0].when[0].values = [value]
            let resources = [(key: try #require(document.key), resource: Resource.authorizationPolicy(policy))]
            let snapshot = SnapshotBuilder().build(MeshState.ResourceSet(resources), workloads: TestMesh.pods).snapshot
            let pod = try #require(snapshot.workload(namespace: "default", name: "reviews-v1-0"))
            let filter = try #require(WorkloadSecurity(snapshot: snapshot, workload: pod).http.first)
            let rules = try Envoy_Extensions_Filters_Http_Rbac_V3_RBAC(unpackingAny: filter.typedConfig).rules
            #expect(rules.action == (action == "ALLOW" ? .allow : .deny))
            #expect(rules.policies.count == count, "\(action)")
        }
    }

    @Test(
        "Linkerd's policies are refused rather than read as wider than they are",
        arguments: [
            ("Server", "{podSelector: {matchExpressions: [{key: a, operator: Near}]}, port: 80}"),
            ("Server", "{port: 80}"),
            ("Server", "{externalWorkloadSelector: {}, port: 80}"),
            ("HTTPRoute", "{parentRefs: [{kind: Server, name: a}], rules: [{matches: [{queryParams: [{name: a}]}]}]}"),
            ("ServerAuthorization", "{server: {}, client: {unauthenticated: true}}"),
            (
                "HTTPRoute",
                "{parentRefs: [{kind: Server, name: a}], rules: [{matches: [{path: {type: exact, value: /a}}]}]}"
            ),
            ("HTTPRoute", "{parentRefs: [{kind: Server, name: a}], rules: [{matches: [{path: {value: admin}}]}]}"),
            (
                "HTTPRoute",
                "{parentRefs: [{kind: Server, name: a}], rules: [{matches: [{path: {type: RegularExpression, value: '('}}]}]}"
            ),
            (
                "HTTPRoute",
                "{parentRefs: [{kind: Server, name: a}], rules: [{matches: [{headers: [{name: a, value: b, type: Prefix}]}]}]}"
            ),
            ("HTTPRoute", "{parentRefs: [{kind: Server, name: a, namespace: other}]}"),
            ("HTTPRoute", "{parentRefs: [{kind: Sever, name: a}]}"),
            ("Server", "{podSelector: {}, port: 80, proxyProtocol: HTTP/3}"),
            ("Server", "{podSelector: {}, port: 80, accessPolicy: denny}"),
            ("AuthorizationPolicy", "{targetRef: {kind: Sever, name: a}}"),
            ("AuthorizationPolicy", "{targetRef: {kind: Server, name: a, group: core}}"),
            ("AuthorizationPolicy", "{targetRef: {kind: Server, name: a, namespace: other}}"),
            ("AuthorizationPolicy", "{targetRef: {kind: Namespace, name: other}}"),
            (
                "AuthorizationPolicy",
                "{targetRef: {kind: Namespace, name: default}, requiredAuthenticationRefs: [{kind: Server, name: a}]}"
            ),
            ("MeshTLSAuthentication", "{}"),
            ("MeshTLSAuthentication", "{identityRefs: [{kind: Namespace, name: a, namespace: a}]}"),
            ("NetworkAuthentication", "{networks: []}"),
        ])
    func linkerd(_ kind: String, _ spec: String) {
        let manifest = """
            apiVersion: policy.linkerd.io/v1beta1
            kind: \(kind)
            metadata: {name: a, namespace: default}
            spec: \(spec)
            """
        #expect(!Self.diagnostics(manifest).isEmpty)
    }

    private static func linkerd(_ annotation: String, _ objects: String = "") throws -> WireRBAC {
        let mesh = TestMesh(
            """
            apiVersion: v1
            kind: Namespace
            metadata: {name: default, annotations: {config.linkerd.io/default-inbound-policy: \(annotation)}}
            ---
            \(objects)
            """)
        let pod = try #require(mesh.snapshot.workload(namespace: "default", name: "reviews-v1-0"))
        let filter = try #require(WorkloadSecurity(snapshot: mesh.snapshot, workload: pod).http.first)
        return try Envoy_Extensions_Filters_Http_Rbac_V3_RBAC(unpackingAny: filter.typedConfig).rules
    }

    private typealias WireRBAC = Envoy_Config_Rbac_V3_RBAC

    @Test("A default policy that nobody knows lets nobody in")
    func unknownDefault() throws {
        let rules = try Self.linkerd("denny")
        #expect(rules.action == .allow)
        #expect(rules.policies.isEmpty)
    }

    @Test("Expressions of a Server's selector count")
    func expressions() throws {
        for (values, count) in [("[v1]", 1), ("[v2]", 0)] {
            let server = """
                apiVersion: policy.linkerd.io/v1beta1
                kind: Server
                metadata: {name: a, namespace: default}
                spec: {podSelector: {matchExpressions: [{key: version, operator: In, values: \(values)}]}, port: 9080,
                  accessPolicy: all-unauthenticated}
                """
            let rules = try Self.linkerd("deny", server)
            #expect(rules.policies.count == count, "\(values)")
        }
    }

    @Test("A broken mesh configuration leaves the last good one in force")
    func meshConfiguration() throws {
        func mesh(_ configuration: String) -> TestMesh {
            TestMesh(
                TestMesh.services
                    + """
                    apiVersion: v1
                    kind: ConfigMap
                    metadata: {name: istio, namespace: istio-system}
                    data:
                      mesh: |
                        \(configuration)
                    """)
        }
        let good = mesh("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
        let broken = mesh("outboundTrafficPolicy: {mode: REGISTRYONLY}")
        var builder = ConfigurationBuilder(good.snapshot)
        let before = try builder.build(for: TestMesh.sidecar).listener("virtualOutbound")
        builder.advance(to: broken.snapshot)
        #expect(try builder.build(for: TestMesh.sidecar).listener("virtualOutbound") == before)
        #expect(MeshConfiguration(broken.snapshot).diagnostics(broken.snapshot).count == 1)
    }

    @Test("A sidecar gets the credential of a rule that selects it, and of no other")
    func credentials() throws {
        for (selector, count) in [("{app: productpage}", 1), ("{app: reviews}", 0)] {
            let set = TestMesh(
                TestMesh.services
                    + """
                    apiVersion: networking.istio.io/v1
                    kind: DestinationRule
                    metadata: {name: a, namespace: default}
                    spec:
                      host: outside.example.com
                      workloadSelector: {matchLabels: \(selector)}
                      trafficPolicy: {tls: {mode: MUTUAL, credentialName: site}}
                    ---
                    apiVersion: v1
                    kind: Secret
                    metadata: {name: site, namespace: default}
                    stringData: {tls.crt: CHAIN, tls.key: KEY}
                    """
            ).resources(for: TestMesh.sidecar)
            #expect(set[TypeURL.secret].count == count, "\(selector)")
        }
    }

    @Test("Weights at the edge of what the wire takes do not stop the control plane")
    func weights() throws {
        let entry = """
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: a, namespace: default}
            spec:
              hosts: [a.example.com]
              location: MESH_INTERNAL
              resolution: STATIC
              ports: [{number: 80, name: http, protocol: HTTP}]
              endpoints:
              - {address: 10.1.0.1, weight: 4294967295}
              - {address: 10.1.0.2, weight: 4294967295}
            ---
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {name: a, namespace: default}
            spec:
              host: a.example.com
              trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 2000000h}}}}
            """
        let set = TestMesh(TestMesh.services + entry).resources(for: TestMesh.sidecar)
        let cluster = try set.cluster("outbound|80||a.example.com")
        #expect(cluster.upstreamConnectionOptions.tcpKeepalive.keepaliveTime.value == .max)
    }
}
