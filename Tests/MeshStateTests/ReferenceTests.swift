import MeshAPI
import MeshState
import Testing

/// References to what is not there are said with the place and the likely fix.
@Suite struct ReferenceTests {
    private func messages(_ manifests: String) -> [String] { mesh(manifests).diagnostics.map(\.description) }

    @Test func anUnknownHost() {
        #expect(
            messages(service("reviews") + virtualService("v", "hosts: [x.com], http: [{\(route("revews"))}]")) == [
                "f.yaml:10:61: warning: VirtualService default/v: destination.host: no service"
                    + " revews.default.svc.cluster.local: its requests get 503;"
                    + " did you mean \"reviews.default.svc.cluster.local\"?"
            ]
        )
    }

    @Test func aHostOfAnotherNamespace() {
        let found = messages(
            service("reviews", in: "prod") + virtualService("v", "hosts: [x.com], http: [{\(route("reviews"))}]")
        )
        #expect(found.first?.hasSuffix("did you mean \"reviews.prod.svc.cluster.local\"?") == true)
    }

    @Test func anUnknownSubset() {
        let found = messages(
            service("a") + destinationRule("r", "host: a, subsets: [{name: v1, labels: {version: v1}}]")
                + virtualService("v", "hosts: [a], http: [{\(route("a", subset: "v2"))}]")
        )
        #expect(found.count == 1)
        #expect(found[0].contains("has no subset \"v2\""))
        #expect(found[0].contains("DestinationRule default/r (f.yaml:"))
    }

    @Test func aSubsetWithoutAnyRule() {
        let found = messages(service("a") + virtualService("v", "hosts: [a], http: [{\(route("a", subset: "v2"))}]"))
        #expect(
            found.first?.contains("no DestinationRule for a.default.svc.cluster.local is visible in default") == true)
    }

    @Test func anUnknownGateway() {
        let found = messages(
            gateway("public", in: "edge", "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")
                + virtualService("v", "hosts: [x.com], gateways: [public], http: [{\(route("a.b"))}]")
        )
        #expect(found.count == 1)
        #expect(found[0].contains("no Gateway default/public"))
        #expect(found[0].hasSuffix("did you mean \"edge/public\"?"))
    }

    @Test func anUnknownPort() {
        let found = messages(
            service("a")
                + virtualService("v", "hosts: [a], http: [{route: [{destination: {host: a, port: {number: 81}}}]}]")
        )
        #expect(found.first?.contains("a.default.svc.cluster.local has no port 81, only 80") == true)
    }

    @Test func withoutAnyServiceThereIsNothingToCompareWith() {
        #expect(messages(virtualService("v", "hosts: [a], http: [{\(route("a", subset: "v2"))}]")) == [])
    }

    @Test func theSameResourceTwiceIsSaidAndTheLaterOneCounts() {
        let result = mesh(
            virtualService("v", "hosts: [a], http: [{name: one, \(route("a"))}]")
                + virtualService("v", "hosts: [a], http: [{name: two, \(route("a"))}]")
        )
        #expect(result.snapshot.virtualServices.flatMap(\.http).map(\.name) == ["two"])
        #expect(result.diagnostics.map(\.message) == ["replaces the same resource at f.yaml:2:1"])
    }

    /// Applying a VirtualService before its DestinationRule must not turn good answers into 503s in between.
    @Test func aVirtualServiceWaitsForTheSubsetsThatItNames() {
        let before = mesh(service("a") + virtualService("v", "hosts: [a], http: [{name: old, \(route("a"))}]")).snapshot
        let new = service("a") + virtualService("v", "hosts: [a], http: [{name: new, \(route("a", subset: "v2"))}]")
        let waiting = mesh(new, previous: before)
        #expect(waiting.snapshot.virtualServices.flatMap(\.http).map(\.name) == ["old"])
        #expect(waiting.diagnostics.contains { $0.message.contains("the last working version stays in force") })

        let rule = destinationRule("r", "host: a, subsets: [{name: v2, labels: {version: v2}}]")
        let complete = mesh(new + rule, previous: waiting.snapshot)
        #expect(complete.snapshot.virtualServices.flatMap(\.http).map(\.name) == ["new"])
        #expect(complete.diagnostics.isEmpty)
    }
}
