import EventLoop
import Proxy
import SwiftProtobuf
import Testing
import XDS

/// Hedging on the per-try timeout, where the timing matters; what clients and endpoints see of it is compared with Envoy.
@Suite struct HedgingTests {
    private static let manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

    /// One retry, 100 ms a try, no time limit for the whole.
    private static func world() throws -> Simulation {
        MessageTypes.register()
        var resources = XDSResources()
        resources.listeners["l"] = try Envoy_Config_Listener_V3_Listener(
            jsonString: #"""
                {"name":"l","address":{"socketAddress":{"address":"10.0.0.1","portValue":80}},"filterChains":[{"filters":[
                {"name":"hcm","typedConfig":{"@type":"type.googleapis.com/\#(manager)","statPrefix":"h",
                "httpFilters":[{"name":"router","typedConfig":{"@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
                "routeConfig":{"name":"r","virtualHosts":[{"name":"v","domains":["*"],"routes":[
                {"match":{"prefix":"/"},"route":{"cluster":"up","timeout":"0s",
                "hedgePolicy":{"hedgeOnPerTryTimeout":true},
                "retryPolicy":{"retryOn":"5xx","numRetries":1,"perTryTimeout":"0.1s"}}}]}]}}}]}]}
                """#)
        resources.clusters["up"] = try Envoy_Config_Cluster_V3_Cluster(
            jsonString: #"""
                {"name":"up","type":"STATIC","connectTimeout":"60s","loadAssignment":{"clusterName":"up","endpoints":[{"lbEndpoints":[
                {"endpoint":{"address":{"socketAddress":{"address":"10.0.1.1","portValue":8080}}}}]}]}}
                """#)
        let world = try Simulation(endpoints: 1)
        var compiler = RuntimeCompiler()
        world.proxy.apply(compiler.snapshot(from: resources))
        return world
    }

    /// The first try stalls, and no connection for the second comes about in its time.
    private static func waiting() throws -> (world: Simulation, client: Int32, first: Int32) {
        let world = try Self.world()
        let client = world.dial()
        world.send(get("/any"), on: client)
        world.settle()
        let first = try #require(world.acceptUpstream().first)
        _ = try #require(world.request(on: first))
        // The try's time, the longest pause before the next, and its time.
        world.pass(milliseconds: 110)
        world.pass(milliseconds: 30)
        world.pass(milliseconds: 110)
        #expect(world.response(to: client) == nil)
        return (world, client, first)
    }

    @Test func anEarlierTryAnswersWhenTheOthersHaveFailed() throws {
        let (world, client, first) = try Self.waiting()
        world.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst", on: first)
        world.settle()
        #expect(world.response(to: client)?.body == Array("first".utf8))
    }

    @Test func aRequestThatWaitsForAnEarlierTryIsNotForgotten() throws {
        let (world, client, _) = try Self.waiting()
        // stream_idle_timeout: 5 minutes.
        world.pass(milliseconds: 301_000)
        let status = try #require(world.response(to: client)).status
        #expect([408, 504].contains(status))
    }
}
