import ControlPlane
import SwiftProtobuf
import Testing
import XDS
import XDSTransport

@Suite("What a sidecar gets for its pod's calls")
struct SidecarOutboundTests {
    @Test("Istio's names: clusters, listeners, routes")
    func names() {
        let set = TestMesh(TestMesh.services).resources(for: TestMesh.sidecar)
        #expect(
            set[TypeURL.cluster].keys.sorted() == [
                "BlackHoleCluster", "InboundPassthroughCluster", "PassthroughCluster", "inbound|9080||",
                "outbound|3306||database.other.svc.cluster.local",
                "outbound|9080||productpage.default.svc.cluster.local",
                "outbound|9080||reviews.default.svc.cluster.local",
            ]
        )
        #expect(
            set[TypeURL.listener].keys.sorted() == [
                "0.0.0.0_80", "0.0.0.0_9080", "10.96.0.12_3306", "virtualInbound", "virtualOutbound",
            ]
        )
        #expect(set[TypeURL.route].keys.sorted() == ["80", "9080"])
    }

    @Test("A service answers to its names as the caller's namespace sees them, and to its address")
    func domains() throws {
        let set = TestMesh(TestMesh.services).resources(for: TestMesh.sidecar)
        let host = try set.virtualHost("9080", "reviews")
        #expect(host.name == "reviews.default.svc.cluster.local:9080")
        #expect(
            host.domains == [
                "reviews.default.svc.cluster.local", "reviews", "reviews.default", "reviews.default.svc", "10.96.0.10",
            ]
        )
        var foreign = TestMesh.sidecar
        foreign.namespace = "elsewhere"
        let other = TestMesh(TestMesh.services).resources(for: foreign)
        #expect(!other.hasVirtualHost("9080", "reviews"))
        #expect(other.hasVirtualHost("9080", "reviews.default"))
    }

    @Test("Unknown hosts go where the client wanted")
    func allowAny() throws {
        let set = TestMesh(TestMesh.services).resources(for: TestMesh.sidecar)
        let host = try set.virtualHost("80", "*")
        #expect(host.name == "allow_any")
        #expect(host.routes.first?.route.cluster == "PassthroughCluster")
    }

    @Test("Rules come in order, with weights, subsets, matches, timeout, retries and their origin")
    func virtualService() throws {
        let mesh = TestMesh(
            TestMesh.services + """
                apiVersion: networking.istio.io/v1
                kind: VirtualService
                metadata: {name: reviews, namespace: default}
                spec:
                  hosts: [reviews]
                  http:
                  - match:
                    - headers: {end-user: {exact: jason}}
                      uri: {prefix: /reviews}
                    rewrite: {uri: /v2}
                    route: [{destination: {host: reviews, subset: v2}}]
                    timeout: 500ms
                    retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,503"}
                  - name: split
                    route:
                    - {destination: {host: reviews, subset: v1}, weight: 90}
                    - {destination: {host: reviews, subset: v2}, weight: 10}
                ---
                apiVersion: networking.istio.io/v1
                kind: DestinationRule
                metadata: {name: reviews, namespace: default}
                spec:
                  host: reviews
                  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
                  subsets:
                  - {name: v1, labels: {version: v1}}
                  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
                """
        )
        let set = mesh.resources(for: TestMesh.sidecar)
        let routes = try set.virtualHost("9080", "reviews").routes
        #expect(routes.count == 2)
        let first = routes[0]
        #expect(first.match.prefix == "/reviews")
        #expect(first.match.headers.map(\.name) == ["end-user"])
        #expect(first.match.headers.first?.stringMatch.exact == "jason")
        #expect(first.route.prefixRewrite == "/v2")
        #expect(first.route.cluster == "outbound|9080|v2|reviews.default.svc.cluster.local")
        #expect(first.route.timeout.nanos == 500_000_000)
        #expect(first.route.retryPolicy.numRetries.value == 3)
        #expect(first.route.retryPolicy.perTryTimeout.seconds == 2)
        #expect(first.route.retryPolicy.retryOn == "5xx,retriable-status-codes")
        #expect(first.route.retryPolicy.retriableStatusCodes == [503])
        let origin = first.metadata.filterMetadata["martlet"]?.fields["origin"]?.stringValue ?? ""
        #expect(origin.hasPrefix("VirtualService default/reviews (mesh.yaml:"))
        #expect(first.name.hasPrefix("default/reviews@mesh.yaml:"))

        let second = routes[1]
        #expect(second.name == "split")
        #expect(second.route.weightedClusters.clusters.map(\.weight.value) == [90, 10])
        #expect(second.route.retryPolicy.numRetries.value == 2)
        #expect(second.route.hasTimeout && second.route.timeout.seconds == 0)

        #expect(try set.cluster("outbound|9080|v1|reviews.default.svc.cluster.local").lbPolicy == .roundRobin)
        #expect(try set.cluster("outbound|9080|v2|reviews.default.svc.cluster.local").lbPolicy == .random)
        let endpoints = try set.message(
            Envoy_Config_Endpoint_V3_ClusterLoadAssignment.self, "outbound|9080|v2|reviews.default.svc.cluster.local"
        )
        let addresses = endpoints.endpoints.flatMap(\.lbEndpoints).map(\.endpoint.address.socketAddress.address)
        #expect(addresses == ["10.244.0.4"])
    }

    @Test("Automatic mutual TLS: per endpoint, with the service accounts of the pods as names")
    func automaticMutualTLS() throws {
        let set = TestMesh(TestMesh.services).resources(for: TestMesh.sidecar)
        let name = "outbound|9080||reviews.default.svc.cluster.local"
        let cluster = try set.cluster(name)
        #expect(cluster.transportSocketMatches.map(\.name) == ["tlsMode-istio", "tlsMode-disabled"])
        let tls = try Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext(
            unpackingAny: try #require(cluster.transportSocketMatches.first).transportSocket.typedConfig
        )
        let names = tls.commonTlsContext.combinedValidationContext.defaultValidationContext.matchTypedSubjectAltNames
        #expect(
            names.map(\.matcher.exact) == [
                "spiffe://cluster.local/ns/default/sa/legacy", "spiffe://cluster.local/ns/default/sa/reviews",
            ]
        )
        #expect(tls.sni == "outbound_.9080_._.reviews.default.svc.cluster.local")
        #expect(tls.commonTlsContext.tlsCertificateSdsSecretConfigs.map(\.name) == ["default"])

        let endpoints = try set.message(Envoy_Config_Endpoint_V3_ClusterLoadAssignment.self, name)
        let modes = Dictionary(
            uniqueKeysWithValues: endpoints.endpoints.flatMap(\.lbEndpoints).map { endpoint in
                let fields = endpoint.metadata.filterMetadata["envoy.transport_socket_match"]?.fields
                return (endpoint.endpoint.address.socketAddress.address, fields?["tlsMode"]?.stringValue ?? "-")
            }
        )
        #expect(modes == ["10.244.0.3": "istio", "10.244.0.4": "istio", "10.244.0.5": "-"])
    }

    @Test("TCP ports get a listener of their address")
    func tcp() throws {
        let set = TestMesh(TestMesh.services).resources(for: TestMesh.sidecar)
        let listener = try set.listener("10.96.0.12_3306")
        #expect(listener.bindToPort.value == false)
        let any = try #require(listener.filterChains.first?.filters.first?.typedConfig)
        let proxy = try Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy(unpackingAny: any)
        #expect(proxy.cluster == "outbound|3306||database.other.svc.cluster.local")
    }

    @Test("The DNS table has every service's address")
    func nameTable() throws {
        let set = TestMesh(TestMesh.services).resources(for: TestMesh.sidecar)
        let table = try set.message(Istio_Networking_Nds_V1_NameTable.self, "").table
        #expect(table["reviews.default.svc.cluster.local"]?.ips == ["10.96.0.10"])
        #expect(table["reviews.default.svc.cluster.local"]?.shortname == "reviews")
    }
}

