import Proxy
import SwiftProtobuf
import Testing
import XDS

/// Route configurations as they come over the wire, in their JSON form.
@Suite("Compiling route configurations")
struct RouteCompilerTests {
    private func configuration(route json: String) throws -> Envoy_Config_Route_V3_RouteConfiguration {
        MessageTypes.register()
        return try Envoy_Config_Route_V3_RouteConfiguration(
            jsonString: #"{"name":"9080","virtualHosts":[{"name":"h","domains":["*"],"routes":[\#(json)]}]}"#)
    }

    private func issues(route json: String) throws -> [String] {
        RuntimeCompiler().issues(in: try configuration(route: json)).map(\.description)
    }

    @Test(
        "what the mesh's control plane sends is accepted",
        arguments: [
            #"{"match":{"prefix":"/"},"route":{"cluster":"c","timeout":"0s","maxStreamDuration":{"maxStreamDuration":"0s","grpcTimeoutHeaderMax":"0s"},"retryPolicy":{"retryOn":"connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes","numRetries":2,"retryHostPredicate":[{"name":"envoy.retry_host_predicates.previous_hosts"}],"hostSelectionRetryMaxAttempts":"5"}},"decorator":{"operation":"x:80/*"}}"#,
            #"{"match":{"path":"/a","caseSensitive":false,"headers":[{"name":"x","stringMatch":{"exact":"1"},"invertMatch":true,"treatMissingHeaderAsEmpty":true}],"queryParameters":[{"name":"v","stringMatch":{"prefix":"1"}}]},"route":{"weightedClusters":{"clusters":[{"name":"a","weight":90},{"name":"b","weight":10}]},"prefixRewrite":"/b"}}"#,
            #"{"match":{"safeRegex":{"regex":"/v[0-9]+"}},"redirect":{"httpsRedirect":true,"responseCode":"FOUND"}}"#,
            #"{"match":{"pathSeparatedPrefix":"/a"},"directResponse":{"status":404,"body":{"inlineString":"no"}}}"#,
            #"{"match":{"prefix":"/"},"route":{"clusterHeader":"x-to","hashPolicy":[{"cookie":{"name":"c","ttl":"0s","path":"/"}}]}}"#,
            #"{"match":{"prefix":"/"},"route":{"cluster":"c"},"requestHeadersToAdd":[{"header":{"key":"x","value":"100%%"},"appendAction":"ADD_IF_ABSENT"}],"responseHeadersToRemove":["y"]}"#,
        ])
    func accepted(json: String) throws {
        #expect(try issues(route: json) == [])
    }

    @Test(
        "what cannot be honoured is named by its path",
        arguments: [
            (
                #"{"match":{"prefix":"/"},"route":{"cluster":"c","appendXForwardedHost":true}}"#,
                "virtual_hosts[0].routes[0].route.append_x_forwarded_host: not supported yet"
            ),
            (
                #"{"match":{"prefix":"/"},"route":{"cluster":"c","retryPolicy":{"retryOn":"5xx,maybe"}}}"#,
                "virtual_hosts[0].routes[0].route.retry_policy.retry_on: unknown condition \"maybe\""
            ),
            (
                #"{"match":{"prefix":"/"},"route":{"cluster":"c"},"requestHeadersToAdd":[{"header":{"key":":path","value":"/"}}]}"#,
                "virtual_hosts[0].routes[0].request_headers_to_add[0].header.key: \":path\" cannot be changed here; use host_rewrite or prefix_rewrite"
            ),
            (
                #"{"match":{"prefix":"/"},"route":{"cluster":"c"},"responseHeadersToAdd":[{"header":{"key":"x","value":"%WHAT%"}}]}"#,
                "virtual_hosts[0].routes[0].response_headers_to_add[0].header.value: unknown command operator %WHAT%"
            ),
            (
                #"{"match":{"prefix":"/"},"directResponse":{"status":99}}"#,
                "virtual_hosts[0].routes[0].direct_response.status: must be 200 to 599, is 99"
            ),
            (
                #"{"match":{"prefix":"/"}}"#,
                "virtual_hosts[0].routes[0]: needs route, redirect or direct_response"
            ),
            (
                #"{"match":{"prefix":"/"},"route":{"cluster":"c","timeout":"-1s"}}"#,
                "virtual_hosts[0].routes[0].route.timeout: a duration must be between 0s and 4294966s"
            ),
            (
                #"{"match":{"prefix":"/"},"route":{"weightedClusters":{"clusters":[{"name":"a","weight":0}]}}}"#,
                "virtual_hosts[0].routes[0].route.weighted_clusters: the sum of the weights is 0"
            ),
        ])
    func refused(json: String, expected: String) throws {
        #expect(try issues(route: json) == [expected])
    }

    @Test("an invalid regular expression is named, with what RE2 says")
    func regex() throws {
        let issues = try issues(route: #"{"match":{"safeRegex":{"regex":"/("}},"route":{"cluster":"c"}}"#)
        #expect(issues.count == 1)
        #expect(issues.first?.hasPrefix("virtual_hosts[0].routes[0].match.safe_regex: invalid regular") == true)
    }

    @Test("an unchanged table is the same instance in the next snapshot")
    func reuse() throws {
        var compiler = RuntimeCompiler()
        var resources = XDSResources()
        resources.listeners["l"] = try Envoy_Config_Listener_V3_Listener(jsonString: Self.listener)
        resources.routes["9080"] = try configuration(route: #"{"match":{"prefix":"/"},"route":{"cluster":"c"}}"#)
        let first = compiler.snapshot(from: resources)
        let again = compiler.snapshot(from: resources)
        #expect(first.routeTables.count == 1)
        #expect(first.routeTables[0] === again.routeTables[0])
        resources.routes["9080"] = try configuration(route: #"{"match":{"prefix":"/"},"route":{"cluster":"d"}}"#)
        let changed = compiler.snapshot(from: resources)
        #expect(changed.routeTables[0] != nil)
        #expect(first.routeTables[0] !== changed.routeTables[0])
    }

    private static let listener = #"""
        {"name":"l","address":{"socketAddress":{"address":"127.0.0.1","portValue":1}},"filterChains":[{"filters":[{
        "name":"hcm","typedConfig":{
        "@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "rds":{"routeConfigName":"9080","configSource":{"ads":{}}},"httpFilters":[{"name":"router","typedConfig":{
        "@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]}
        """#
}
