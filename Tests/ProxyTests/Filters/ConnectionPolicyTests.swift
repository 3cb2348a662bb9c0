import EventLoop
import Foundation
import Proxy
import SwiftProtobuf
import Telemetry
import Testing
import XDS

/// RBAC in front of a TCP proxy.
@Suite("Policies on connections")
struct ConnectionPolicyTests {
    private static let type = "type.googleapis.com/envoy."

    private static func rules(_ field: String, action: String, from principal: String) -> String {
        #""\#(field)":{"action":"\#(action)","policies":{"ns[a]-policy[b]-rule[0]":{"permissions":[{"any":true}],"principals":[\#(principal)]}}}"#
    }

    /// A listener for 10.0.0.1:80 behind which clients, who say by PROXY protocol who they are, meet these rules.
    private static func world(_ rules: String, log: String) throws -> Simulation {
        MessageTypes.register()
        let simulation = try Simulation(endpoints: 1)
        var resources = XDSResources()
        resources.clusters["up"] = try Envoy_Config_Cluster_V3_Cluster(
            jsonString: #"""
                {"name":"up","type":"STATIC","loadAssignment":{"clusterName":"up","endpoints":[{"lbEndpoints":[{"endpoint":
                {"address":{"socketAddress":{"address":"10.0.1.0","portValue":8080}}}}]}]}}
                """#)
        let listener = try Envoy_Config_Listener_V3_Listener(
            jsonString: #"""
                {"name":"l","address":{"socketAddress":{"address":"10.0.0.1","portValue":80}},"listenerFilters":[{"name":"p",
                "typedConfig":{"@type":"\#(type)extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}}],
                "filterChains":[{"filters":[
                {"name":"rbac","typedConfig":{"@type":"\#(type)extensions.filters.network.rbac.v3.RBAC",
                "statPrefix":"t",\#(rules)}},
                {"name":"tcp","typedConfig":{"@type":"\#(type)extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "statPrefix":"t","cluster":"up","accessLog":[{"name":"f","typedConfig":{
                "@type":"\#(type)extensions.access_loggers.file.v3.FileAccessLog","path":"\#(log)",
                "logFormat":{"textFormat":"%CONNECTION_TERMINATION_DETAILS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%\n"}
                }}]}}]}]}
                """#)
        var compiler = RuntimeCompiler()
        try #require(compiler.issues(in: listener).map(\.description) == [])
        resources.listeners["l"] = listener
        simulation.proxy.apply(compiler.snapshot(from: resources))
        return simulation
    }

    private static let cases: [(String, Bool, denied: UInt64, shadowDenied: UInt64, line: String)] = [
        (
            rules("rules", action: "DENY", from: #"{"directRemoteIp":{"addressPrefix":"127.0.0.1","prefixLen":32}}"#),
            false, 1, 0, "rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]] 203.0.113.7 127.0.0.1\n"
        ),
        (
            rules("rules", action: "DENY", from: #"{"directRemoteIp":{"addressPrefix":"203.0.113.7","prefixLen":32}}"#),
            true, 0, 0, "- 203.0.113.7 127.0.0.1\n"
        ),
        (
            rules("rules", action: "DENY", from: #"{"sourceIp":{"addressPrefix":"203.0.113.7","prefixLen":32}}"#),
            false, 1, 0, "rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]] 203.0.113.7 127.0.0.1\n"
        ),
        (rules("shadowRules", action: "DENY", from: #"{"any":true}"#), true, 0, 1, "- 203.0.113.7 127.0.0.1\n"),
    ]

    @Test("what rules decide, or would, is counted and said in the log", arguments: cases.indices)
    func decisions(index: Int) throws {
        let (rules, isAllowed, denied, shadowDenied, line) = Self.cases[index]
        let log = FileManager.default.temporaryDirectory.appending(path: "connection-policies-\(UUID()).log")
        defer { try? FileManager.default.removeItem(at: log) }
        let simulation = try Self.world(rules, log: log.path)
        let client = simulation.dial()
        simulation.send("PROXY TCP4 203.0.113.7 10.0.0.1 5000 80\r\nhello", on: client)
        simulation.settle()
        #expect(simulation.proxy.world { $0.isClosed(client) } == !isAllowed)
        #expect(simulation.acceptUpstream().isEmpty != isAllowed)
        simulation.settle()
        if isAllowed { simulation.proxy.world { $0.reset(client) } }
        simulation.settle()
        simulation.pass(milliseconds: 61_000)
        let listeners = simulation.proxy.metrics.listeners
        #expect((0..<listeners.count).reduce(0) { $0 + listeners[$1].deniedConnections } == denied)
        #expect((0..<listeners.count).reduce(0) { $0 + listeners[$1].shadowDenied } == shadowDenied)
        #expect((try? String(contentsOf: log, encoding: .utf8)) == line)
    }
}
