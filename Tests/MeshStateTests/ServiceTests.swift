import MeshAPI
import MeshState
import Testing

@Suite struct ServiceTests {
    @Test(arguments: [
        ("http", nil, 80, ApplicationProtocol.http), ("HTTP-web", nil, 80, .http), ("grpc-web", nil, 80, .grpcWeb),
        ("grpc-api", nil, 80, .grpc), ("web", nil, 80, .unknown), ("", nil, 3306, .tcp), ("http", nil, 3306, .http),
        ("tcp", "http2", 80, .http2), ("x", "kubernetes.io/h2c", 80, .http2), ("x", "kubernetes.io/wss", 80, .https),
        ("mongo", nil, 1, .mongo), ("redis-0", nil, 1, .redis), ("http", "unheard-of", 80, .http),
    ])
    func protocolOfAPort(_ name: String, _ appProtocol: String?, _ number: Int, _ expected: ApplicationProtocol) throws
    {
        let extra = appProtocol.map { ", appProtocol: \($0)" } ?? ""
        let snapshot = mesh(
            """
            apiVersion: v1
            kind: Service
            metadata: {name: a}
            spec: {ports: [{port: \(number), name: "\(name)"\(extra)}]}
            """
        ).snapshot
        let service = try #require(snapshot.service(host: "a.default.svc.cluster.local"))
        #expect(service.port(number)?.applicationProtocol == expected)
    }

    @Test func addressesAreTheSameInEveryRunAndDoNotMove() throws {
        let first = mesh(service("a") + service("b")).snapshot
        let again = mesh(service("b") + service("a")).snapshot
        #expect(first.services.map(\.address) == again.services.map(\.address))
        #expect(Set(first.services.compactMap(\.address)).count == 2)

        let address = try #require(first.services[0].address)
        #expect(address.hasPrefix("10.96."))
        let more = mesh(service("a0") + service("a") + service("b"), previous: first).snapshot
        #expect(more.service(host: "a.default.svc.cluster.local")?.address == address)
    }

    @Test func givenHeadlessAndExternalAddresses() throws {
        let snapshot = mesh(
            """
            apiVersion: v1
            kind: Service
            metadata: {name: given}
            spec: {clusterIP: 10.96.7.7, ports: [{port: 80}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: headless}
            spec: {clusterIP: None, ports: [{port: 80}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: outside}
            spec: {type: ExternalName, externalName: example.com}
            """
        ).snapshot
        #expect(
            snapshot.services.map(\.resolution) == [.clusterIP("10.96.7.7"), .headless, .externalName("example.com")])
    }

    @Test func endpointsAreTheReadyPodsOfTheNamespaceWithTheLabels() throws {
        let snapshot = mesh(
            service("a"),
            pods: [
                pod("a-1", ip: "10.244.0.1", labels: ["app": "a", "version": "v1"]),
                pod("a-2", ip: "10.244.0.2", labels: ["app": "a", "version": "v2"]),
                pod("a-3", ip: "10.244.0.3", labels: ["app": "a"], ready: false),
                pod("b-1", ip: "10.244.0.4", labels: ["app": "b"]),
                pod("a-4", in: "other", ip: "10.244.0.5", labels: ["app": "a"]),
            ]
        ).snapshot
        let service = try #require(snapshot.service(host: "a.default.svc.cluster.local"))
        #expect(snapshot.endpoints(of: service, port: 80).map(\.workload.ip) == ["10.244.0.1", "10.244.0.2"])
        #expect(snapshot.endpoints(of: service, port: 80).map(\.port) == [8080, 8080])
        #expect(snapshot.endpoints(of: service, port: 81).isEmpty)
        #expect(
            snapshot.identities(of: service) == [
                "spiffe://cluster.local/ns/default/sa/sa-a-1", "spiffe://cluster.local/ns/default/sa/sa-a-2",
                "spiffe://cluster.local/ns/default/sa/sa-a-3",
            ]
        )
    }

    @Test func aNamedTargetPortIsLookedUpInEachPod() throws {
        let snapshot = mesh(
            """
            apiVersion: v1
            kind: Service
            metadata: {name: a}
            spec: {ports: [{port: 80, targetPort: web}], selector: {app: a}}
            """,
            pods: [
                pod("a-1", labels: ["app": "a"], ports: [.init(name: "web", number: 8080)]),
                pod("a-2", labels: ["app": "a"], ports: [.init(name: "web", number: 9090)]),
                pod("a-3", labels: ["app": "a"]),
            ]
        ).snapshot
        let service = try #require(snapshot.service(host: "a.default.svc.cluster.local"))
        #expect(snapshot.endpoints(of: service, port: 80).map(\.port) == [8080, 9090])
    }

    @Test func aServiceIsExportedByItsAnnotation() throws {
        let snapshot = mesh(
            """
            apiVersion: v1
            kind: Service
            metadata: {name: a, annotations: {networking.istio.io/exportTo: "., friends"}}
            spec: {ports: [{port: 80}]}
            """
        ).snapshot
        #expect(snapshot.services(visibleIn: "default").count == 1)
        #expect(snapshot.services(visibleIn: "friends").count == 1)
        #expect(snapshot.services(visibleIn: "others").isEmpty)
    }
}
