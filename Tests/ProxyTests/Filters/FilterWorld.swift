import Proxy
import SwiftProtobuf
import Testing
import XDS

/// A simulated proxy whose listener is compiled from an HTTP connection manager in Envoy's JSON.
struct FilterWorld {
    let simulation: Simulation

    /// - Parameters:
    ///   - filters: the elements of `httpFilters`, without the router.
    ///   - routes: the elements of `routes` of the only virtual host.
    ///   - host: further members of the virtual host.
    ///   - manager: further members of the connection manager.
    init(filters: [String] = [], routes: [String], host: String = "", manager: String = "") throws {
        simulation = try Simulation(endpoints: 1)
        var resources = XDSResources()
        resources.listeners["l"] = try Self.listener(filters, routes, host, manager)
        for name in ["up", "shadow"] {
            resources.clusters[name] = try Envoy_Config_Cluster_V3_Cluster(jsonString: Self.cluster(name))
        }
        var compiler = RuntimeCompiler()
        let listener = try #require(resources.listeners["l"])
        try #require(compiler.issues(in: listener).map(\.description) == [])
        simulation.proxy.apply(compiler.snapshot(from: resources))
    }

    /// What is refused of such a listener.
    static func issues(
        filters: [String] = [], routes: [String], host: String = "", manager: String = ""
    ) throws -> [String] {
        RuntimeCompiler().issues(in: try listener(filters, routes, host, manager)).map(\.description)
    }

    static func filter(_ name: String, _ type: String, _ members: String = "") -> String {
        let rest = members.isEmpty ? "" : "," + members
        return #"{"name":"\#(name)","typedConfig":{"@type":"type.googleapis.com/\#(type)"\#(rest)}}"#
    }

    static func perFilter(_ name: String, _ type: String, _ members: String = "") -> String {
        let rest = members.isEmpty ? "" : "," + members
        return #""typedPerFilterConfig":{"\#(name)":{"@type":"type.googleapis.com/\#(type)"\#(rest)}}"#
    }

    /// Sends a request; the answer of the proxy itself, or nil when the request went on (or waits).
    func ask(_ request: String, on client: Int32? = nil) -> WireMessage? {
        let client = client ?? simulation.dial()
        simulation.send(request, on: client)
        simulation.settle()
        return simulation.response(to: client)
    }

    /// Sends a request that the endpoint answers: what it got, and what the client got.
    func exchange(
        _ request: String, answer: String = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Up: v\r\n\r\nok"
    ) throws -> (request: WireMessage, response: WireMessage) {
        let client = simulation.dial()
        simulation.send(request, on: client)
        simulation.settle()
        simulation.acceptUpstream()
        for upstream in simulation.opened {
            guard let received = simulation.request(on: upstream) else { continue }
            simulation.send(answer, on: upstream)
            simulation.settle()
            return (received, try #require(simulation.response(to: client)))
        }
        let response = simulation.response(to: client)
        Issue.record("nothing came to the endpoint; the client got \(String(describing: response?.status))")
        throw NothingForwarded()
    }

    struct NothingForwarded: Error {}

    private static func listener(
        _ filters: [String], _ routes: [String], _ host: String, _ manager: String
    ) throws -> Envoy_Config_Listener_V3_Listener {
        MessageTypes.register()
        let router = filter("router", "envoy.extensions.filters.http.router.v3.Router")
        let chain = (filters + [router]).joined(separator: ",")
        let hostMembers = host.isEmpty ? "" : "," + host
        let managerMembers = manager.isEmpty ? "" : "," + manager
        return try Envoy_Config_Listener_V3_Listener(
            jsonString: #"""
                {"name":"l","address":{"socketAddress":{"address":"10.0.0.1","portValue":80}},"filterChains":[{
                "filters":[{"name":"hcm","typedConfig":{"@type":"type.googleapis.com/\#(managerType)",
                "statPrefix":"h","httpFilters":[\#(chain)],"routeConfig":{"name":"r","virtualHosts":[{"name":"v",
                "domains":["*"],"routes":[\#(routes.joined(separator: ","))]\#(hostMembers)}]}\#(managerMembers)}}]}]}
                """#)
    }

    private static let managerType =
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

    private static func cluster(_ name: String) -> String {
        let last = name == "up" ? 0 : 9
        return #"""
            {"name":"\#(name)","type":"STATIC","loadAssignment":{"clusterName":"\#(name)","endpoints":[{"lbEndpoints":[
            {"endpoint":{"address":{"socketAddress":{"address":"10.0.1.\#(last)","portValue":8080}}}}]}]}}
            """#
    }
}

/// A request without a body.
func get(_ path: String, _ headers: String...) -> String {
    "GET \(path) HTTP/1.1\r\nHost: x\r\n" + headers.map { $0 + "\r\n" }.joined() + "\r\n"
}
