import ControlPlane
import MeshAPI
import MeshState
import SwiftProtobuf
import Testing
import XDS
import XDSTransport

@Suite("Gateways that share a port, and who is asked by them")
struct GatewayOverlapTests {
    private static func server(_ name: String, _ hosts: String) -> String {
        """
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: \(name), namespace: default}
        spec:
          selector: {istio: ingressgateway}
          servers:
          - port: {number: 8443, name: https, protocol: HTTPS}
            hosts: \(hosts)
            tls: {mode: SIMPLE, credentialName: site}
        ---

        """
    }

    @Test("Of two servers of one name the first serves it; the other keeps its further names")
    func overlap() throws {
        let manifests =
            Self.server("one", "[a.example.com, b.example.com]")
            + Self.server("two", "[b.example.com, c.example.com]")
        let listener = try TestMesh(TestMesh.services + manifests).resources(for: TestMesh.gateway)
            .listener("0.0.0.0_8443")
        #expect(
            listener.filterChains.map(\.filterChainMatch.serverNames) == [
                ["a.example.com", "b.example.com"], ["c.example.com"],
            ])
    }

    @Test("A gateway with a CUSTOM policy has the cluster of the authorizer, which no route leads to")
    func authorizer() throws {
        let manifests = """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                extensionProviders:
                - name: checker
                  envoyExtAuthzHttp: {service: reviews.default.svc.cluster.local, port: 9080, timeout: 0.5s}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: ask, namespace: default}
            spec: {action: CUSTOM, provider: {name: checker}, rules: [{to: [{operation: {paths: [/admin]}}]}]}
            ---

            """
        let set = TestMesh(TestMesh.services + GatewayTests.gateway + GatewayTests.route + manifests)
            .resources(for: TestMesh.gateway)
        let name = "outbound|9080||reviews.default.svc.cluster.local"
        #expect(throws: Never.self) { try set.cluster(name) }
        let chain = try #require(try set.listener("0.0.0.0_8080").filterChains.first)
        let manager =
            try Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager(
                unpackingAny: try #require(chain.filters.last).typedConfig)
        let filter = try #require(manager.httpFilters.first { $0.name == "envoy.filters.http.ext_authz" })
        let ask = try Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz(unpackingAny: filter.typedConfig)
        #expect(ask.httpService.serverUri.cluster == name)
        #expect(ask.httpService.serverUri.timeout.nanos == 500_000_000)
    }

    @Test("An authorizer that wants bodies gets as much of them as the provider says")
    func bodies() throws {
        let manifests = """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: istio, namespace: istio-system}
            data:
              mesh: |
                extensionProviders:
                - name: checker
                  envoyExtAuthzHttp:
                    service: reviews.default.svc.cluster.local
                    port: 9080
                    includeRequestBodyInCheck: {maxRequestBytes: 100, allowPartialMessage: true, packAsBytes: true}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: ask, namespace: default}
            spec: {action: CUSTOM, provider: {name: checker}, rules: [{to: [{operation: {paths: [/admin]}}]}]}
            ---

            """
        let mesh = TestMesh(TestMesh.services + manifests)
        let pod = try #require(mesh.snapshot.workload(namespace: "default", name: "reviews-v1-0"))
        let filters = WorkloadSecurity(snapshot: mesh.snapshot, workload: pod).http
        #expect(filters.map(\.name) == ["envoy.filters.http.rbac", "envoy.filters.http.ext_authz"])
        let ask = try Envoy_Extensions_Filters_Http_ExtAuthz_V3_ExtAuthz(unpackingAny: filters[1].typedConfig)
        #expect(ask.withRequestBody.maxRequestBytes == 100)
        #expect(ask.withRequestBody.allowPartialMessage)
        #expect(ask.withRequestBody.packAsBytes)
        #expect(CapabilityReport.diagnostics(mesh.snapshot).isEmpty)
    }

    @Test("Headers of the only destination with weight stay when another has weight 0")
    func weightless() throws {
        let route = """
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: r, namespace: default}
            spec:
              hosts: [reviews]
              http:
              - route:
                - destination: {host: reviews}
                  weight: 100
                  headers: {request: {set: {Host: inner.example.com, x-side: live}}}
                - destination: {host: productpage}
                  weight: 0
            """
        let set = TestMesh(TestMesh.services + route).resources(for: TestMesh.sidecar)
        let host = try set.virtualHost("9080", "reviews.default.svc.cluster.local")
        let only = try #require(host.routes.first)
        #expect(only.route.cluster == "outbound|9080||reviews.default.svc.cluster.local")
        #expect(only.requestHeadersToAdd.map(\.header.key) == ["x-side"])
        #expect(only.route.hostRewriteLiteral == "inner.example.com")
    }
}
