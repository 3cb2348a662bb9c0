import AllocationCounter
import Glibc
import Testing

/// The data path allocates nothing per request: a counter in front of malloc says so, for a worker on real sockets with
/// routing, authorization, metrics and access logs on.
@Suite("Allocations in the steady state")
struct AllocationTests {
    /// One kind of traffic. A protocol or a filter that is to cost nothing gets a row in `rows`.
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        /// Further filters in front of the router, as YAML list items of `http_filters`.
        var filters = ""
        /// Further fields of the connection manager, as YAML.
        var manager = ""
        /// Of the catch-all route.
        var action = "route: {cluster: up}"
        var route = ""
        /// Further fields of the cluster.
        var cluster = ""
        /// The bytes of request number n.
        var request: @Sendable (Int) -> [UInt8] = { _ in Rows.get }
        /// What the endpoint answers to what it received since its last answer; nil until that is a whole request.
        var reply: @Sendable ([UInt8]) -> [UInt8]? = { Rows.endsHead($0) ? Rows.ok : nil }
        /// Whether what the client received since its request is the whole answer.
        var isWhole: @Sendable ([UInt8]) -> Bool = { Rows.ends($0, "hello") }
        var status = "200"
        /// The client speaks HTTP/2.
        var speaksHTTP2 = false
        /// Requests cross a hop of mutual TLS between two listeners; what its client offers by ALPN. Empty: no hop.
        var offers = ""
        /// What libraries below us allocate for a request, and we cannot help.
        var ofLibraries: UInt64 = 0

        var testDescription: String { name }
    }

    static let rows: [Row] = [
        Row(name: "routed requests"),
        Row(name: "a text log", manager: Rows.log(Rows.text)),
        Row(name: "Istio's JSON log", manager: Rows.log(Rows.json)),
        Row(name: "both logs", manager: Rows.log(Rows.text, Rows.json)),
        Row(name: "authorized requests", filters: Rows.rbac("action: ALLOW", "any: true")),
        Row(
            name: "denied requests", filters: Rows.rbac("action: DENY", "any: true"), manager: Rows.log(Rows.text),
            isWhole: { Rows.ends($0, "access denied") }, status: "403"),
        Row(
            name: "an edge proxy", manager: "use_remote_address: true\nxff_num_trusted_hops: 1\n" + Rows.log(Rows.json),
            request: { _ in Rows.get("x-forwarded-for: 203.0.113.77, 2001:db8::1:7\r\n") }),
        Row(
            name: "headers, rewritten",
            action: "route: {cluster: up, prefix_rewrite: /other/, host_rewrite_literal: a-rather-long.example.com}",
            route: """
                request_headers_to_add:
                - {header: {key: x-added-to-the-request, value: with a value of some length}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
                response_headers_to_remove: [x-removed]
                """),
        Row(
            name: "direct responses",
            action: "direct_response: {status: 200, body: {inline_string: a body that is not short and says hello}}"),
        Row(
            name: "redirects",
            action: "redirect: {host_redirect: a-rather-long-name.example.com, https_redirect: true}",
            isWhole: { Rows.endsHead($0) }, status: "301"),
        Row(
            name: "bodies up, with length",
            request: { _ in Rows.post("content-length: 3000\r\n", Rows.body(3000)) },
            reply: { Rows.ends($0, "end") ? Rows.ok : nil }),
        Row(
            name: "bodies down, chunked",
            reply: { Rows.endsHead($0) ? Rows.chunked : nil }, isWhole: { Rows.ends($0, "0\r\n\r\n") }),
        Row(
            name: "retries allowed",
            action: "route: {cluster: up, retry_policy: {retry_on: 5xx, num_retries: 2}, timeout: 3s}"),
        Row(
            name: "circuit breakers",
            cluster: """
                circuit_breakers: {thresholds: [{max_connections: 10, max_requests: 10}]}
                """),
    ]

    @Test("nothing is allocated per request", arguments: rows + FilterRows.rows + StreamRows.rows)
    func steadyState(_ row: Row) throws {
        let hop = row.offers.isEmpty ? nil : try SidecarHop()
        let world = try LoopbackWorld(besides: hop?.middle ?? 0) {
            hop?.bootstrap(row, endpoint: $0) ?? Rows.bootstrap(row, endpoint: $0)
        }
        for number in 0..<300 {
            let answer = try world.exchange(row.request(number), reply: row.reply, isWhole: row.isWhole)
            if number == 0, row.speaksHTTP2 {
                // 0x88: status 200 in the static table.
                #expect(StreamRows.frames(answer).first { $0.type == 1 }?.payload.first == 0x88)
            } else if number == 0 {
                #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 \(row.status) "))
            }
        }
        let before = world.allocations
        let traced = getenv("MARTLET_TRACE_ALLOCATIONS").map { String(cString: $0) } == row.name
        for number in 300..<2_300 {
            world.traces = traced && number == 300
            _ = try world.exchange(row.request(number), reply: row.reply, isWhole: row.isWhole)
        }
        #expect(
            world.allocations - before == 2_000 * row.ofLibraries,
            "set MARTLET_TRACE_ALLOCATIONS to the row's name to see who")
    }

    /// The counter itself: a test that could not fail would show nothing.
    @Test func theCounterCounts() {
        let before = allocation_count()
        let bytes = [UInt8](unsafeUninitializedCapacity: 100_000) { $1 = $0.count }
        #expect(allocation_count() - before >= 1)
        #expect(bytes.count == 100_000)
    }
}

