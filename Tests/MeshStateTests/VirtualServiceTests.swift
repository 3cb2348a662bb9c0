import MeshAPI
import MeshState
import Testing

/// Which VirtualService holds for which host and client: the traps of Istio's rules, one by one.
@Suite struct VirtualServiceTests {
    private func name(_ snapshot: MeshSnapshot, _ host: String, from namespace: String = "default") -> String? {
        snapshot.sidecarRouting(in: namespace).virtualService(for: host)?.key.name
    }

    @Test func shortNamesBelongToTheNamespaceOfTheResourceNotOfTheCaller() throws {
        let snapshot = mesh(virtualService("v", in: "a", "hosts: [reviews], http: [{\(route("ratings"))}]")).snapshot
        let service = try #require(snapshot.virtualServices.first)
        #expect(service.hosts.map(\.value) == ["reviews.a.svc.cluster.local"])
        #expect(service.destinations.map(\.host.value) == ["ratings.a.svc.cluster.local"])
        #expect(name(snapshot, "reviews.a.svc.cluster.local", from: "b") == "v")
        #expect(name(snapshot, "reviews.b.svc.cluster.local", from: "b") == nil)
    }

    @Test func aNameWithADotIsTakenAsItIs() throws {
        let snapshot = mesh(virtualService("v", "hosts: [reviews.prod], http: [{\(route("x.y"))}]")).snapshot
        #expect(snapshot.virtualServices[0].hosts.map(\.value) == ["reviews.prod"])
        #expect(snapshot.virtualServices[0].destinations.map(\.host.value) == ["x.y"])
    }

    @Test func exactHostsBeatWildcardsAndLongWildcardsShortOnes() {
        let snapshot = mesh(
            virtualService("all", "hosts: ['*.com'], http: [{\(route("a"))}]")
                + virtualService("long", "hosts: ['*.b.com'], http: [{\(route("a"))}]")
                + virtualService("exact", "hosts: [a.b.com], http: [{\(route("a"))}]")
        ).snapshot
        #expect(name(snapshot, "a.b.com") == "exact")
        #expect(name(snapshot, "c.b.com") == "long")
        #expect(name(snapshot, "c.com") == "all")
        #expect(name(snapshot, "c.org") == nil)
    }

    @Test func onSidecarsTheOldestOfAHostCountsAndNothingIsMerged() {
        let result = mesh(
            service("a") + virtualService("one", "hosts: [a], http: [{\(route("a"))}]")
                + virtualService("two", "hosts: [a], http: [{\(route("a"))}]")
        )
        #expect(name(result.snapshot, "a.default.svc.cluster.local") == "one")
        #expect(result.diagnostics.map(\.resource) == ["VirtualService default/two"])
        #expect(result.diagnostics[0].message.contains("is routed by VirtualService default/one"))
    }

    @Test func creationTimeBeatsTheOrderOfTheFiles() {
        let late = virtualService("late", "hosts: [a], http: [{\(route("a"))}]")
            .replacing("namespace: default", with: "namespace: default, creationTimestamp: '2024-01-01T00:00:00Z'")
        let early = virtualService("early", "hosts: [a], http: [{\(route("a"))}]")
            .replacing("namespace: default", with: "namespace: default, creationTimestamp: '2023-01-01T00:00:00Z'")
        #expect(name(mesh(late + early).snapshot, "a.default.svc.cluster.local") == "early")
    }

    @Test func exportToHidesAVirtualServiceFromOtherNamespaces() {
        let snapshot = mesh(
            virtualService("public", in: "a", "hosts: [x.com], http: [{\(route("a"))}]")
                + virtualService("private", in: "a", "hosts: [x.com], exportTo: ['.'], http: [{\(route("a"))}]")
                + virtualService("friends", in: "a", "hosts: [y.com], exportTo: [b], http: [{\(route("a"))}]")
        ).snapshot
        #expect(name(snapshot, "x.com", from: "a") == "private")
        #expect(name(snapshot, "x.com", from: "b") == "public")
        #expect(name(snapshot, "y.com", from: "b") == "friends")
        #expect(name(snapshot, "y.com", from: "c") == nil)
    }

    @Test func naminggatewaysWithoutMeshTakesAVirtualServiceAwayFromSidecars() {
        let snapshot = mesh(
            virtualService("edge", "hosts: [a], gateways: [gw], http: [{\(route("a"))}]")
                + virtualService("both", "hosts: [b], gateways: [gw, mesh], http: [{\(route("a"))}]")
        ).snapshot
        #expect(name(snapshot, "a.default.svc.cluster.local") == nil)
        #expect(name(snapshot, "b.default.svc.cluster.local") == "both")
        #expect(snapshot.virtualServices.first { $0.key.name == "edge" }?.gateways == ["default/gw"])
    }

    @Test func conditionsOnTheClientAreDecidedForEachClient() throws {
        let snapshot = mesh(
            virtualService(
                "v",
                """
                hosts: [a], http: [
                {name: labelled, match: [{sourceLabels: {app: x}}], \(route("a"))},
                {name: port, match: [{port: 81}], \(route("a"))},
                {name: namespaced, match: [{sourceNamespace: n, uri: {prefix: /x}}], \(route("a"))},
                {name: rest, \(route("a"))},
                {name: never, \(route("a"))}]
                """
            )
        ).snapshot
        let service = try #require(snapshot.virtualServices.first)
        let names = { (client: RouteClient, port: Int) in
            service.httpRules(for: client, port: port).compactMap(\.name)
        }
        #expect(names(RouteClient(namespace: "m", labels: [:]), 80) == ["rest"])
        #expect(names(RouteClient(namespace: "m", labels: [:]), 81) == ["port"])
        #expect(names(RouteClient(namespace: "n", labels: [:]), 80) == ["namespaced", "rest"])
        #expect(names(RouteClient(namespace: "n", labels: ["app": "x"]), 80) == ["labelled"])
        let gateway = RouteClient(namespace: "n", labels: [:], gateways: ["default/gw"])
        #expect(names(gateway, 80) == [])
    }

    @Test func aDelegateIsMergedIntoItsRoot() throws {
        let result = mesh(
            virtualService(
                "root",
                """
                hosts: [a.com], gateways: [gw], http: [
                {name: r, match: [{uri: {prefix: /v1}}], timeout: 3s, delegate: {name: part, namespace: team}}]
                """
            )
                + virtualService(
                    "part",
                    in: "team",
                    """
                    http: [
                    {name: x, match: [{uri: {prefix: /v1/x}}], \(route("x"))},
                    {name: y, match: [{uri: {prefix: /v2}}], \(route("x"))},
                    {name: z, timeout: 9s, \(route("x"))}]
                    """
                )
        )
        let service = try #require(result.snapshot.virtualServices.first)
        #expect(result.snapshot.virtualServices.count == 1)
        #expect(service.http.map(\.name) == ["r-x", "r-z"])
        #expect(service.http.map { $0.match.compactMap(\.uri?.text) } == [["/v1/x"], ["/v1"]])
        #expect(service.http.map(\.timeout) == [.seconds(3), .seconds(9)])
        #expect(service.destinations.map(\.host.value) == Array(repeating: "x.team.svc.cluster.local", count: 2))
        #expect(service.origin(of: service.http[0].location).resource.description == "VirtualService team/part")
        #expect(result.diagnostics.contains { $0.message.contains("is not part of the root's match") })
    }
}
