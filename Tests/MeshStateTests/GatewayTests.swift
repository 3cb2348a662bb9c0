import MeshAPI
import MeshState
import Testing

@Suite struct GatewayTests {
    private let workload = pod(
        "ingress",
        in: "istio-system",
        labels: ["istio": "ingressgateway"],
        kind: .gateway
    )
    private let http = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com']}"

    private func hosts(_ snapshot: MeshSnapshot) -> [GatewayVirtualHost] {
        snapshot.gatewayListeners(for: workload).flatMap {
            snapshot.gatewayVirtualHosts(of: $0.servers, workload: workload)
        }
    }

    @Test func virtualServicesOfAHostAreMergedWithCatchAllsLast() {
        let snapshot = mesh(
            gateway("gw", http)
                + virtualService(
                    "one",
                    "hosts: [a.example.com], gateways: [gw], http: [{name: 1a, match: [{uri: {prefix: /x}}], \(route("a"))},"
                        + " {name: 1b, \(route("a"))}]"
                )
                + virtualService(
                    "two",
                    "hosts: [a.example.com], gateways: [default/gw], http: [{name: 2a, match: [{uri: {exact: /y}}], \(route("a"))},"
                        + " {name: 2b, \(route("a"))}]"
                ),
            pods: [workload]
        ).snapshot
        #expect(hosts(snapshot).map(\.host) == ["a.example.com"])
        #expect(hosts(snapshot).flatMap(\.rules).map(\.rule.name) == ["1a", "2a", "1b", "2b"])
        #expect(hosts(snapshot)[0].rules[1].origin.description.hasPrefix("VirtualService default/two (f.yaml:"))
    }

    @Test func theNarrowerOfTwoHostsIsServed() {
        let snapshot = mesh(
            gateway("gw", http)
                + virtualService("wide", "hosts: ['*.com'], gateways: [gw], http: [{\(route("a"))}]")
                + virtualService("other", "hosts: [a.org], gateways: [gw], http: [{\(route("a"))}]"),
            pods: [workload]
        ).snapshot
        #expect(hosts(snapshot).map(\.host) == ["*.example.com"])
    }

    @Test func aServerMayTakeVirtualServicesOfOneNamespaceOnly() {
        let snapshot = mesh(
            gateway(
                "gw",
                "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['team/*.example.com', './b.example.com']}")
                + virtualService(
                    "mine", "hosts: [a.example.com, b.example.com], gateways: [gw], http: [{\(route("a"))}]")
                + virtualService(
                    "theirs",
                    in: "team",
                    "hosts: [c.example.com], gateways: [default/gw], http: [{\(route("a"))}]"
                ),
            pods: [workload]
        ).snapshot
        #expect(hosts(snapshot).map(\.host) == ["b.example.com", "c.example.com"])
    }

    @Test func ofTwoServersForBytesOnAPortTheOlderHasIt() {
        let tcp = "{port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}"
        let result = mesh(gateway("gw", in: "zeta", tcp) + gateway("gw", in: "alpha", tcp), pods: [workload])
        let listeners = result.snapshot.gatewayListeners(for: workload)
        // Of the same age: the name decides, then the namespace.
        #expect(listeners.flatMap { $0.servers.map(\.gateway) } == ["alpha/gw"])
        #expect(result.diagnostics.count == 1)
        #expect(
            result.diagnostics.first?.description.contains(
                "warning: Gateway zeta/gw: spec.servers.port: port 80 belongs to Gateway alpha/gw") == true,
            "\(result.diagnostics)"
        )
    }

    @Test func gatewaysOfAPortShareAListenerUnlessTheirClassesDiffer() {
        let tls = "{port: {number: 80, name: tls, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}"
        let snapshot = mesh(
            gateway("one", http) + gateway("two", http.replacing("example.com", with: "example.org"))
                + gateway("three", tls),
            pods: [workload]
        ).snapshot
        let listeners = snapshot.gatewayListeners(for: workload)
        #expect(listeners.map(\.port) == [80])
        #expect(listeners[0].servers.map(\.gateway) == ["default/one", "default/two"])
        #expect(listeners[0].isHTTP)
        #expect(!listeners[0].isTLS)
    }

    @Test func theServiceInFrontMapsThePort() {
        let snapshot = mesh(
            gateway("gw", http)
                + """
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: ingress, namespace: istio-system}
                spec: {ports: [{port: 80, name: http, targetPort: 8080}], selector: {istio: ingressgateway}}
                """,
            pods: [workload]
        ).snapshot
        #expect(snapshot.gatewayListeners(for: workload).map(\.targetPort) == [8080])
    }

    @Test func podsWithoutTheLabelsAreNoGateways() {
        let snapshot = mesh(gateway("gw", http), pods: [workload]).snapshot
        #expect(snapshot.gatewayListeners(for: pod("a", labels: ["app": "a"])).isEmpty)
    }
}
