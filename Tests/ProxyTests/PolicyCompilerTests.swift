import Proxy
import SwiftProtobuf
import Testing
import XDS

/// Authorization rules and access logs as they come over the wire, inside a listener, in their JSON form.
@Suite("Compiling policies and access logs")
struct PolicyCompilerTests {
    private static let type = "type.googleapis.com/envoy.extensions."

    private func listener(rbac: String? = nil, accessLog: String? = nil) throws -> Envoy_Config_Listener_V3_Listener {
        MessageTypes.register()
        let type = Self.type
        let filter =
            rbac.map { #"{"name":"rbac","typedConfig":{"@type":"\#(type)filters.http.rbac.v3.RBAC",\#($0)}},"# } ?? ""
        let log = accessLog.map { #""accessLog":[{"name":"log","typedConfig":\#($0)}],"# } ?? ""
        return try Envoy_Config_Listener_V3_Listener(
            jsonString: #"""
                {"name":"l","address":{"socketAddress":{"address":"127.0.0.1","portValue":80}},"filterChains":[{"filters":[
                {"name":"hcm","typedConfig":{
                "@type":"\#(type)filters.network.http_connection_manager.v3.HttpConnectionManager",\#(log)
                "statPrefix":"s","routeConfig":{"name":"r"},"httpFilters":[\#(filter)
                {"name":"router","typedConfig":{"@type":"\#(type)filters.http.router.v3.Router"}}]}}]}]}
                """#)
    }

    /// The issues without the common beginning of their paths.
    private func issues(rbac: String? = nil, accessLog: String? = nil) throws -> [String] {
        let place = "filter_chains[0].filters[0].typed_config."
        return RuntimeCompiler().issues(in: try listener(rbac: rbac, accessLog: accessLog)).map {
            $0.description.hasPrefix(place) ? String($0.description.dropFirst(place.count)) : $0.description
        }
    }

    private static func policy(permission: String = #"{"any":true}"#, principal: String = #"{"any":true}"#) -> String {
        #""rules":{"action":"DENY","policies":{"p":{"permissions":[\#(permission)],"principals":[\#(principal)]}}}"#
    }

    @Test(
        "what Istio's control plane sends is accepted",
        arguments: [
            policy(
                permission:
                    #"{"andRules":{"rules":[{"orRules":{"rules":[{"header":{"name":":method","stringMatch":{"exact":"GET"}}}]}},{"orRules":{"rules":[{"urlPath":{"path":{"prefix":"/info"}}}]}},{"notRule":{"destinationPort":8080}}]}}"#
            ),
            policy(permission: #"{"destinationPortRange":{"start":1,"end":65536}}"#),
            policy(permission: #"{"destinationIp":{"addressPrefix":"10.1.0.0","prefixLen":16}}"#),
            policy(permission: #"{"requestedServerName":{"suffix":".example.com"}}"#),
            policy(
                principal:
                    #"{"andIds":{"ids":[{"authenticated":{"principalName":{"exact":"spiffe://cluster.local/ns/a/sa/b"}}},{"notId":{"orIds":{"ids":[{"directRemoteIp":{"addressPrefix":"fd00::","prefixLen":8}},{"remoteIp":{"addressPrefix":"1.2.3.4","prefixLen":32}}]}}}]}}"#
            ),
            policy(principal: #"{"authenticated":{}}"#),
            #""rules":{}"#,
            #""shadowRules":{"action":"LOG"}"#,
        ])
    func acceptedRules(rbac: String) throws {
        #expect(try issues(rbac: rbac) == [])
    }

    @Test(
        "what cannot be honoured is named by its path",
        arguments: [
            (policy(permission: #"{"metadata":{"filter":"istio_authn"}}"#), "permissions[0].metadata."),
            (policy(principal: #"{"notId":{"metadata":{"filter":"x"}}}"#), "principals[0].not_id.metadata."),
            (policy(permission: #"{"destinationPort":70000}"#), "permissions[0].destination_port: "),
            (
                policy(permission: #"{"destinationPortRange":{"start":5,"end":5}}"#),
                "permissions[0].destination_port_range: "
            ),
            (
                policy(permission: #"{"destinationIp":{"addressPrefix":"ten","prefixLen":8}}"#),
                "permissions[0].destination_ip: "
            ),
            (
                policy(permission: #"{"urlPath":{"path":{"safeRegex":{"regex":"("}}}}"#),
                "permissions[0].url_path.path.safe_regex: "
            ),
            (policy(permission: "{}"), "permissions[0]: "),
            (policy(permission: #"{"any":false}"#), "permissions[0].any: "),
            (policy(principal: #"{"orIds":{}}"#), "principals[0].or_ids.ids: "),
            (#""rules":{"policies":{"p":{"principals":[{"any":true}]}}}"#, "permissions: "),
        ])
    func refusedRules(rbac: String, place: String) throws {
        let found = try issues(rbac: rbac)
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("http_filters[0].typed_config.rules.policies[p]." + place) == true, "\(found)")
    }

    @Test("Rules reach the snapshot once, and say which resource they come from")
    func authorizers() throws {
        let rules =
            #""rules":{"action":"ALLOW","policies":{"ns[foo]-policy[allow-get]-rule[1]":{"permissions":[{"any":true}],"principals":[{"any":true}]}}}"#
        var compiler = RuntimeCompiler()
        var resources = XDSResources()
        resources.listeners["a"] = try listener(rbac: rules)
        resources.listeners["b"] = try listener(rbac: rules)
        let snapshot = compiler.snapshot(from: resources)
        #expect(snapshot.authorizers.count == 1)
        #expect(snapshot.provenance.origins.contains("AuthorizationPolicy foo/allow-get rule 1"))
    }

    @Test(
        "access logs of Istio's shapes are accepted",
        arguments: [
            #"{"@type":"\#(type)access_loggers.file.v3.FileAccessLog","path":"/dev/stdout"}"#,
            #"{"@type":"\#(type)access_loggers.file.v3.FileAccessLog","path":"/tmp/x","logFormat":{"textFormatSource":{"inlineString":"%REQ(:PATH)%\n"}}}"#,
            #"{"@type":"\#(type)access_loggers.file.v3.FileAccessLog","path":"/tmp/x","logFormat":{"jsonFormat":{"a":"%DURATION%","b":{"c":[1,true,null]}},"omitEmptyValues":true}}"#,
            #"{"@type":"\#(type)access_loggers.stream.v3.StdoutAccessLog"}"#,
            #"{"@type":"\#(type)access_loggers.stream.v3.StderrAccessLog","logFormat":{"textFormat":"%PROTOCOL%"}}"#,
        ])
    func acceptedLogs(log: String) throws {
        #expect(try issues(accessLog: log) == [])
    }

    @Test(
        "an access log that cannot be honoured is named by its path",
        arguments: [
            (#"{"@type":"\#(type)access_loggers.file.v3.FileAccessLog"}"#, ".path: must not be empty"),
            (
                #"{"@type":"\#(type)access_loggers.file.v3.FileAccessLog","path":"x","logFormat":{"textFormat":"%NOPE%"}}"#,
                ".log_format: unknown command operator %NOPE%"
            ),
            (
                #"{"@type":"\#(type)access_loggers.file.v3.FileAccessLog","path":"x","logFormat":{"jsonFormat":{"a":{"b":"%NOPE%"}}}}"#,
                ".log_format.json_format.a.b: unknown command operator %NOPE%"
            ),
            (
                #"{"@type":"\#(type)access_loggers.file.v3.FileAccessLog","path":"x","logFormat":{}}"#,
                ".log_format: needs text_format or json_format"
            ),
        ])
    func refusedLogs(log: String, issue: String) throws {
        #expect(try issues(accessLog: log) == ["access_log[0].typed_config" + issue])
    }
}
