import ControlPlane
import MeshAPI
import MeshState
import SwiftProtobuf
import Testing
import XDS
import XDSTransport

/// A mesh from manifests and a list of pods, as the control plane would have it.
struct TestMesh {
    let snapshot: MeshSnapshot

    init(_ manifests: String, pods: [MeshWorkload] = TestMesh.pods) {
        let documents = ManifestDecoder().decode(manifests, file: "mesh.yaml")
        let resources = documents.compactMap { document in
            document.key.flatMap { key in document.resource.map { (key: key, resource: $0) } }
        }
        snapshot = SnapshotBuilder().build(MeshState.ResourceSet(resources), workloads: pods).snapshot
    }

    static func pod(
        _ name: String, _ ip: String, _ labels: [String: String], account: String = "default", sidecar: Bool = true,
        kind: MeshWorkload.Kind = .pod
    ) -> MeshWorkload {
        MeshWorkload(
            name: name, namespace: "default", ip: ip, workload: name, labels: labels, serviceAccount: account,
            ports: [.init(name: "http", number: 9080)], ready: true, sidecar: sidecar, kind: kind
        )
    }

    static let pods = [
        pod("productpage-0", "10.244.0.2", ["app": "productpage", "version": "v1"], account: "productpage"),
        pod("reviews-v1-0", "10.244.0.3", ["app": "reviews", "version": "v1"], account: "reviews"),
        pod("reviews-v2-0", "10.244.0.4", ["app": "reviews", "version": "v2"], account: "reviews"),
        pod("legacy-0", "10.244.0.5", ["app": "reviews", "version": "v0"], account: "legacy", sidecar: false),
        pod("gateway-0", "10.244.0.9", ["istio": "ingressgateway"], account: "gateway", kind: .gateway),
    ]

    static let services = """
        apiVersion: v1
        kind: Service
        metadata: {name: reviews, namespace: default}
        spec:
          clusterIP: 10.96.0.10
          selector: {app: reviews}
          ports: [{name: http, port: 9080}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: productpage, namespace: default}
        spec:
          clusterIP: 10.96.0.11
          selector: {app: productpage}
          ports: [{name: http, port: 9080}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: database, namespace: other}
        spec:
          clusterIP: 10.96.0.12
          selector: {app: database}
          ports: [{name: mysql, port: 3306}]
        ---

        """

    static let sidecar = ProxyIdentity(
        id: "sidecar~10.244.0.2~productpage-0.default~default.svc.cluster.local", role: .sidecar, ip: "10.244.0.2",
        pod: "productpage-0", namespace: "default"
    )
    static let reviewsSidecar = ProxyIdentity(
        id: "sidecar~10.244.0.3~reviews-v1-0.default~default.svc.cluster.local", role: .sidecar, ip: "10.244.0.3",
        pod: "reviews-v1-0", namespace: "default"
    )
    static let gateway = ProxyIdentity(
        id: "router~10.244.0.9~gateway-0.default~default.svc.cluster.local", role: .gateway, ip: "10.244.0.9",
        pod: "gateway-0", namespace: "default"
    )

    func resources(for proxy: ProxyIdentity) -> XDSTransport.ResourceSet {
        var builder = ConfigurationBuilder(snapshot)
        return builder.build(for: proxy)
    }
}

extension XDSTransport.ResourceSet {
    func message<M: Message>(_ type: M.Type, _ name: String) throws -> M {
        let resource = try #require(
            self[TypeURL.of(type)][name], "no \(name) among \(self[TypeURL.of(type)].keys.sorted())")
        return try M(unpackingAny: resource.body)
    }

    func cluster(_ name: String) throws -> Envoy_Config_Cluster_V3_Cluster {
        try message(Envoy_Config_Cluster_V3_Cluster.self, name)
    }

    func listener(_ name: String) throws -> Envoy_Config_Listener_V3_Listener {
        try message(Envoy_Config_Listener_V3_Listener.self, name)
    }

    func table(_ name: String) throws -> Envoy_Config_Route_V3_RouteConfiguration {
        try message(Envoy_Config_Route_V3_RouteConfiguration.self, name)
    }

    func hasVirtualHost(_ table: String, _ domain: String) -> Bool {
        (try? self.table(table))?.virtualHosts.contains { $0.domains.contains(domain) } ?? false
    }

    func virtualHost(_ table: String, _ domain: String) throws -> Envoy_Config_Route_V3_VirtualHost {
        let hosts = try self.table(table).virtualHosts
        return try #require(hosts.first { $0.domains.contains(domain) }, "no \(domain) in \(hosts.flatMap(\.domains))")
    }
}
