import Proxy
import Testing

@Suite("Local rate limits")
struct RateLimitTests {
    private static let type = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
    private static let on =
        #""filterEnabled":{"defaultValue":{"numerator":100}},"filterEnforced":{"defaultValue":{"numerator":100}}"#
    private static let bucket = #""tokenBucket":{"maxTokens":2,"tokensPerFill":2,"fillInterval":"1s"}"#
    private static let route = #"{"match":{"prefix":"/"},"route":{"cluster":"up"}}"#

    private func world(_ members: String, route: String = route) throws -> FilterWorld {
        try FilterWorld(
            filters: [
                FilterWorld.filter("limit", Self.type, #""statPrefix":"l""# + (members.isEmpty ? "" : ",") + members)
            ],
            routes: [route])
    }

    @Test("requests beyond the bucket are refused until it fills again")
    func bucket() throws {
        let world = try world(
            Self.bucket + "," + Self.on
                + #","responseHeadersToAdd":[{"header":{"key":"x-limited","value":"yes"}}]"#)
        for _ in 0..<2 { #expect(try world.exchange(get("/")).response.status == 200) }
        let refused = try #require(world.ask(get("/")))
        #expect(refused.status == 429)
        #expect(refused.body == Array("local_rate_limited".utf8))
        #expect(refused["x-limited"] == "yes")
        world.simulation.pass(milliseconds: 600)
        #expect(try world.exchange(get("/")).response.status == 200)
        #expect(world.ask(get("/"))?.status == 429)
    }

    @Test("a limit that is not enabled, or not enforced, refuses nobody")
    func unenforced() throws {
        let idle = try world(Self.bucket)
        for _ in 0..<5 { _ = try idle.exchange(get("/")) }
        let marked = try world(
            Self.bucket + #","filterEnabled":{"defaultValue":{"numerator":100}},"#
                + #""requestHeadersToAddWhenNotEnforced":[{"header":{"key":"x-over","value":"1"}}]"#)
        let seen = try (0..<3).map { _ in try marked.exchange(get("/")).request["x-over"] }
        #expect(seen == [nil, nil, "1"])
    }

    @Test("a route brings its own bucket and status")
    func route() throws {
        let own = FilterWorld.perFilter(
            "limit", Self.type,
            #""statPrefix":"r","status":{"code":"ServiceUnavailable"},"tokenBucket":{"maxTokens":1,"fillInterval":"60s"},"#
                + Self.on)
        let world = try world("", route: #"{"match":{"prefix":"/"},"route":{"cluster":"up"},\#(own)}"#)
        _ = try world.exchange(get("/"))
        #expect(world.ask(get("/"))?.status == 503)
    }

    private static let single = FilterWorld.perFilter(
        "limit", type, #""statPrefix":"r","tokenBucket":{"maxTokens":1,"fillInterval":"60s"},"# + on)

    @Test("routes with equal limits have a bucket each")
    func bucketsOfRoutes() throws {
        let world = try FilterWorld(
            filters: [FilterWorld.filter("limit", Self.type, #""statPrefix":"l""#)],
            routes: ["/a", "/b"].map { #"{"match":{"prefix":"\#($0)"},"route":{"cluster":"up"},\#(Self.single)}"# })
        for path in ["/a", "/b"] {
            #expect(try world.exchange(get(path)).response.status == 200)
            #expect(world.ask(get(path))?.status == 429)
        }
    }

    @Test("the routes of a host share its bucket, whatever else they say")
    func bucketOfHost() throws {
        let other = FilterWorld.perFilter(
            "mutate", "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute")
        let world = try FilterWorld(
            filters: [FilterWorld.filter("limit", Self.type, #""statPrefix":"l""#)],
            routes: [
                #"{"match":{"prefix":"/a"},"route":{"cluster":"up"}}"#,
                #"{"match":{"prefix":"/b"},"route":{"cluster":"up"},\#(other)}"#,
            ], host: Self.single)
        #expect(try world.exchange(get("/a")).response.status == 200)
        #expect(world.ask(get("/b"))?.status == 429)
        #expect(world.ask(get("/a"))?.status == 429)
    }

    @Test("what cannot be honoured is refused by its path")
    func refused() throws {
        let place = "filter_chains[0].filters[0].typed_config.http_filters[0].typed_config"
        let issues = try FilterWorld.issues(
            filters: [
                FilterWorld.filter(
                    "limit", Self.type,
                    #""statPrefix":"l","localRateLimitPerDownstreamConnection":true,"tokenBucket":{"maxTokens":0,"fillInterval":"0.001s"}"#
                )
            ], routes: [Self.route])
        #expect(
            issues == [
                "\(place).local_rate_limit_per_downstream_connection: not supported yet",
                "\(place).token_bucket.max_tokens: must be above 0",
                "\(place).token_bucket.fill_interval: must be at least 50ms",
            ])
    }
}

@Suite("Options of the connection manager")
struct ManagerOptionTests {
    private static let route = #"{"match":{"prefix":"/"},"route":{"cluster":"up"}}"#

    private func world(_ manager: String) throws -> FilterWorld {
        try FilterWorld(routes: [Self.route], manager: manager)
    }

    @Test(
        "ports and dots are taken off hosts",
        arguments: [
            (#""stripAnyHostPort":true"#, "x:8080", "x"), (#""stripMatchingHostPort":true"#, "x:8080", "x:8080"),
            (#""stripMatchingHostPort":true"#, "x:80", "x"), (#""stripTrailingHostDot":true"#, "x.:8080", "x:8080"),
            (#""stripTrailingHostDot":true"#, "x.", "x"), (#""stripAnyHostPort":true"#, "[::1]:80", "[::1]"),
        ])
    func hosts(option: String, host: String, expected: String) throws {
        let (request, _) = try world(option).exchange("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        #expect(request["host"] == expected)
        #expect(request.all("host").count == 1)
    }

    @Test("escaped slashes are kept, refused, unescaped or redirected")
    func slashes() throws {
        func option(_ action: String) -> String { #""pathWithEscapedSlashesAction":"\#(action)""# }
        #expect(
            try world(option("KEEP_UNCHANGED")).exchange(get("/a%2Fb")).request.startLine == "GET /a%2Fb HTTP/1.1")
        #expect(try world(option("REJECT_REQUEST")).ask(get("/a%2fb"))?.status == 400)
        #expect(
            try world(option("UNESCAPE_AND_FORWARD")).exchange(get("/a%2Fb%5Cc?d=%2F")).request.startLine
                == #"GET /a/b\c?d=%2F HTTP/1.1"#)
        let redirect = try #require(world(option("UNESCAPE_AND_REDIRECT")).ask(get("/a%2Fb?c")))
        #expect(redirect.status == 307)
        #expect(redirect["location"] == "/a/b?c")
    }

    @Test("names with underscores are let through, dropped or refused")
    func underscores() throws {
        func option(_ action: String) -> String {
            #""commonHttpProtocolOptions":{"headersWithUnderscoresAction":"\#(action)"}"#
        }
        #expect(try world(option("ALLOW")).exchange(get("/", "a_b: 1")).request["a_b"] == "1")
        #expect(try world(option("DROP_HEADER")).exchange(get("/", "a_b: 1")).request["a_b"] == nil)
        #expect(try world(option("REJECT_REQUEST")).ask(get("/", "a_b: 1"))?.status == 400)
    }

    @Test("more fields than allowed are refused")
    func fieldCount() throws {
        let world = try world(#""commonHttpProtocolOptions":{"maxHeadersCount":3}"#)
        #expect(try world.exchange(get("/", "a: 1", "b: 2")).response.status == 200)
        #expect(world.ask(get("/", "a: 1", "b: 2", "c: 3"))?.status == 431)
    }

    @Test(
        "slashes are merged after dot segments are gone",
        arguments: [
            ("/a//../b", "/a/b"), ("/a/..//b", "/b"), ("//a//b//", "/a/b/"), ("/a//b/../c", "/a/c"), ("/..//a", "/a"),
        ])
    func slashesAndDots(path: String, expected: String) throws {
        let world = try world(#""normalizePath":true,"mergeSlashes":true"#)
        #expect(try world.exchange(get(path)).request.startLine == "GET \(expected) HTTP/1.1")
    }

    @Test(
        "what would have no effect is refused by its path",
        arguments: [
            (#""setCurrentClientCertDetails":{"cert":true}"#, "set_current_client_cert_details.cert"),
            (#""setCurrentClientCertDetails":{"chain":true}"#, "set_current_client_cert_details.chain"),
        ])
    func refused(option: String, field: String) throws {
        let issues = try FilterWorld.issues(routes: [Self.route], manager: option)
        #expect(issues.count == 1 && issues[0].contains(".\(field): "), "\(issues)")
    }

    @Test("via is appended on both ways")
    func via() throws {
        let (request, response) = try world(#""via":"1.1 martlet""#).exchange(get("/", "Via: 1.0 other"))
        #expect(request["via"] == "1.0 other, 1.1 martlet")
        #expect(response["via"] == "1.1 martlet")
    }
}
