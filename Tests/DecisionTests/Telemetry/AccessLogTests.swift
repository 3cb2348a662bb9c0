import Foundation
import HeaderBlock
import Memory
import Telemetry
import Testing

@Suite("Access log lines")
struct AccessLogTests {
    @Test(
        "A command shows its fact",
        arguments: [
            ("%START_TIME%", "2026-02-28T23:59:58.123Z"),
            ("%START_TIME(%s)%", "1772323198"),
            ("%START_TIME(%s.%3f)%", "1772323198.123"),
            ("%START_TIME(%Y/%m/%d %H-%M-%S %9f %Z)%", "2026/02/28 23-59-58 123456000 UTC"),
            ("%START_TIME(%a %b %e %FT%E6S%z %j%%)%", "Sat Feb 28 2026-02-28T58.123456+0000 059%"),
            ("%REQ(:METHOD)% %REQ(:PATH)%", "GET /reviews?id=1"),
            ("%REQ(:AUTHORITY)%", "reviews:9080"),
            ("%REQ(:SCHEME)%", "http"),
            ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/reviews?id=1"),
            ("%REQ(user-agent?:path)%", "curl/8.0"),
            ("%REQ(user-agent):4%", "curl"),
            ("%REQ_WITHOUT_QUERY(:PATH)%", "/reviews"),
            ("%REQ(missing)%", "-"),
            ("%RESP(X-Envoy-Upstream-Service-Time)%", "7"),
            ("%RESP(:STATUS)%", "200"),
            ("%TRAILER(grpc-status)%", "-"),
            ("%PROTOCOL%", "HTTP/1.1"),
            ("%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", "200 - -"),
            ("%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%", "via_upstream -"),
            ("%UPSTREAM_TRANSPORT_FAILURE_REASON%", "-"),
            ("%BYTES_RECEIVED% %BYTES_SENT%", "5 1024"),
            ("%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION%", "12 0 1"),
            ("%RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "9 3"),
            ("%UPSTREAM_HOST% %UPSTREAM_LOCAL_ADDRESS%", "10.244.0.7:9080 10.244.0.6:40000"),
            ("%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", "10.244.0.7 9080"),
            ("%UPSTREAM_CLUSTER%", "outbound|9080|v1|reviews.default.svc.cluster.local"),
            ("%UPSTREAM_CLUSTER_RAW% %ROUTE_NAME%", "outbound|9080|v1|reviews.default.svc.cluster.local reviews-route"),
            ("%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%", "10.96.1.2:9080 10.244.0.6:51000"),
            ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.244.0.6"),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "-"),
            ("%REQUESTED_SERVER_NAME%", "outbound_.9080_._.reviews.default.svc.cluster.local"),
            ("%DOWNSTREAM_PEER_URI_SAN%", "spiffe://cluster.local/ns/default/sa/productpage"),
            ("%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER%", "TLSv1.3 TLS_AES_128_GCM_SHA256"),
            ("%UPSTREAM_TLS_VERSION% %UPSTREAM_PEER_URI_SAN%", "- -"),
            ("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_ID%", "1 42"),
            ("%GRPC_STATUS% %GRPC_STATUS_NUMBER%", "- -"),
            ("100%% of %RESPONSE_CODE%%%", "100% of 200%"),
        ])
    func command(format: String, expected: String) throws {
        #expect(try LoggedExchange().line(format) == expected)
    }

    @Test("Istio's default text format is what Istio's users know")
    func istioText() throws {
        let line = try LoggedExchange().line(.istioText)
        #expect(
            line
                == #"[2026-02-28T23:59:58.123Z] "GET /reviews?id=1 HTTP/1.1" 200 - via_upstream - "-" 5 1024 12 7 "-" "#
                + #""curl/8.0" "abc-123" "reviews:9080" "10.244.0.7:9080" "#
                + "outbound|9080|v1|reviews.default.svc.cluster.local 10.244.0.6:40000 10.96.1.2:9080 "
                + "10.244.0.6:51000 outbound_.9080_._.reviews.default.svc.cluster.local reviews-route\n")
    }

