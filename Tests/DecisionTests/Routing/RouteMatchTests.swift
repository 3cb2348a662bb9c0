import HeaderBlock
import RequestSupport
import Routing
import Testing

/// A table with one virtual host; each route goes to the cluster with its own index.
private func table(_ matches: [RouteMatchSpec], domains: [String] = ["*"]) throws -> RouteTable {
    var spec = RouteConfigurationSpec()
    let routes = matches.enumerated().map { index, match in
        RouteSpec(
            match: match, action: .forward(ForwardSpec(target: .cluster(ClusterID(index: UInt32(index))))))
    }
    spec.virtualHosts = [VirtualHostSpec(name: "host", domains: domains, routes: routes)]
    return try RouteTable(spec)
}

private func matches(_ match: RouteMatchSpec, _ request: RequestHead) throws -> Bool {
    let table = try table([match])
    return request.withView { table.decide($0, random: 0) }.outcome == .forward
}

@Suite("Route matching")
struct RouteMatchTests {
    @Test(
        "the path test",
        arguments: [
            (RouteMatchSpec.Path.prefix("/foo"), "/foobar", true),  // ⚠ a string prefix, not a segment's
            (.prefix("/foo"), "/fo", false),
            (.prefix("/"), "/", true),
            (.prefix("/foo"), "/Foo", false),
            (.exact("/foo"), "/foo", true),
            (.exact("/foo"), "/foo?x=1", true),  // ⚠ the query is no part of the path
            (.exact("/foo"), "/foo/", false),
            (.prefix("/foo?x"), "/foo?x=1", false),
            (.regex("/v[0-9]+"), "/v12", true),
            (.regex("/v[0-9]+"), "/v12/x", false),  // ⚠ the whole path has to match
            (.regex("/v[0-9]+"), "/v12?y", true),
            (.regex("(?i)/abc"), "/ABC", true),
            (.segmentPrefix("/a"), "/a", true),
            (.segmentPrefix("/a"), "/a/b", true),
            (.segmentPrefix("/a"), "/ab", false),
            (.segmentPrefix("/a"), "/a?q", true),
        ])
    func path(test: RouteMatchSpec.Path, path: String, expected: Bool) throws {
        #expect(try matches(RouteMatchSpec(path: test), RequestHead(path)) == expected)
    }

    @Test(
        "ignoring case affects exact and prefix",
        arguments: [
            (RouteMatchSpec.Path.prefix("/Foo"), "/fOObar", true), (.exact("/Foo"), "/FOO", true),
            (.segmentPrefix("/A"), "/a/x", true), (.regex("/a"), "/A", false),
        ])
    func folding(test: RouteMatchSpec.Path, path: String, expected: Bool) throws {
        var match = RouteMatchSpec(path: test)
        match.caseSensitive = false
        #expect(try matches(match, RequestHead(path)) == expected)
    }

    struct HeaderCase: Sendable {
        var test: HeaderMatchSpec
        var headers: [(String, String)]
        var expected: Bool
        init(_ test: HeaderMatchSpec, _ headers: [(String, String)], _ expected: Bool) {
            self.test = test
            self.headers = headers
            self.expected = expected
        }
    }

