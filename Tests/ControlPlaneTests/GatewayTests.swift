import ControlPlane
import SwiftProtobuf
import Testing
import XDS
import XDSTransport

@Suite("What a gateway gets")
struct GatewayTests {
    static let gateway = """
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: entry, namespace: default}
        spec:
          selector: {istio: ingressgateway}
          servers:
          - port: {number: 8080, name: http, protocol: HTTP}
            hosts: ["*"]
          - port: {number: 8443, name: https, protocol: HTTPS}
            hosts: [secure.example.com]
            tls: {mode: SIMPLE, credentialName: site}
        ---
        apiVersion: v1
        kind: Secret
        metadata: {name: site, namespace: default}
        type: kubernetes.io/tls
        stringData: {tls.crt: CHAIN, tls.key: KEY}
        ---

        """

    static let route = """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: entry, namespace: default}
        spec:
          hosts: [api.example.com]
          gateways: [entry]
          http:
          - match: [{uri: {prefix: /api}}]
            rewrite: {uri: /}
            route: [{destination: {host: productpage, port: {number: 9080}}}]
        ---

        """

    @Test("An HTTP server without routes listens and knows no host")
    func empty() throws {
        let set = TestMesh(TestMesh.services + Self.gateway).resources(for: TestMesh.gateway)
        #expect(set[TypeURL.listener].keys.sorted() == ["0.0.0.0_8080", "0.0.0.0_8443"])
        let table = try set.table("http.8080")
        #expect(table.virtualHosts.map(\.name) == ["blackhole:8080"])
        #expect(table.virtualHosts.flatMap(\.routes).isEmpty)
    }

    @Test("Servers of one port on two addresses have listeners and routes of their own")
    func bound() throws {
        let text = """
            apiVersion: networking.istio.io/v1
            kind: Gateway
            metadata: {name: bound, namespace: default}
            spec:
              selector: {istio: ingressgateway}
              servers: [{port: {number: 8080, name: http, protocol: HTTP}, bind: 127.0.0.7, hosts: ["*"]}]
            ---
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: bound, namespace: default}
            spec: {hosts: [bound.test], gateways: [bound], http: [{directResponse: {status: 210}}]}
            ---

            """
        let set = TestMesh(TestMesh.services + Self.gateway + Self.route + text).resources(for: TestMesh.gateway)
        #expect(set[TypeURL.listener].keys.sorted() == ["0.0.0.0_8080", "0.0.0.0_8443", "127.0.0.7_8080"])
        #expect(try set.table("http.8080").virtualHosts.map(\.domains) == [["api.example.com"]])
        #expect(try set.table("http.8080.127.0.0.7").virtualHosts.map(\.domains) == [["bound.test"]])
    }

    @Test("A claim is looked for in metadata, and routes are chosen again when there is a token")
    func claims() throws {
        let text = """
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: entry, namespace: default}
            spec:
              hosts: [api.example.com]
              gateways: [entry]
              http:
              - match:
                - headers: {"@request.auth.claims[a][b.c]": {exact: x}, x-too: {exact: y}}
                  withoutHeaders: {"@Request.Auth.Claims.d": {}}
                directResponse: {status: 210}
            ---
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {name: tokens, namespace: default}
            spec: {jwtRules: [{issuer: me, jwks: '{"keys":[]}'}]}
            ---

            """
        let set = TestMesh(TestMesh.services + Self.gateway + text).resources(for: TestMesh.gateway)
        let match = try #require(try set.virtualHost("http.8080", "api.example.com").routes.first).match
        #expect(match.headers.map(\.name) == ["x-too"])
        #expect(match.dynamicMetadata.map { $0.path.map(\.key) } == [["payload", "a", "b.c"], ["payload", "d"]])
        #expect(
            match.dynamicMetadata.map(\.filter) == ["envoy.filters.http.jwt_authn", "envoy.filters.http.jwt_authn"])
        #expect(match.dynamicMetadata.map(\.invert) == [false, true])
        let chain = try #require(try set.listener("0.0.0.0_8080").filterChains.first)
        let manager = try Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager(
            unpackingAny: try #require(chain.filters.last).typedConfig)
        let tokens = try #require(manager.httpFilters.first { $0.name == "envoy.filters.http.jwt_authn" })
        let filter = try Envoy_Extensions_Filters_Http_JwtAuthn_V3_JwtAuthentication(unpackingAny: tokens.typedConfig)
        #expect(filter.providers.values.map(\.clearRouteCache_p) == [true])
    }

    @Test("A VirtualService bound to the gateway routes its host")
    func routes() throws {
        let set = TestMesh(TestMesh.services + Self.gateway + Self.route).resources(for: TestMesh.gateway)
        let host = try set.virtualHost("http.8080", "api.example.com")
        #expect(host.routes.map(\.match.prefix) == ["/api"])
        #expect(host.routes.first?.route.prefixRewrite == "/")
        #expect(host.routes.first?.route.cluster == "outbound|9080||productpage.default.svc.cluster.local")
        #expect(!set.hasVirtualHost("http.8080", "other.example.com"))
    }

    @Test("It does not reach sidecars")
    func isBound() throws {
        let set = TestMesh(TestMesh.services + Self.gateway + Self.route).resources(for: TestMesh.sidecar)
        #expect(!set.hasVirtualHost("80", "api.example.com"))
    }

    @Test("An HTTPS server takes its certificate from the Secret and its routes by its own name")
    func https() throws {
        let set = TestMesh(TestMesh.services + Self.gateway + Self.route).resources(for: TestMesh.gateway)
        let listener = try set.listener("0.0.0.0_8443")
        let chain = try #require(listener.filterChains.first)
        #expect(chain.filterChainMatch.serverNames == ["secure.example.com"])
        let tls = try Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext(
            unpackingAny: chain.transportSocket.typedConfig
        )
        #expect(tls.commonTlsContext.tlsCertificateSdsSecretConfigs.map(\.name) == ["kubernetes://site"])
        #expect(throws: Never.self) { try set.table("https.8443.https.entry.default") }
        let secret = try set.message(Envoy_Extensions_TransportSockets_Tls_V3_Secret.self, "kubernetes://site")
        #expect(String(decoding: secret.tlsCertificate.privateKey.inlineBytes, as: UTF8.self) == "KEY")
    }

    @Test("httpsRedirect sends every request of the host to https")
    func redirect() throws {
        let manifests =
            TestMesh.services
            + Self.gateway.replacing("hosts: [\"*\"]", with: "hosts: [\"*\"]\n    tls: {httpsRedirect: true}")
        let set = TestMesh(manifests).resources(for: TestMesh.gateway)
        #expect(try set.virtualHost("http.8080", "*").requireTls == .all)
    }
}
