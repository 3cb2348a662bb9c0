import MeshAPI
import MeshState
import Testing

@Suite struct DestinationRuleTests {
    private func rule(_ snapshot: MeshSnapshot, from namespace: String) -> String? {
        snapshot.destinationRule(for: "a.server.svc.cluster.local", clientNamespace: namespace)?.origin.resource.name
    }

    private let host = "host: a.server.svc.cluster.local"

    @Test func theClientsNamespaceThenTheServicesThenTheRootDecides() {
        let all =
            service("a", in: "server") + destinationRule("root", in: "istio-system", host)
            + destinationRule("own", in: "server", host) + destinationRule("client", in: "client", host)
        let snapshot = mesh(all).snapshot
        #expect(rule(snapshot, from: "client") == "client")
        #expect(rule(snapshot, from: "else") == "own")
        #expect(rule(snapshot, from: "server") == "own")
        let withoutOwn = mesh(service("a", in: "server") + destinationRule("root", in: "istio-system", host)).snapshot
        #expect(rule(withoutOwn, from: "else") == "root")
        #expect(rule(withoutOwn, from: "istio-system") == "root")
    }

    @Test func aRuleThatIsNotExportedIsNotSeen() {
        let snapshot = mesh(
            service("a", in: "server") + destinationRule("own", in: "server", host + ", exportTo: ['.']")
        ).snapshot
        #expect(rule(snapshot, from: "server") == "own")
        #expect(rule(snapshot, from: "else") == nil)
    }

    @Test func theMostSpecificHostOfANamespaceDecides() {
        let snapshot = mesh(
            service("a", in: "server") + destinationRule("any", in: "client", "host: '*'")
                + destinationRule("local", in: "client", "host: '*.server.svc.cluster.local'")
        ).snapshot
        #expect(rule(snapshot, from: "client") == "local")
    }

    @Test func aRuleForSomeClientsBeatsOneForAll() {
        let snapshot = mesh(
            service("a", in: "server") + destinationRule("all", in: "client", host)
                + destinationRule("some", in: "client", host + ", workloadSelector: {matchLabels: {app: x}}")
        ).snapshot
        let find = { (labels: [String: String]) in
            snapshot.destinationRule(
                for: "a.server.svc.cluster.local",
                clientNamespace: "client",
                clientLabels: labels
            )?.origin.resource.name
        }
        #expect(find(["app": "x"]) == "some")
        #expect(find(["app": "y"]) == "all")
    }

    @Test func rulesOfOneHostAndNamespaceAreMerged() throws {
        let result = mesh(
            service("a")
                + destinationRule("one", "host: a, subsets: [{name: v1, labels: {version: v1}}]")
                + destinationRule(
                    "two",
                    """
                    host: a.default.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}},
                    subsets: [{name: v1, labels: {version: x}}, {name: v2, labels: {version: v2}}]
                    """
                )
        )
        let rule = try #require(
            result.snapshot.destinationRule(for: "a.default.svc.cluster.local", clientNamespace: "default")
        )
        #expect(rule.subsets.map(\.name) == ["v1", "v2"])
        #expect(rule.subset("v1")?.labels == ["version": "v1"])
        #expect(rule.subsetOrigins["v2"]?.resource.name == "two")
        #expect(rule.policy(port: 80, subset: nil).loadBalancer?.simple == .random)
        #expect(result.diagnostics.map(\.message).contains { $0.contains("subset \"v1\"") })
    }

    @Test func aSubsetReplacesGroupsAndAPortSettingStandsForItself() throws {
        let snapshot = mesh(
            service("a")
                + destinationRule(
                    "r",
                    """
                    host: a,
                    trafficPolicy: {
                      loadBalancer: {simple: RANDOM}, connectionPool: {tcp: {maxConnections: 1}},
                      portLevelSettings: [{port: {number: 81}, loadBalancer: {simple: ROUND_ROBIN}}]},
                    subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {connectionPool: {http: {maxRetries: 2}}}}]
                    """
                )
        ).snapshot
        let rule = try #require(
            snapshot.destinationRule(for: "a.default.svc.cluster.local", clientNamespace: "default"))
        let subset = rule.policy(port: 80, subset: "v1")
        #expect(subset.loadBalancer?.simple == .random)
        #expect(subset.connectionPool?.tcp == nil)
        #expect(subset.connectionPool?.http?.maxRetries == 2)
        let port = rule.policy(port: 81, subset: nil)
        #expect(port.loadBalancer?.simple == .roundRobin)
        #expect(port.connectionPool == nil)
    }
}