@Suite("What a sidecar does with calls to its pod")
struct SidecarInboundTests {
    private static func policy(_ mode: String) -> String {
        TestMesh.services + """
            apiVersion: security.istio.io/v1
            kind: PeerAuthentication
            metadata: {name: default, namespace: default}
            spec: {mtls: {mode: \(mode)}}
            """
    }

    private func chains(_ mode: String) throws -> [Envoy_Config_Listener_V3_FilterChain] {
        let listener = try TestMesh(Self.policy(mode)).resources(for: TestMesh.reviewsSidecar).listener(
            "virtualInbound")
        return listener.filterChains.filter { $0.filterChainMatch.destinationPort.value == 9080 }
    }

    @Test("STRICT: mutual TLS or nothing")
    func strict() throws {
        let chains = try chains("STRICT")
        #expect(chains.map(\.filterChainMatch.transportProtocol) == ["tls"])
        let tls = try Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext(
            unpackingAny: try #require(chains.first).transportSocket.typedConfig
        )
        #expect(tls.requireClientCertificate.value)
        let context = tls.commonTlsContext.combinedValidationContext
        #expect(context.validationContextSdsSecretConfig.name == "ROOTCA")
        #expect(
            context.defaultValidationContext.matchTypedSubjectAltNames.map(\.matcher.prefix) == [
                "spiffe://cluster.local/"
            ]
        )
        let origin = chains.first?.metadata.filterMetadata["martlet"]?.fields["origin"]?.stringValue
        #expect(origin?.hasPrefix("PeerAuthentication default/default (mesh.yaml:") == true)
    }

    @Test("PERMISSIVE: the mesh's TLS is ended, plain text is let in; a port that speaks HTTP takes no other TLS")
    func permissive() throws {
        let chains = try chains("PERMISSIVE")
        #expect(chains.map(\.filterChainMatch.transportProtocol) == ["tls", "raw_buffer"])
        #expect(chains.map(\.hasTransportSocket) == [true, false])
        #expect(chains.first?.filterChainMatch.applicationProtocols.contains("istio") == true)
    }

    @Test("DISABLE: no TLS is ended")
    func disable() throws {
        let chains = try chains("DISABLE")
        #expect(chains.count == 1)
        #expect(chains.allSatisfy { !$0.hasTransportSocket })
    }

    @Test("Ports that no service declares obey the mode too", arguments: ["STRICT", "PERMISSIVE", "DISABLE"])
    func passthrough(mode: String) throws {
        let listener = try TestMesh(Self.policy(mode)).resources(for: TestMesh.reviewsSidecar).listener(
            "virtualInbound")
        let chains = listener.filterChains.filter { !$0.filterChainMatch.hasDestinationPort }
        #expect(chains.contains { !$0.hasTransportSocket } == (mode != "STRICT"))
        #expect(chains.contains(where: \.hasTransportSocket) == (mode != "DISABLE"))
    }
}
