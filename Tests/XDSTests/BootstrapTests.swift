import SwiftProtobuf
import Testing
import XDS

@Suite("Bootstrap files")
struct BootstrapTests {
    static let listener = """
        static_resources:
          listeners:
          - name: l
            address: {socket_address: {address: 127.0.0.1, port_value: 8080}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: http
                  route_config:
                    virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                      - match: {prefix: /}
                        route: {cluster: up, timeout: 1.5s}
        """

    @Test("YAML is read with Envoy's field names, in snake case and in camel case")
    func readsYAML() throws {
        for text in [Self.listener, Self.listener.replacing("stat_prefix", with: "statPrefix")] {
            let bootstrap = try Bootstrap.parse(text, file: "b.yaml")
            let listener = try #require(bootstrap.staticResources.listeners.first)
            #expect(listener.address.socketAddress.portValue == 8080)
            let any = try #require(listener.filterChains.first?.filters.first?.typedConfig)
            let manager =
                try Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager(unpackingAny: any)
            let route = try #require(manager.routeConfig.virtualHosts.first?.routes.first)
            #expect(route.route.cluster == "up")
            #expect(route.route.timeout.nanos == 500_000_000)
        }
    }

    @Test(
        "What is not understood is refused with its path and line",
        arguments: [
            ("stat_prefix: http", "stat_prefixx: http", "statix", 10),
            ("timeout: 1.5s", "early_data_policy: {}", "early_data_policy", 17),
            ("prefix: /", "prefix: [a]", "prefix", 16),
            ("port_value: 8080", "port_value: many", "port_value", 4),
            ("v3.HttpConnectionManager", "v3.Nothing", "typed_config", 9),
        ]
    )
    func refuses(good: String, bad: String, word: String, line: Int) throws {
        let text = Self.listener.replacing(good, with: bad)
        let error = #expect(throws: BootstrapError.self) { try Bootstrap.parse(text, file: "b.yaml") }
        guard case .field(let file, let place, _, let path, _)? = error else {
            Issue.record("expected an error with a place, found \(String(describing: error))")
            return
        }
        #expect(file == "b.yaml")
        #expect(place == line)
        #expect(path.contains(word == "statix" ? "stat_prefixx" : word))
    }

    @Test("A runtime layer is refused, because nothing would read it")
    func refusesRuntime() {
        let error = #expect(throws: BootstrapError.self) {
            try Bootstrap.parse("layered_runtime: {layers: []}\n", file: "b.yaml")
        }
        #expect(error?.description.contains("b.yaml:1:1: layered_runtime: this field") == true)
    }

    @Test("Broken YAML is refused at its line")
    func refusesBrokenYAML() {
        let error = #expect(throws: BootstrapError.self) { try Bootstrap.parse("node:\n  id: [a\n", file: "b.yaml") }
        guard case .syntax? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("JSON with escapes and a bool that is text keeps its types")
    func readsJSON() throws {
        let text = #"{"node": {"id": "a\tb", "metadata": {"X": "true", "N": 3, "T": true}}}"#
        let bootstrap = try Bootstrap.parse(text, file: "b.json")
        #expect(bootstrap.node.id == "a\tb")
        #expect(bootstrap.node.metadata.fields["X"]?.stringValue == "true")
        #expect(bootstrap.node.metadata.fields["N"]?.numberValue == 3)
        #expect(bootstrap.node.metadata.fields["T"]?.boolValue == true)
    }
}

@Suite("Audit of received messages")
struct WireAuditTests {
    @Test("A message of known fields has no findings")
    func acceptsKnown() {
        var cluster = Envoy_Config_Cluster_V3_Cluster()
        cluster.name = "a"
        cluster.connectTimeout = .init(seconds: 1)
        cluster.metadata.filterMetadata["x"] = .init(fields: ["y": .init(stringValue: "z")])
        var audit = WireAudit()
        #expect(audit.findings(in: Google_Protobuf_Any(packing: cluster)) == [])
    }

    @Test("A field that Envoy has and we do not honour is named by its path")
    func namesField() throws {
        // RouteAction.early_data_policy is field 40; the bytes of an empty message at that place.
        var action = Envoy_Config_Route_V3_RouteAction()
        action.cluster = "c"
        let bytes: [UInt8] = try action.serializedBytes() + [0xc2, 0x02, 0x00]
        var route = Envoy_Config_Route_V3_Route()
        route.route = try Envoy_Config_Route_V3_RouteAction(serializedBytes: bytes)
        var table = Envoy_Config_Route_V3_RouteConfiguration()
        table.virtualHosts = [.init(), .init()]
        table.virtualHosts[1].routes = [route]
        var audit = WireAudit()
        let findings = audit.findings(in: Google_Protobuf_Any(packing: table))
        #expect(
            findings == [
                "virtual_hosts[1].routes[0].route.early_data_policy (envoy.config.route.v3.RouteAction) is not supported"
            ]
        )
    }

    @Test("An extension that we do not know is named with its place")
    func namesExtension() {
        var filter = Envoy_Config_Listener_V3_Filter()
        filter.typedConfig.typeURL =
            "type.googleapis.com/envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy"
        var listener = Envoy_Config_Listener_V3_Listener()
        listener.filterChains = [.init()]
        listener.filterChains[0].filters = [filter]
        var audit = WireAudit()
        let findings = audit.findings(in: Google_Protobuf_Any(packing: listener))
        #expect(findings.count == 1)
        #expect(findings.first?.hasPrefix("filter_chains[0].filters[0].typed_config: ") == true)
    }

    @Test("Truncated bytes are a finding, not a crash", arguments: 0..<64)
    func survivesTruncation(length: Int) throws {
        var listener = Envoy_Config_Listener_V3_Listener()
        listener.name = "listener with a name"
        listener.address.socketAddress.address = "127.0.0.1"
        listener.metadata.filterMetadata["martlet"] = .init(fields: ["origin": .init(stringValue: "here")])
        let bytes: [UInt8] = try listener.serializedBytes()
        var audit = WireAudit()
        _ = audit.findings(in: Array(bytes.prefix(length)), message: "envoy.config.listener.v3.Listener")
    }
}