/// The pieces of the rows.
enum Rows {
    static let get = get("")
    static let ok = Array(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-removed: 1\r\ncontent-length: 5\r\n\r\nhello".utf8)
    static let chunked = Array("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".utf8)

    static func get(_ fields: String) -> [UInt8] {
        Array(
            "GET /some/path?query=value HTTP/1.1\r\nhost: service.default.svc.cluster.local\r\nuser-agent: tests\r\n\(fields)\r\n"
                .utf8)
    }

    static func post(_ fields: String, _ body: [UInt8]) -> [UInt8] {
        Array("POST /some/path HTTP/1.1\r\nhost: service\r\n\(fields)\r\n".utf8) + body
    }

    static func body(_ count: Int) -> [UInt8] { Array(repeating: 0x61, count: count - 3) + Array("end".utf8) }

    static func ends(_ bytes: [UInt8], _ text: String) -> Bool {
        bytes.suffix(text.utf8.count).elementsEqual(text.utf8)
    }
    static func endsHead(_ bytes: [UInt8]) -> Bool { ends(bytes, "\r\n\r\n") }

    static let text =
        #"text_format_source: {inline_string: "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"}"#
    static let json =
        #"json_format: {start_time: "%START_TIME%", method: "%REQ(:METHOD)%", path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", protocol: "%PROTOCOL%", response_code: "%RESPONSE_CODE%", response_flags: "%RESPONSE_FLAGS%", response_code_details: "%RESPONSE_CODE_DETAILS%", connection_termination_details: "%CONNECTION_TERMINATION_DETAILS%", upstream_transport_failure_reason: "%UPSTREAM_TRANSPORT_FAILURE_REASON%", bytes_received: "%BYTES_RECEIVED%", bytes_sent: "%BYTES_SENT%", duration: "%DURATION%", upstream_service_time: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", x_forwarded_for: "%REQ(X-FORWARDED-FOR)%", user_agent: "%REQ(USER-AGENT)%", request_id: "%REQ(X-REQUEST-ID)%", authority: "%REQ(:AUTHORITY)%", upstream_host: "%UPSTREAM_HOST%", upstream_cluster: "%UPSTREAM_CLUSTER%", upstream_local_address: "%UPSTREAM_LOCAL_ADDRESS%", downstream_local_address: "%DOWNSTREAM_LOCAL_ADDRESS%", downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%", requested_server_name: "%REQUESTED_SERVER_NAME%", route_name: "%ROUTE_NAME%"}"#

    static func log(_ formats: String...) -> String {
        let type = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
        let entries = formats.map {
            "- name: log\n  typed_config: {\"@type\": \(type), path: /dev/null, log_format: {\($0)}}"
        }
        return "access_log:\n" + entries.joined(separator: "\n")
    }

    static func rbac(_ action: String, _ permission: String) -> String {
        """
        - name: rbac
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
            rules:
              \(action)
              policies:
                "ns[default]-policy[a-policy-with-a-long-name]-rule[0]":
                  permissions:
                  - \(permission)
                  principals:
                  - any: true
        """
    }

    static func bootstrap(_ row: AllocationTests.Row, endpoint: UInt16) -> String {
        """
        static_resources:
          listeners:
          - name: listener
            address: {socket_address: {address: 127.0.0.1, port_value: 0}}
            filter_chains:
            - filters:
              - name: http
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: http
        \(indent(row.manager, 10))
                  route_config:
                    name: routes
                    virtual_hosts:
                    - name: a-virtual-host-with-a-name
                      domains: ["*"]
                      routes:
                      - name: a-route-with-a-rather-long-name
                        match: {prefix: /}
                        \(row.action)
        \(indent(row.route, 16))
                  http_filters:
        \(indent(row.filters, 10))
                  - name: router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          clusters:
          - name: up
            type: STATIC
            connect_timeout: 1s
        \(indent(row.cluster, 4))
            load_assignment:
              cluster_name: up
              endpoints:
              - lb_endpoints:
                - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(endpoint)}}}
        """
    }

    private static func indent(_ text: String, _ count: Int) -> String {
        text.split(separator: "\n").map { String(repeating: " ", count: count) + $0 }.joined(separator: "\n")
    }
}
