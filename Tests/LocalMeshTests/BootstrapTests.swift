import FoundationEssentials
import LocalMesh
import Testing

@Suite struct BootstrapTests {
    private let bootstrap = ProxyBootstrap(
        role: .sidecar,
        address: "10.244.0.7",
        pod: "reviews-v1-0",
        namespace: "default",
        workload: "reviews-v1",
        serviceAccount: "bookinfo-reviews",
        labels: WorkloadLabels.injected(["app": "reviews", "version": "v1"], workload: "reviews-v1"),
        mesh: "default",
        socket: "/state/xds.sock"
    )

    private struct Document: Decodable {
        struct Node: Decodable {
            struct Metadata: Decodable {
                var NAMESPACE: String
                var SERVICE_ACCOUNT: String
                var LABELS: [String: String]
                var WORKLOAD_NAME: String
                var CLUSTER_ID: String
                var INSTANCE_IPS: String
                var MESH_ID: String
            }
            var id: String
            var cluster: String
            var metadata: Metadata
        }
        var node: Node
    }

    @Test func theNodeSaysWhoItIs() throws {
        let document = try JSONText.decode(Document.self, from: try JSONText.encode(bootstrap.document))
        #expect(document.node.id == "sidecar~10.244.0.7~reviews-v1-0.default~default.svc.cluster.local")
        #expect(document.node.cluster == "reviews.default")
        #expect(document.node.metadata.NAMESPACE == "default")
        #expect(document.node.metadata.SERVICE_ACCOUNT == "bookinfo-reviews")
        #expect(document.node.metadata.WORKLOAD_NAME == "reviews-v1")
        #expect(
            document.node.metadata.LABELS == [
                "app": "reviews", "version": "v1", "security.istio.io/tlsMode": "istio",
                "service.istio.io/canonical-name": "reviews", "service.istio.io/canonical-revision": "v1",
            ]
        )
    }

    @Test func everythingElseComesOverTheSocket() throws {
        let text = String(decoding: try JSONText.encode(bootstrap.document), as: UTF8.self)
        #expect(text.contains(#""pipe":{"path":"/state/xds.sock"}"#), "\(text)")
        #expect(text.contains(#""api_type":"DELTA_GRPC""#))
        #expect(text.contains(#""lds_config":{"ads":{},"resource_api_version":"V3"}"#))
        #expect(text.contains(#""port_value":15000"#))
    }

    @Test func aGatewayIsARouter() {
        var gateway = bootstrap
        gateway.role = .router
        #expect(gateway.nodeID.hasPrefix("router~10.244.0.7~"))
    }
}
