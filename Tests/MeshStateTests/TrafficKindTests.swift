import MeshAPI
import MeshState
import Testing

@Suite("TrafficSplits, ServiceEntries and Sidecars in the mesh")
struct TrafficKindTests {
    private static let services = service("web") + service("web-a") + service("web-b")

    private static func split(_ version: String, _ weights: (String, String), matches: String = "") -> String {
        """
        ---
        apiVersion: split.smi-spec.io/\(version)
        kind: TrafficSplit
        metadata: {name: web, namespace: default}
        spec:
          service: web
          backends: [{service: web-a, weight: \(weights.0)}, {service: web-b, weight: \(weights.1)}]
          \(matches)

        """
    }

    @Test(
        "Every version of a TrafficSplit becomes weights",
        arguments: [
            ("v1alpha1", ("900m", "100m")), ("v1alpha2", ("90", "10")), ("v1alpha3", ("90", "10")),
            ("v1alpha4", ("90", "10")),
        ])
    func weights(_ version: String, _ weights: (String, String)) throws {
        let result = mesh(Self.services + Self.split(version, weights))
        let rule = try #require(
            result.snapshot.sidecarRouting(in: "default").virtualService(for: "web.default.svc.cluster.local"))
        let route = try #require(rule.http.first).route
        #expect(
            route.map { $0.destination?.host.value } == [
                "web-a.default.svc.cluster.local", "web-b.default.svc.cluster.local",
            ])
        #expect(route[0].weight == 9 * route[1].weight)
    }

    @Test("A VirtualService of the same host decides alone, and that is said")
    func besideVirtualService() throws {
        let result = mesh(
            Self.services + Self.split("v1alpha2", ("1", "1"))
                + virtualService("web", "hosts: [web], http: [{\(route("web-b"))}]"))
        let rule = result.snapshot.sidecarRouting(in: "default").virtualService(for: "web.default.svc.cluster.local")
        #expect(rule?.key.kind == "VirtualService")
        #expect(result.diagnostics.contains { $0.message.contains("this TrafficSplit is not used") })
    }

    @Test("With matches only those requests are split")
    func matches() throws {
        let group = """
            ---
            apiVersion: specs.smi-spec.io/v1alpha4
            kind: HTTPRouteGroup
            metadata: {name: beta, namespace: default}
            spec: {matches: [{name: users, headers: {x-user: "test.*"}, methods: [GET]}]}

            """
        let result = mesh(
            Self.services + group
                + Self.split("v1alpha4", ("0", "1"), matches: "matches: [{kind: HTTPRouteGroup, name: beta}]"))
        let rules = try #require(result.snapshot.virtualServices.first).http
        #expect(rules.count == 2)
        #expect(rules[0].match.first?.headers.first?.name == "x-user")
        #expect(rules[1].route.first?.destination?.host.value == "web.default.svc.cluster.local")
    }

    private static func entry(_ spec: String, name: String = "out") -> String {
        """
        ---
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: \(name), namespace: default}
        spec: {\(spec)}

        """
    }

    @Test("A ServiceEntry that can be resolved gets an address, which it keeps")
    func addresses() throws {
        let text = Self.entry(
            "hosts: [api.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS")
        let first = mesh(text).snapshot
        let address = try #require(first.service(host: "api.example.com")?.address)
        #expect(address.hasPrefix("240.240."))
        let more = Self.entry(
            "hosts: [aaa.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS", name: "more"
        )
        #expect(mesh(more + text, previous: first).snapshot.service(host: "api.example.com")?.address == address)
    }

    @Test("A ServiceEntry's endpoints are those it lists, or what its selector takes")
    func endpoints() throws {
        let listed = mesh(
            Self.entry(
                """
                hosts: [db.example.com], ports: [{number: 5432, name: tcp, protocol: TCP}], resolution: STATIC,
                endpoints: [{address: 192.0.2.1, ports: {tcp: 6000}}, {address: 192.0.2.2}]
                """)
        ).snapshot
        let service = try #require(listed.service(host: "db.example.com"))
        #expect(listed.endpoints(of: service, port: 5432).map(\.port) == [6000, 5432])
        let selected = mesh(
            Self.entry(
                """
                hosts: [db.example.com], ports: [{number: 5432, name: tcp, protocol: TCP}], resolution: STATIC,
                location: MESH_INTERNAL, workloadSelector: {labels: {app: db}}
                """), pods: [pod("db-0", ip: "10.244.0.9", labels: ["app": "db"])]
        ).snapshot
        let other = try #require(selected.service(host: "db.example.com"))
        #expect(selected.endpoints(of: other, port: 5432).map(\.workload.ip) == ["10.244.0.9"])
    }

    @Test("A Sidecar narrows what is seen, and what imported routes lead to comes along")
    func sidecar() {
        let text =
            service("a") + service("b") + service("c", in: "other")
            + virtualService("a", "hosts: [a], http: [{\(route("c.other.svc.cluster.local"))}]") + """
                ---
                apiVersion: networking.istio.io/v1
                kind: Sidecar
                metadata: {name: default, namespace: default}
                spec: {egress: [{hosts: ["./a.default.svc.cluster.local"]}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}

                """
        let scope = mesh(text).snapshot.scope(namespace: "default", labels: [:])
        #expect(scope.services.map(\.host) == ["a.default.svc.cluster.local", "c.other.svc.cluster.local"])
        #expect(scope.outboundPolicy?.mode == .registryOnly)
    }

    @Test("A new VirtualService waits for its subset, and a rule stays while its subset is named")
    func order() throws {
        let before = mesh(service("web")).snapshot
        let routes = virtualService("web", "hosts: [web], http: [{\(route("web", subset: "v1"))}]")
        let early = mesh(service("web") + routes, previous: before)
        #expect(early.snapshot.virtualServices.isEmpty)
        #expect(early.diagnostics.contains { $0.message.contains("stay in force") })
        let rule = destinationRule("web", "host: web, subsets: [{name: v1, labels: {version: v1}}]")
        let whole = mesh(service("web") + routes + rule, previous: early.snapshot)
        #expect(whole.snapshot.virtualServices.count == 1)
        let late = mesh(service("web") + routes, previous: whole.snapshot)
        #expect(late.snapshot.destinationRules.first?.subset("v1") != nil)
        #expect(late.diagnostics.contains { $0.message.contains("still names a subset") })
    }

    @Test("Other pods alone change what they touch, and the result is that of a whole build")
    func replacing() throws {
        let text = service("web") + service("other")
        let pods = [
            pod("web-0", ip: "10.244.0.1", labels: ["app": "web"]),
            pod("web-1", ip: "10.244.0.2", labels: ["app": "web"]),
            pod("other-0", ip: "10.244.0.3", labels: ["app": "other"]),
        ]
        let before = mesh(text, pods: pods).snapshot
        var next = pods
        next[0].ready = false
        next.append(pod("web-2", ip: "10.244.0.4", labels: ["app": "web"]))
        let after = before.replacing(next, generation: 9)
        let change = try #require(after.changedEndpoints(since: before))
        #expect(change.services.map(\.name) == ["web"])
        #expect(change.workloads == ["default/web-0", "default/web-2"])
        let whole = mesh(text, pods: next).snapshot
        for service in whole.services {
            #expect(after.endpoints(of: service, port: 80) == whole.endpoints(of: service, port: 80))
            #expect(after.workloads(of: service) == whole.workloads(of: service))
        }
        for pod in next {
            #expect(after.services(of: pod).map(\.name) == whole.services(of: pod).map(\.name))
        }
    }
}
