import Agent
import Proxy
import SwiftProtobuf
import Testing
import XDS

@Suite struct ShownConfigurationTests {
    private static let tls = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    private static let wrapper = "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"

    @Test(arguments: [0, 1, 2])
    func aPrivateKeyIsNotShownHoweverDeepItLies(depth: Int) throws {
        MessageTypes.register()
        var socket =
            #"{"name":"t","typedConfig":{"@type":"type.googleapis.com/\#(Self.tls)","commonTlsContext":{"tlsCertificates":[{"privateKey":{"inlineString":"TOP-SECRET"}}]}}}"#
        for _ in 0..<depth {
            socket =
                #"{"name":"p","typedConfig":{"@type":"type.googleapis.com/\#(Self.wrapper)","transportSocket":\#(socket)}}"#
        }
        let cluster = try Envoy_Config_Cluster_V3_Cluster(
            jsonString:
                #"{"name":"c","transportSocket":\#(socket),"transportSocketMatches":[{"name":"m","transportSocket":\#(socket)}]}"#
        )
        let shown = try Redaction.cluster(cluster).jsonString()
        // Bytes are shown in base 64.
        #expect(!shown.contains("TOP-SECRET") && !shown.contains("VE9QLVNFQ1JFV"))
        #expect(shown.contains("W3JlZGFjdGVkXQ"))
    }
}

@Suite struct NamedEndpointTests {
    @Test(arguments: [("", "up.example"), ("app.example", "app.example")])
    func aResolvedEndpointKeepsTheNameThatHostsAreRewrittenTo(hostname: String, expected: String) throws {
        let cluster = try Envoy_Config_Cluster_V3_Cluster(
            jsonString: #"""
                {"name":"c","type":"STRICT_DNS","connectTimeout":"1s","loadAssignment":{"clusterName":"c","endpoints":[
                {"lbEndpoints":[{"endpoint":{"hostname":"\#(hostname)","address":{"socketAddress":{
                "address":"up.example","portValue":80}}}}]}]}}
                """#)
        let question = try #require(NamedEndpoints.questions(in: cluster).first)
        let resolved = NamedEndpoints.resolved(cluster, [question: ["192.0.2.1", "192.0.2.2"]])
        var resources = XDSResources()
        resources.clusters["c"] = resolved
        var compiler = RuntimeCompiler()
        let descriptor = try #require(compiler.snapshot(from: resources).clusters.first ?? nil)
        #expect(descriptor.endpoints.map(\.hostname) == [expected, expected])
        #expect(descriptor.endpoints.map { "\($0.address)" } == ["192.0.2.1:80", "192.0.2.2:80"])
    }
}