    @Test("Istio's JSON is one valid object a line, with numbers as numbers and null for what is missing")
    func istioJSON() throws {
        var exchange = LoggedExchange()
        exchange.requestHeaders = [("User-Agent", "a\"b\\c\td\u{1}é")]
        let line = try exchange.line(.istioJSON)
        #expect(line.hasSuffix("}\n") && !line.dropLast().contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object.count == 24)
        #expect(object["response_code"] as? Int == 200)
        #expect(object["duration"] as? Int == 12)
        #expect(object["upstream_service_time"] as? String == "7")
        #expect(object["user_agent"] as? String == "a\"b\\c\td\u{1}é")
        #expect(object["request_id"] is NSNull)
        #expect(object["response_flags"] as? String == "-")
        #expect(line.hasPrefix(#"{"start_time":"2026-02-28T23:59:58.123Z","method":"GET","#))
    }

    @Test("Nested JSON keeps constants, joins text around commands, and omits what is missing where asked")
    func nestedJSON() throws {
        let body = AccessLogFormatSpec.Body.json([
            .init("a", .object([.init("code", .text("%RESPONSE_CODE%")), .init("none", .text("%REQ(none)%"))])),
            .init("list", .array([.number(1), .number(0.5), .bool(true), .null, .text("%REQ(none)%")])),
            .init("empty", .object([])),
            .init("text", .text("<%RESPONSE_CODE%|%REQ(none)%>")),
            .init("literal", .text("say \"hi\"")),
            .init("gone", .text("%REQ(none)%")),
        ])
        #expect(
            try LoggedExchange().line(AccessLogFormatSpec(body))
                == #"{"a":{"code":200,"none":null},"list":[1,0.5,true,null,null],"empty":{},"text":"<200|->","#
                + #""literal":"say \"hi\"","gone":null}"# + "\n")
        #expect(
            try LoggedExchange().line(AccessLogFormatSpec(body, omitsEmptyValues: true))
                == #"{"a":{"code":200},"list":[1,0.5,true,null],"empty":{},"text":"<200|>","literal":"say \"hi\""}"#
                + "\n")
    }

    @Test("Bytes that are not UTF-8 cannot break a JSON line")
    func invalidText() throws {
        var exchange = LoggedExchange()
        exchange.path = "/"
        let format = try AccessLogFormat(AccessLogFormatSpec(.json([.init("v", .text("%REQ(:PATH)%"))])))
        for bytes in [
            [0x2F, 0xFF], [0x2F, 0xC3], [0x2F, 0xE0, 0x80, 0x80], [0x2F, 0xED, 0xA0, 0x80], [0x2F, 0x7F],
        ] as [[UInt8]] {
            var table = HeaderTable()
            table.path = ByteRange(start: 0, length: bytes.count)
            var output = ByteBuffer()
            let head = HeadView(table, bytes: bytes.span)
            format.write(
                exchange.record,
                AccessLogContext(request: head, response: nil, trailers: nil, names: LogNames(), tls: LogTLSNames()),
                to: &output)
            let line = output.bytes.indices.map { output.bytes[$0] }
            #expect(String(validating: line, as: UTF8.self) != nil)
            #expect((try? JSONSerialization.jsonObject(with: Data(line))) != nil)
        }
    }

    @Test("Control characters from a peer cannot forge a line of text")
    func forgedLine() throws {
        var exchange = LoggedExchange()
        exchange.peerURI = "spiffe://x\n[2026] \"GET"
        #expect(try exchange.line("%DOWNSTREAM_PEER_URI_SAN%") == "spiffe://x\\x0a[2026] \"GET")
    }

    @Test("Failures show their flags in Envoy's order and dynamic details before fixed ones")
    func failure() throws {
        var exchange = LoggedExchange()
        exchange.record.status = 503
        exchange.record.flags = [.upstreamRetryLimitExceeded, .upstreamConnectionFailure]
        exchange.codeDetails = "rbac_access_denied_matched_policy[none]"
        exchange.record.ended = RequestRecord.never
        exchange.record.grpcStatus = 7
        exchange.origin = "VirtualService default/reviews (reviews.yaml:12:5)"
        #expect(
            try exchange.line(
                "%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS% %DURATION% %GRPC_STATUS% "
                    + "%GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %MARTLET_ORIGIN%")
                == "UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded "
                + "rbac_access_denied_matched_policy[none] - PermissionDenied PERMISSION_DENIED 7 "
                + "VirtualService default/reviews (reviews.yaml:12:5)")
    }

    @Test("The service time is shown as the response that goes out has it")
    func serviceTime() throws {
        var exchange = LoggedExchange()
        exchange.responseHeaders = [("x-envoy-upstream-service-time", "7")]
        #expect(try exchange.line("%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %RESP(server)%") == "7 -")
        exchange.responseHeaders = []
        #expect(try exchange.line("%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%") == "-")
    }

    @Test("A TCP connection has no request: its line says so")
    func tcp() throws {
        var exchange = LoggedExchange()
        exchange.record.kind = .tcp
        exchange.record.status = 0
        #expect(
            try exchange.line("%REQ(:METHOD)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %UPSTREAM_HOST%")
                == "- - 0 - 1024 10.244.0.7:9080")
    }

    @Test(
        "IPv6 addresses are printed as RFC 5952 says",
        arguments: [
            (0x2001_0DB8_0000_0000, 1, "[2001:db8::1]:80"),
            (0, 0, "[::]:80"), (0, 1, "[::1]:80"), (0x0001_0000_0000_0002, 0x0000_0000_0000_0003, "[1:0:0:2::3]:80"),
            (0x2001_0DB8_0001_0001, 0x0001_0001_0001_0001, "[2001:db8:1:1:1:1:1:1]:80"),
            (0x2001_0000_0001_0001, 0x0001_0001_0001_0000, "[2001:0:1:1:1:1:1:0]:80"),
            (0, 0xFFFF_0102_0304, "[::ffff:1.2.3.4]:80"), (0, 0x0102_0304, "[::1.2.3.4]:80"),
            (0, 0x1_0000_0000, "[::1:0:0]:80"), (0, 0xFFFF, "[::ffff]:80"),
        ] as [(UInt64, UInt64, String)])
    func ipv6(high: UInt64, low: UInt64, expected: String) throws {
        var exchange = LoggedExchange()
        exchange.record.upstreamRemote = LoggedAddress(family: .ipv6, high: high, low: low, port: 80)
        #expect(try exchange.line("%UPSTREAM_HOST%") == expected)
    }

    @Test(
        "A format that cannot be honoured is refused with the operator's name",
        arguments: [
            ("%UPSTREAM_HOSTS%", "UPSTREAM_HOSTS"), ("%REQ%", "REQ"), ("%REQ()%", "REQ"), ("%REQ(a?b?c)%", "a?b?c"),
            ("%DURATION(x)%", "DURATION"), ("%START_TIME(%Q)%", "%Q"), ("100% of it", "%"), ("%REQ(a%", "%REQ(a%"),
            ("%RESPONSE_CODE", "%RESPONSE_CODE"), ("%REQ(a):b%", "%REQ(a):b%"), ("%GRPC_STATUS(X)%", "X"),
        ])
    func refusal(format: String, named: String) {
        let error = #expect(throws: AccessLogFormatError.self) {
            try AccessLogFormat(AccessLogFormatSpec(.text(format)))
        }
        #expect(error?.description.contains(named) == true)
    }

    @Test("A refusal inside JSON names the member")
    func refusedMember() {
        let body = AccessLogFormatSpec.Body.json([.init("a", .object([.init("b", .array([.text("%NOPE%")]))]))])
        let error = #expect(throws: AccessLogFormatError.self) { try AccessLogFormat(AccessLogFormatSpec(body)) }
        #expect(error?.key == "a.b[0]")
    }

    @Test(
        "Dates are right in leap years and at the ends of years",
        arguments: [
            (0, "1970-01-01 001 Thu"), (951_782_400, "2000-02-29 060 Tue"), (1_709_251_199, "2024-02-29 060 Thu"),
            (1_735_689_599, "2024-12-31 366 Tue"), (4_107_542_400, "2100-03-01 060 Mon"),
        ] as [(UInt64, String)])
    func dates(seconds: UInt64, expected: String) throws {
        var exchange = LoggedExchange()
        exchange.record.startedWall = seconds * 1_000_000
        #expect(try exchange.line("%START_TIME(%F %j %a)%") == expected)
    }
}
