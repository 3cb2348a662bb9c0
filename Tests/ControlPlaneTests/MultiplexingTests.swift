import ControlPlane
import SwiftProtobuf
import Testing
import XDS
import XDSTransport

/// When requests of HTTP/1.1 travel on streams of HTTP/2 between sidecars.
@Suite("What is spoken between sidecars")
struct MultiplexingTests {
    struct Policy: CustomTestStringConvertible {
        var fields: String
        var version: String
        var offers: [String]?
        var testDescription: String { fields.isEmpty ? "nothing said" : fields }
    }

    private static let streams = ["martlet-h2", "istio-h2", "istio-http/1.1", "istio", "h2", "http/1.1"]
    private static let plain = ["istio-http/1.1", "istio", "http/1.1"]

    static let policies = [
        Policy(fields: "", version: "auto", offers: streams),
        Policy(fields: "connectionPool: {http: {h2UpgradePolicy: DEFAULT}}", version: "auto", offers: streams),
        Policy(fields: "connectionPool: {http: {maxRetries: 5}}", version: "auto", offers: streams),
        Policy(fields: "tls: {mode: ISTIO_MUTUAL}", version: "auto", offers: streams),
        Policy(
            fields: "connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}", version: "1", offers: plain),
        Policy(fields: "connectionPool: {http: {useClientProtocol: true}}", version: "client", offers: plain),
        Policy(
            fields: "connectionPool: {http: {h2UpgradePolicy: UPGRADE}}", version: "2",
            offers: ["istio-h2", "istio", "h2"]),
        Policy(fields: "tls: {mode: DISABLE}", version: "1"),
    ]

    @Test("streams by default; the user's settings are respected", arguments: policies)
    func policy(_ policy: Policy) throws {
        let mesh = TestMesh(
            TestMesh.services + """
                apiVersion: networking.istio.io/v1
                kind: DestinationRule
                metadata: {name: reviews, namespace: default}
                spec:
                  host: reviews
                  trafficPolicy: {\(policy.fields)}
                """)
        let set = mesh.resources(for: TestMesh.sidecar)
        let cluster = try set.cluster("outbound|9080||reviews.default.svc.cluster.local")
        #expect(try version(cluster) == policy.version)
        let socket = cluster.transportSocketMatches.first?.transportSocket ?? cluster.transportSocket
        guard let offers = policy.offers else { return #expect(socket.typedConfig.typeURL.isEmpty) }
        let tls = try Envoy_Extensions_TransportSockets_Tls_V3_UpstreamTlsContext(
            unpackingAny: socket.typedConfig)
        #expect(tls.commonTlsContext.alpnProtocols == offers)
    }

    @Test("a sidecar takes streams, and gives its application what came in")
    func inbound() throws {
        let set = TestMesh(TestMesh.services).resources(for: TestMesh.sidecar)
        let listener = try set.listener("virtualInbound")
        let secure = try #require(listener.filterChains.first { $0.name == "inbound|9080||-mtls" })
        let tls = try Envoy_Extensions_TransportSockets_Tls_V3_DownstreamTlsContext(
            unpackingAny: secure.transportSocket.typedConfig)
        #expect(tls.commonTlsContext.alpnProtocols == ["martlet-h2", "h2", "http/1.1"])
        #expect(try version(set.cluster("inbound|9080||")) == "1")
        #expect(try version(set.cluster("PassthroughCluster")) == "client")
        #expect(try version(set.cluster("InboundPassthroughCluster")) == "client")
    }

    /// What the cluster's endpoints are spoken to in.
    private func version(_ cluster: Envoy_Config_Cluster_V3_Cluster) throws -> String {
        let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        guard let any = cluster.typedExtensionProtocolOptions[name] else { return "1" }
        let options = try Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions(unpackingAny: any)
        switch options.upstreamProtocolOptions {
        case .explicitHTTPConfig(let explicit)?:
            guard case .http2ProtocolOptions? = explicit.protocolConfig else { return "1" }
            return "2"
        case .useDownstreamProtocolConfig?: return "client"
        case .autoConfig?: return "auto"
        case nil: return "1"
        }
    }
}