    static let headerCases: [HeaderCase] = [
        HeaderCase(HeaderMatchSpec(name: "X-Who", test: .matches(.exact("jason"))), [("x-who", "jason")], true),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .matches(.exact("jason"))), [("X-WHO", "jason")], true),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .matches(.exact("jason"))), [("x-who", "Jason")], false),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .matches(.prefix("ja"))), [("x-who", "jason")], true),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .matches(.suffix("son"))), [("x-who", "jason")], true),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .matches(.contains("aso"))), [("x-who", "jason")], true),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .matches(.contains("axo"))), [("x-who", "jason")], false),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .matches(.regex("j.*n"))), [("x-who", "jason")], true),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .matches(.regex("j"))), [("x-who", "jason")], false),
        HeaderCase(
            HeaderMatchSpec(name: "cookie", test: .matches(.regex("^(.*?;)?(user=jason)(;.*)?$"))),
            [("Cookie", "a=b;user=jason;c=d")], true),
        HeaderCase(HeaderMatchSpec(name: "x-n", test: .range(1, 10)), [("x-n", "1")], true),
        HeaderCase(HeaderMatchSpec(name: "x-n", test: .range(1, 10)), [("x-n", "10")], false),  // end is outside
        HeaderCase(HeaderMatchSpec(name: "x-n", test: .range(-5, 10)), [("x-n", "-5")], true),
        HeaderCase(HeaderMatchSpec(name: "x-n", test: .range(1, 10)), [("x-n", "5x")], false),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .present), [("x-who", "")], true),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .present), [], false),
        HeaderCase(HeaderMatchSpec(name: "x-who", test: .present, inverted: true), [], true),
        // ⚠ withoutHeaders: a missing header counts as empty, so the inverted exact test holds …
        HeaderCase(
            HeaderMatchSpec(name: "x", test: .matches(.exact("a")), inverted: true, missingIsEmpty: true), [], true),
        HeaderCase(
            HeaderMatchSpec(name: "x", test: .matches(.exact("a")), inverted: true, missingIsEmpty: true),
            [("x", "a")], false),
        // … and without that flag a missing header fails even an inverted test of its value.
        HeaderCase(HeaderMatchSpec(name: "x", test: .matches(.exact("a")), inverted: true), [], false),
        HeaderCase(HeaderMatchSpec(name: "x", test: .matches(.exact("a")), inverted: true), [("x", "b")], true),
        // Several values are joined by commas.
        HeaderCase(HeaderMatchSpec(name: "x", test: .matches(.exact("a,b"))), [("x", "a"), ("X", "b")], true),
        HeaderCase(HeaderMatchSpec(name: "x", test: .matches(.exact("a"))), [("x", "a"), ("X", "b")], false),
        HeaderCase(HeaderMatchSpec(name: ":method", test: .matches(.exact("GET"))), [], true),
        HeaderCase(HeaderMatchSpec(name: ":authority", test: .matches(.exact("example.com"))), [], true),
        HeaderCase(HeaderMatchSpec(name: ":scheme", test: .matches(.exact("http"))), [], true),
        HeaderCase(HeaderMatchSpec(name: ":scheme", test: .matches(.exact("https"))), [], false),
        HeaderCase(HeaderMatchSpec(name: ":path", test: .matches(.exact("/p?q=1"))), [], true),
    ]

    @Test("the header test", arguments: headerCases)
    func header(_ example: HeaderCase) throws {
        var match = RouteMatchSpec(path: .prefix("/"))
        match.headers = [example.test]
        #expect(try matches(match, RequestHead("/p?q=1", headers: example.headers)) == example.expected)
    }

    @Test("all headers of a match have to hold")
    func headersAreConjunctive() throws {
        var match = RouteMatchSpec(path: .prefix("/"))
        match.headers = [
            HeaderMatchSpec(name: "a", test: .matches(.exact("1"))), HeaderMatchSpec(name: "b", test: .present),
        ]
        #expect(try matches(match, RequestHead(headers: [("a", "1"), ("b", "")])))
        #expect(try !matches(match, RequestHead(headers: [("a", "1")])))
    }

    @Test(
        "the query test",
        arguments: [
            ("v", StringPattern.exact("1"), "/?v=1", true), ("v", .exact("1"), "/?a=2&v=1", true),
            ("v", .exact("1"), "/?v=12", false), ("v", nil, "/?v", true), ("v", nil, "/?v=", true),
            ("v", nil, "/?vv=1", false), ("v", nil, "/", false), ("v", .exact("1"), "/?v=2&v=1", false),
            ("v", .regex("[0-9]+"), "/?v=77#f", true),
        ])
    func query(name: String, pattern: StringPattern?, path: String, expected: Bool) throws {
        var match = RouteMatchSpec(path: .prefix("/"))
        match.queryParameters = [QueryMatchSpec(name: name, pattern: pattern)]
        #expect(try matches(match, RequestHead(path)) == expected)
    }

    @Test(
        "gRPC matches by content type",
        arguments: [
            ("application/grpc", true), ("application/grpc+proto", true), ("Application/GRPC;x", true),
            ("application/grpc-web", false), ("application/json", false),
        ])
    func grpc(type: String, expected: Bool) throws {
        var match = RouteMatchSpec(path: .prefix("/"))
        match.grpcOnly = true
        #expect(try matches(match, RequestHead(headers: [("content-type", type)])) == expected)
    }

    @Test("the first route that matches decides")
    func order() throws {
        let table = try table([
            RouteMatchSpec(path: .exact("/a")), RouteMatchSpec(path: .prefix("/")), RouteMatchSpec(path: .prefix("/a")),
        ])
        #expect(RequestHead("/a").withView { table.decide($0, random: 0) }.cluster == ClusterID(index: 0))
        #expect(RequestHead("/ab").withView { table.decide($0, random: 0) }.cluster == ClusterID(index: 1))
    }

    @Test("an owner whose condition does not hold asks on behind the route")
    func condition() throws {
        var first = RouteMatchSpec(path: .prefix("/a"))
        first.condition = 7
        let table = try table([first, RouteMatchSpec(path: .exact("/b")), RouteMatchSpec(path: .prefix("/"))])
        RequestHead("/a").withView { head in
            let decision = table.decide(head, random: 0)
            #expect(decision.route == 0 && table.condition(decision.route) == 7)
            let next = table.decide(head, random: 0, after: decision.route)
            #expect(next.cluster == ClusterID(index: 2) && table.condition(next.route) == .max)
            #expect(table.decide(head, random: 0, after: next.route).outcome == .noRoute)
        }
    }

    @Test("a runtime fraction takes its share")
    func fraction() throws {
        var match = RouteMatchSpec(path: .prefix("/"))
        match.runtimeFraction = 100_000
        let table = try table([match])
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        let hits = (0..<20_000).count { _ in
            let bits = random.next()
            return RequestHead().withView { table.decide($0, random: bits) }.outcome == .forward
        }
        #expect(abs(Double(hits) - 2000) < 5 * 42.4, "seed \(seed): \(hits) of 20000")
    }

    @Test("an invalid regular expression names its field")
    func invalidRegex() throws {
        let error = #expect(throws: RouteTableError.self) { try table([RouteMatchSpec(path: .regex("/("))]) }
        #expect(error?.path == "virtual_hosts[0].routes[0].match.safe_regex")
        #expect(error?.reason.contains("missing") == true)
    }
}
