import Proxy
import SwiftProtobuf
import Telemetry
import Testing
import XDS

/// Configurations that come and go leave nothing behind, in the compiler's tables and in the worker's statistics.
@Suite("Configurations that are swapped thousands of times")
struct SwappedConfigurationTests {
    private static let manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

    /// A configuration of which every name is of this generation alone, and one cluster that stays.
    private func resources(_ number: Int) throws -> XDSResources {
        MessageTypes.register()
        var resources = XDSResources()
        let listener = try Envoy_Config_Listener_V3_Listener(
            jsonString: #"""
                {"name":"l","address":{"socketAddress":{"address":"10.0.0.1","portValue":80}},"filterChains":[{"filters":[
                {"name":"hcm","typedConfig":{"@type":"type.googleapis.com/\#(Self.manager)","statPrefix":"h\#(number)",
                "accessLog":[{"name":"log","typedConfig":{
                "@type":"type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "logFormat":{"textFormatSource":{"inlineString":"\#(number)\n"}}},
                "filter":{"statusCodeFilter":{"comparison":{"op":"EQ","value":{"defaultValue":999,"runtimeKey":"k"}}}}}],
                "httpFilters":[{"name":"rbac\#(number)","typedConfig":{
                "@type":"type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC","rules":{"policies":{
                "p\#(number)":{"permissions":[{"any":true}],"principals":[{"any":true}]}}}}},
                {"name":"router","typedConfig":{"@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
                "routeConfig":{"name":"r\#(number)","virtualHosts":[{"name":"v","domains":["*"],"routes":[
                {"match":{"path":"/stays"},"route":{"cluster":"up"}},
                {"match":{"prefix":"/"},"route":{"cluster":"c\#(number)","retryPolicy":{"retryOn":"5xx","numRetries":1,
                "perTryTimeout":"\#(number + 1)s"},"metadataMatch":{"filterMetadata":{"envoy.lb":{"v":"\#(number)"}}}},
                "responseHeadersToAdd":[{"header":{"key":"x-n","value":"\#(number) %PROTOCOL%"}}]}]}]}}}]}]}
                """#)
        resources.listeners["l"] = listener
        for name in ["up", "c\(number)"] {
            resources.clusters[name] = try Envoy_Config_Cluster_V3_Cluster(
                jsonString: #"""
                    {"name":"\#(name)","type":"STATIC","loadAssignment":{"clusterName":"\#(name)","endpoints":[{"lbEndpoints":[
                    {"endpoint":{"address":{"socketAddress":{"address":"10.0.1.1","portValue":8080}}}}]}]}}
                    """#)
        }
        return resources
    }

    @Test("tables stay below 1,024 spare entries and two configurations', statistics below 200 families")
    func bounded() throws {
        let simulation = try Simulation(endpoints: 1)
        var compiler = RuntimeCompiler()
        var largest = 0
        var stays: ClusterDescriptor?
        for number in 0..<3000 {
            let resources = try resources(number)
            if let listener = resources.listeners["l"], number == 0 {
                try #require(compiler.issues(in: listener).map(\.description) == [])
            }
            let snapshot = compiler.snapshot(from: resources)
            simulation.proxy.apply(snapshot)
            largest = max(
                largest, snapshot.clusters.count, snapshot.authorizers.count, snapshot.accessLogs.count,
                snapshot.retryPolicies.count, snapshot.headerFormats.count, snapshot.routeTables.count)
            let now = snapshot.clusters.compactMap(\.self).first { $0.name == "up" }
            // The breaker is what the cluster's requests count in, whatever the tables' numbers are.
            if let stays { #expect(now?.breaker === stays.breaker) }
            stays = now
            #expect(snapshot.clusters.compactMap(\.self).count == 2)
        }
        #expect(largest < 1024 + 64)
        #expect(simulation.proxy.metrics.clusters.count < 200)
        #expect(simulation.proxy.metrics.http.count < 200)
        #expect(simulation.proxy.liveGenerations <= 2)
        let client = simulation.dial()
        simulation.send(get("/any"), on: client)
        simulation.settle()
        let socket = try #require(simulation.acceptUpstream().first)
        _ = try #require(simulation.request(on: socket))
        simulation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", on: socket)
        simulation.settle()
        let response = try #require(simulation.response(to: client))
        #expect(response.status == 200)
        #expect(response["x-n"] == "2999 HTTP/1.1")
    }
}
