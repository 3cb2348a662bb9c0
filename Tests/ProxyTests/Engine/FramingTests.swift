import EventLoop
import Proxy
import Routing
import Telemetry
import Testing

/// How long a body is, is said by whoever sends it: configuration and policies have no say in it.
@Suite struct FramingTests {
    @Test(arguments: ["content-length", "Transfer-Encoding"])
    func mutationsOfFramingAreRefusedWhereTheyAreConfigured(name: String) throws {
        let route = #"{"match":{"prefix":"/"},"route":{"cluster":"up"},"requestHeadersToRemove":["\#(name)"]}"#
        let issues = try FilterWorld.issues(routes: [route])
        #expect(issues.count == 1)
        #expect(issues.first?.contains("cannot be changed") == true)
    }

    /// Those that come about at run time, by a token's claims or an authorization service's answer, change nothing.
    @Test func mutationsOfFramingChangeNothing() throws {
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [
            VirtualHostSpec(
                name: "all", domains: ["*"],
                routes: [
                    RouteSpec(
                        match: RouteMatchSpec(path: .prefix("/")),
                        action: .forward(ForwardSpec(target: .cluster(ClusterID(index: 0)))))
                ])
        ]
        var changes = HeaderMutationSpec()
        changes.settings = [
            HeaderMutationSpec.Setting(name: "content-length", value: "1", append: .overwriteOrAdd),
            HeaderMutationSpec.Setting(name: "transfer-encoding", value: "chunked", append: .overwriteOrAdd),
        ]
        spec.virtualHosts[0].requestHeaders = changes
        spec.virtualHosts[0].responseHeaders = changes
        let listener = ListenerDescriptor(
            name: "l", address: Simulation.address,
            filterChains: [
                FilterChainDescriptor(
                    name: "chain", terminal: .http(HTTPConnectionManager(statPrefix: "http", routeTable: 0)))
            ])
        let cluster = ClusterDescriptor(
            name: "up", endpoints: [EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0800), port: 80))])
        let world = try Simulation()
        world.proxy.apply(
            RuntimeSnapshot(
                generation: 2, listeners: [listener], clusters: [cluster], routeTables: [try RouteTable(spec)],
                provenance: ProvenanceTable(), local: WorkloadLabels(), telemetry: TelemetryDescriptor()))
        let client = world.dial()
        world.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let request = try #require(world.request(on: upstream))
        #expect(request.all("content-length") == ["5"])
        #expect(request["transfer-encoding"] == nil)
        #expect(request.body == Array("hello".utf8))
        world.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer", on: upstream)
        world.settle()
        let response = try #require(world.response(to: client))
        #expect(response.all("content-length") == ["6"])
        #expect(response["transfer-encoding"] == nil)
        #expect(response.body == Array("answer".utf8))
    }
}
