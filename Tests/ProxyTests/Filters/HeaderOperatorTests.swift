import Testing

@Suite("Header mutations and command operators")
struct HeaderOperatorTests {
    private static let forward = #""match":{"prefix":"/"},"route":{"cluster":"up"}"#

    private func add(_ header: String, _ value: String, _ action: String = "APPEND_IF_EXISTS_OR_ADD") -> String {
        #"{"header":{"key":"\#(header)","value":"\#(value)"},"appendAction":"\#(action)"}"#
    }

    @Test(
        "operators in request headers tell of the request and its route",
        arguments: [
            ("%REQ(:METHOD)% %REQ(:PATH)%", "GET /a?b=1"), ("%PROTOCOL%", "HTTP/1.1"), ("%ROUTE_NAME%", "first"),
            ("%UPSTREAM_CLUSTER%", "up"), ("[%REQ(X-A?X-B):3%]", "[val]"), ("100%%", "100%"),
            ("%REQ(NONE)%-%RESPONSE_FLAGS%", "--"), ("%REQ(:AUTHORITY)%", "x"),
            ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.2.1"),
        ])
    func request(format: String, expected: String) throws {
        let world = try FilterWorld(routes: [
            #"{"name":"first",\#(Self.forward),"requestHeadersToAdd":[\#(add("x-out", format))]}"#
        ])
        let (request, _) = try world.exchange(get("/a?b=1", "x-b: value"))
        if format.contains("DOWNSTREAM") {
            #expect(request["x-out"]?.contains(".") == true)
        } else {
            #expect(request["x-out"] == expected)
        }
    }

    @Test("operators in response headers tell of the response, and of the proxy's own answers")
    func response() throws {
        let added = add("x-out", "%RESP(X-UP)%|%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%")
        let world = try FilterWorld(routes: [
            #"{"match":{"prefix":"/own"},"directResponse":{"status":201,"body":{"inlineString":"hi"}},"responseHeadersToAdd":[\#(added)]}"#,
            #"{"match":{"prefix":"/moved"},"redirect":{"pathRedirect":"/x"},"responseHeadersToAdd":[\#(added)]}"#,
            #"{\#(Self.forward),"responseHeadersToAdd":[\#(added)]}"#,
        ])
        let (_, response) = try world.exchange(get("/"))
        #expect(response["x-out"] == "v|200|via_upstream|-")
        let own = try #require(world.ask(get("/own")))
        #expect(own.status == 201)
        #expect(own["x-out"] == "|0|direct_response|-")
        let moved = try #require(world.ask(get("/moved")))
        #expect(moved.status == 301)
        #expect(moved["location"] == "http://x/x")
        #expect(moved["x-out"] == "|0|direct_response|-")
    }

    @Test("a header whose value comes out empty is not set")
    func empty() throws {
        let world = try FilterWorld(routes: [
            #"{\#(Self.forward),"requestHeadersToAdd":[\#(add("x-out", "%REQ(NONE)%"))]}"#
        ])
        let (request, _) = try world.exchange(get("/"))
        #expect(request["x-out"] == nil)
    }

    @Test(
        "append actions do what they say",
        arguments: [
            ("APPEND_IF_EXISTS_OR_ADD", ["old", "new"], ["new"]), ("ADD_IF_ABSENT", ["old"], ["new"]),
            ("OVERWRITE_IF_EXISTS_OR_ADD", ["new"], ["new"]), ("OVERWRITE_IF_EXISTS", ["new"], []),
        ])
    func actions(action: String, present: [String], absent: [String]) throws {
        let world = try FilterWorld(routes: [
            #"{\#(Self.forward),"requestHeadersToAdd":[\#(add("x-out", "new", action))]}"#
        ])
        #expect(try world.exchange(get("/", "X-Out: old")).request.all("x-out") == present)
        #expect(try world.exchange(get("/")).request.all("x-out") == absent)
    }

    @Test("an unknown operator is refused with the field's path")
    func unknown() throws {
        let issues = try FilterWorld.issues(routes: [
            #"{\#(Self.forward),"requestHeadersToAdd":[\#(add("x-out", "%WHAT%"))]}"#
        ])
        #expect(
            issues == [
                "filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].request_headers_to_add[0].header.value: unknown command operator %WHAT%"
            ])
    }

    @Test("the header mutation filter acts before routing's own mutations, and routes add to it")
    func filter() throws {
        let type = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
        let own =
            #""mutations":{"requestMutations":[{"append":\#(add("x-a", "%REQ(:PATH)%"))},{"remove":"x-b"}],"responseMutations":[{"append":\#(add("x-r", "1"))}]}"#
        let more =
            #""mutations":{"requestMutations":[{"append":\#(add("x-a", "route"))}],"responseMutations":[{"remove":"x-up"}]}"#
        let world = try FilterWorld(
            filters: [FilterWorld.filter("hm", type, own)],
            routes: [#"{\#(Self.forward),\#(FilterWorld.perFilter("hm", type + "PerRoute", more))}"#])
        let (request, response) = try world.exchange(get("/p", "x-b: gone"))
        #expect(request.all("x-a") == ["/p", "route"])
        #expect(request["x-b"] == nil)
        #expect(response["x-r"] == "1")
        #expect(response["x-up"] == nil)
    }
}
