import ControlPlane
import Identity
import MeshAPI
import MeshState
import SwiftProtobuf
import Testing
import XDS

@Suite("Security filters of a workload")
struct AuthorizationFilterTests {
    private static func security(_ policies: String) throws -> WorkloadSecurity {
        let mesh = TestMesh(policies)
        let pod = try #require(mesh.snapshot.workload(namespace: "default", name: "reviews-v1-0"))
        return WorkloadSecurity(snapshot: mesh.snapshot, workload: pod)
    }

    private static func policy(_ name: String, namespace: String = "default", _ spec: String) -> String {
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: \(name), namespace: \(namespace)}
        spec: \(spec)
        ---

        """
    }

    @Test("Filters stand in the order AUDIT, DENY, ALLOW, and rules carry the names of Istio")
    func order() throws {
        let security = try Self.security(
            Self.policy("a", "{action: ALLOW, rules: [{}]}") + Self.policy("b", "{action: AUDIT, rules: [{}]}")
                + Self.policy(
                    "c", namespace: "istio-system", "{action: DENY, rules: [{to: [{operation: {methods: [X]}}]}]}"))
        let filters = try security.http.map {
            try Envoy_Extensions_Filters_Http_Rbac_V3_RBAC(unpackingAny: $0.typedConfig)
        }
        #expect(filters.map(\.rules.action) == [.log, .deny, .allow])
        #expect(
            filters.flatMap { $0.rules.policies.keys } == [
                "ns[default]-policy[b]-rule[0]", "ns[istio-system]-policy[c]-rule[0]", "ns[default]-policy[a]-rule[0]",
            ])
    }

    @Test("A policy without rules denies all when it allows, and nothing when it denies")
    func empty() throws {
        let security = try Self.security(Self.policy("none", "{}"))
        let filter = try Envoy_Extensions_Filters_Http_Rbac_V3_RBAC(
            unpackingAny: try #require(security.http.first).typedConfig)
        let rule = try #require(filter.rules.policies["ns[default]-policy[none]-rule[0]"])
        #expect(rule.permissions.first?.notRule.any == true)
        #expect(rule.principals.first?.notID.any == true)
    }

    @Test("What needs a request is dropped from ALLOW and left out of DENY on connections")
    func connections() throws {
        let security = try Self.security(
            Self.policy("a", "{action: ALLOW, rules: [{to: [{operation: {methods: [GET], ports: ['9080']}}]}]}")
                + Self.policy("d", "{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['9080']}}]}]}"))
        let filters = try security.tcp.map {
            try Envoy_Extensions_Filters_Network_Rbac_V3_RBAC(unpackingAny: $0.typedConfig)
        }
        #expect(filters.map(\.rules.action) == [.deny, .allow])
        #expect(filters.last?.rules.policies.isEmpty == true)
        let permission = filters.first?.rules.policies.values.first?.permissions.first
        #expect(permission?.andRules.rules.count == 1)
    }

    @Test("A dry run decides nothing")
    func dryRun() throws {
        let security = try Self.security(
            """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: d, namespace: default, annotations: {istio.io/dry-run: "true"}}
            spec: {action: DENY, rules: [{}]}
            """)
        let filter = try Envoy_Extensions_Filters_Http_Rbac_V3_RBAC(
            unpackingAny: try #require(security.http.first).typedConfig)
        #expect(!filter.hasRules)
        #expect(filter.shadowRules.policies.count == 1)
        #expect(filter.shadowRulesStatPrefix == "istio_dry_run_deny_")
    }

    @Test("A token's issuer becomes a provider whose keys are in the configuration")
    func tokens() throws {
        let mesh = TestMesh(
            """
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: r, namespace: default}
            spec:
              jwtRules:
              - {issuer: "https://b.test", jwksUri: "https://b.test/keys", audiences: [x]}
              - {issuer: "a", jwks: '{"keys":[]}', fromHeaders: [{name: X-Jwt, prefix: "T "}]}
            """)
        let pod = try #require(mesh.snapshot.workload(namespace: "default", name: "reviews-v1-0"))
        let keys = KeySetSnapshot([.url("https://b.test/keys"): #"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#])
        let security = WorkloadSecurity(snapshot: mesh.snapshot, workload: pod, keySets: keys)
        let filter = try Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication(
            unpackingAny: try #require(security.http.first).typedConfig)
        #expect(filter.providers["origins-0"]?.issuer == "a")
        #expect(filter.providers["origins-0"]?.fromHeaders.first?.valuePrefix == "T ")
        #expect(filter.providers["origins-1"]?.localJwks.inlineString == #"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#)
        // A set without a usable key would make Envoy refuse the listener: one stands there that nobody can sign for.
        #expect(filter.providers["origins-0"]?.localJwks.inlineString == ForgottenKey.keySet)
        #expect(filter.providers["origins-1"]?.payloadInMetadata == "payload")
        #expect(filter.rules.first?.requires.requiresAny.requirements.count == 3)
    }

    @Test("CUSTOM on connections: a gRPC provider is asked, one over HTTP is not, one that is unknown denies")
    func customConnections() throws {
        let services = TestMesh.services
        let mesh = { (kind: String) in
            """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                extensionProviders:
                - {name: checker, \(kind): {service: productpage.default.svc.cluster.local, port: 9080, timeout: 2s}}
            ---

            """
        }
        let policy = Self.policy(
            "ask", "{action: CUSTOM, provider: {name: checker}, rules: [{to: [{operation: {ports: ['9080']}}]}]}")
        let asked = try Self.security(services + mesh("envoyExtAuthzGrpc") + policy).tcp
        #expect(asked.map(\.name) == ["envoy.filters.network.rbac", "envoy.filters.network.ext_authz"])
        let found = try Envoy_Extensions_Filters_Network_Rbac_V3_RBAC(unpackingAny: asked[0].typedConfig)
        #expect(!found.hasRules)
        #expect(Array(found.shadowRules.policies.keys) == ["istio-ext-authz-checker-ns[default]-policy[ask]-rule[0]"])
        let filter = try Envoy_Extensions_Filters_Network_ExtAuthz_V3_ExtAuthz(unpackingAny: asked[1].typedConfig)
        #expect(filter.filterEnabledMetadata.filter == "envoy.filters.network.rbac")
        #expect(filter.filterEnabledMetadata.value.stringMatch.prefix == "istio-ext-authz-checker-")
        #expect(filter.grpcService.envoyGrpc.clusterName == "outbound|9080||productpage.default.svc.cluster.local")
        #expect(filter.grpcService.timeout.seconds == 2)
        #expect(!filter.failureModeAllow)
        #expect(try Self.security(services + mesh("envoyExtAuthzHttp") + policy).tcp.isEmpty)
        let denied = try Self.security(services + policy).tcp
        let rules = try Envoy_Extensions_Filters_Network_Rbac_V3_RBAC(unpackingAny: denied[0].typedConfig)
        #expect(denied.count == 1)
        #expect(rules.rules.action == .deny)
    }
}
