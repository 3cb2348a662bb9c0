import HeaderBlock
import RequestSupport
import Routing
import Testing

private func table(
    _ match: RouteMatchSpec.Path, _ action: RouteActionSpec, change: (inout RouteConfigurationSpec) -> Void = { _ in }
) throws -> RouteTable {
    var spec = RouteConfigurationSpec()
    let route = RouteSpec(match: RouteMatchSpec(path: match), action: action)
    spec.virtualHosts = [VirtualHostSpec(name: "host", domains: ["*"], routes: [route])]
    change(&spec)
    return try RouteTable(spec)
}

private func forward(_ change: (inout ForwardSpec) -> Void) -> RouteActionSpec {
    var forward = ForwardSpec(target: .cluster(ClusterID(index: 0)))
    change(&forward)
    return .forward(forward)
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite("Route actions")
struct RouteActionTests {
    @Test(
        "a prefix rewrite replaces what matched",
        arguments: [
            (RouteMatchSpec.Path.prefix("/old"), "/new", "/old/x?q=1", "/new/x?q=1"),
            (.prefix("/"), "/v1", "/x", "/v1x"),  // ⚠ the matched prefix is "/"
            (.prefix("/a/"), "/", "/a/b", "/b"),
            (.prefix("/a"), "/", "/a/b", "//b"),  // ⚠ only prefixes that end in / are cut cleanly
            (.exact("/old"), "/new", "/old?q", "/new?q"),
            (.regex("/o.*"), "/new", "/old/x?q", "/new?q"),
            (.segmentPrefix("/a"), "/b", "/a/c", "/b/c"),
        ])
    func prefixRewrite(match: RouteMatchSpec.Path, rewrite: String, path: String, expected: String) throws {
        let table = try table(match, forward { $0.prefixRewrite = rewrite })
        var output: [UInt8] = []
        let changed = RequestHead(path).withView { view in
            table.writePath(for: table.decide(view, random: 0), view, into: &output)
        }
        #expect(changed)
        #expect(text(output) == expected)
    }

    @Test(
        "a regular expression rewrites the path, with its groups",
        arguments: [
            ("/service/([^/]+)(/.*)", "\\2/instance/\\1", "/service/foo/v1?x=1", "/v1/instance/foo?x=1"),
            ("one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz"),
            ("nothing", "x", "/a?nothing", "/a?nothing"),
        ])
    func regexRewrite(pattern: String, substitution: String, path: String, expected: String) throws {
        let table = try table(
            .prefix("/"),
            forward { $0.regexRewrite = RegexRewriteSpec(pattern: pattern, substitution: substitution) })
        var output: [UInt8] = []
        _ = RequestHead(path).withView { view in
            table.writePath(for: table.decide(view, random: 0), view, into: &output)
        }
        #expect(text(output) == expected)
    }

    @Test("a substitution must fit its pattern")
    func badSubstitution() throws {
        let error = #expect(throws: RouteTableError.self) {
            try table(
                .prefix("/"), forward { $0.regexRewrite = RegexRewriteSpec(pattern: "a", substitution: "\\1") })
        }
        #expect(error?.path == "virtual_hosts[0].routes[0].route.regex_rewrite.substitution")
    }

    @Test("without a rewrite the path stays")
    func noRewrite() throws {
        let table = try table(.prefix("/"), forward { _ in })
        var output: [UInt8] = []
        let changed = RequestHead("/x").withView { view in
            table.writePath(for: table.decide(view, random: 0), view, into: &output)
        }
        #expect(!changed)
        #expect(output.isEmpty)
    }

    struct RedirectCase: Sendable {
        var spec: RedirectSpec
        var request: RequestHead
        var location: String
        init(_ location: String, _ request: RequestHead, _ change: (inout RedirectSpec) -> Void) {
            var spec = RedirectSpec()
            change(&spec)
            self.spec = spec
            self.request = request
            self.location = location
        }
    }

    static let redirects: [RedirectCase] = [
        RedirectCase("https://a.com/x?q=1", RequestHead("/x?q=1", authority: "a.com")) { $0.scheme = "https" },
        RedirectCase("https://a.com/", RequestHead(authority: "a.com:80")) { $0.scheme = "https" },
        RedirectCase("https://a.com:8080/", RequestHead(authority: "a.com:8080")) { $0.scheme = "https" },
        RedirectCase("http://a.com/", RequestHead(authority: "a.com:443", isSecure: true)) { $0.scheme = "http" },
        RedirectCase("http://b.com/x", RequestHead("/x", authority: "a.com:81")) { $0.host = "b.com" },
        RedirectCase("http://a.com:99/x", RequestHead("/x", authority: "a.com:81")) { $0.port = 99 },
        RedirectCase("http://a.com/new?q", RequestHead("/old?q", authority: "a.com")) { $0.path = .whole("/new") },
        RedirectCase("http://a.com/new?own", RequestHead("/old?q", authority: "a.com")) {
            $0.path = .whole("/new?own")
        },
        RedirectCase("http://a.com/new", RequestHead("/old?q", authority: "a.com")) {
            $0.path = .whole("/new")
            $0.stripsQuery = true
        },
        RedirectCase("http://a.com/new/x?q", RequestHead("/old/x?q", authority: "a.com")) {
            $0.path = .prefix("/new")
        },
        RedirectCase("http://[::1]:80/", RequestHead(authority: "[::1]:80")) { _ in },
    ]

    @Test("a redirect's location", arguments: redirects)
    func redirect(_ example: RedirectCase) throws {
        let table = try table(.prefix("/old"), .redirect(example.spec)) {
            if !example.request.path.hasPrefix("/old") { $0.virtualHosts[0].routes[0].match.path = .prefix("/") }
        }
        var output: [UInt8] = []
        let outcome = example.request.withView { view in
            let decision = table.decide(view, random: 0)
            table.writeRedirect(for: decision, view, into: &output)
            return decision.outcome
        }
        #expect(outcome == .redirect)
        #expect(text(output) == example.location)
    }

    @Test("a host that requires TLS sends plain requests to https")
    func requiresTLS() throws {
        let table = try table(.prefix("/"), forward { _ in }) { $0.virtualHosts[0].requiresTLS = true }
        var output: [UInt8] = []
        let outcome = RequestHead("/a?b", authority: "x:80").withView { view in
            let decision = table.decide(view, random: 0)
            table.writeRedirect(for: decision, view, into: &output)
            return decision.outcome
        }
        #expect(outcome == .requireTLS)
        #expect(text(output) == "https://x/a?b")
        #expect(RequestHead(isSecure: true).withView { table.decide($0, random: 0) }.outcome == .forward)
    }

    @Test("a direct response carries its status and body")
    func directResponse() throws {
        let table = try table(.prefix("/"), .respond(DirectResponseSpec(status: 404, body: Array("gone".utf8))))
        let decision = RequestHead().withView { table.decide($0, random: 0) }
        #expect(decision.outcome == .directResponse)
        let route = table.route(decision.route)
        #expect(route.status == 404)
        #expect(table.string(route.body) == "gone")
    }

    @Test(
        "weights are proportional, whatever they sum to", arguments: [[90, 10], [1, 1, 1], [3, 0, 1]] as [[UInt32]])
    func weights(_ weights: [UInt32]) throws {
        let targets = weights.enumerated().map { WeightedTargetSpec(cluster: ClusterID(index: UInt32($0)), weight: $1) }
        let table = try table(.prefix("/"), .forward(ForwardSpec(target: .weighted(targets))))
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        var hits = [Int](repeating: 0, count: weights.count)
        let draws = 20_000
        for _ in 0..<draws {
            let bits = random.next()
            hits[Int(RequestHead().withView { table.decide($0, random: bits) }.cluster.index)] += 1
        }
        let sum = Double(weights.reduce(0, +))
        for (index, weight) in weights.enumerated() {
            let share = Double(weight) / sum
            let sigma = (Double(draws) * share * (1 - share)).squareRoot()
            #expect(abs(Double(hits[index]) - Double(draws) * share) <= 5 * sigma, "seed \(seed): \(hits)")
        }
    }

    @Test("weights that sum to nothing are refused")
    func zeroWeights() {
        let error = #expect(throws: RouteTableError.self) {
            try table(
                .prefix("/"),
                .forward(ForwardSpec(target: .weighted([WeightedTargetSpec(cluster: ClusterID(index: 0), weight: 0)]))))
        }
        #expect(error?.path == "virtual_hosts[0].routes[0].route.weighted_clusters")
    }

    @Test(
        "header mutations run from the route to the configuration, or the other way round",
        arguments: [
            (false, ["route", "host", "all"]), (true, ["all", "host", "route"]),
        ])
    func mutationOrder(mostSpecificWins: Bool, expected: [String]) throws {
        func setting(_ value: String) -> HeaderMutationSpec {
            var spec = HeaderMutationSpec()
            spec.settings = [.init(name: "X-Level", value: value, append: .overwriteOrAdd)]
            return spec
        }
        let table = try table(.prefix("/"), forward { _ in }) {
            $0.mostSpecificHeadersWin = mostSpecificWins
            $0.requestHeaders = setting("all")
            $0.virtualHosts[0].requestHeaders = setting("host")
            $0.virtualHosts[0].routes[0].requestHeaders = setting("route")
        }
        let decision = RequestHead().withView { table.decide($0, random: 0) }
        let mutations = decision.requestMutations.indices.map { table.mutation($0) }
        #expect(mutations.map { table.string($0.value) } == expected)
        #expect(mutations.allSatisfy { table.string($0.name) == "x-level" && $0.kind == .overwriteOrAdd })
    }

    @Test("a weighted cluster's own mutations come first")
    func weightedMutations() throws {
        var target = WeightedTargetSpec(cluster: ClusterID(index: 7), weight: 1)
        target.requestHeaders.removals = ["x-secret"]
        let table = try table(.prefix("/"), .forward(ForwardSpec(target: .weighted([target])))) {
            $0.requestHeaders.removals = ["x-other"]
        }
        let decision = RequestHead().withView { table.decide($0, random: 0) }
        #expect(
            decision.requestMutations.indices.map { table.string(table.mutation($0).name) } == [
                "x-secret", "x-other",
            ])
    }

    @Test("a decision names who made the route")
    func origin() throws {
        let table = try table(.prefix("/"), forward { _ in }) { $0.virtualHosts[0].routes[0].origin = Origin(index: 5) }
        #expect(RequestHead().withView { table.decide($0, random: 0) }.origin == Origin(index: 5))
    }

    @Test("the cluster can be named by a header")
    func clusterHeader() throws {
        let table = try table(.prefix("/"), .forward(ForwardSpec(target: .header("X-Cluster"))))
        let (outcome, name) = RequestHead(headers: [("x-cluster", "blue")]).withView { view in
            let decision = table.decide(view, random: 0)
            let value = table.value(of: table.route(decision.route).clusterHeader, in: view)
            return (decision.outcome, value.map { view.bytes.string($0) })
        }
        #expect(outcome == .forwardByHeader)
        #expect(name == "blue")
    }
}

@Suite("Hash policies")
struct HashPolicyTests {
    private func hash(_ policies: [HashPolicySpec], _ request: RequestHead, source: String = "") throws -> RequestHash {
        let table = try table(.prefix("/"), forward { $0.hashPolicies = policies })
        let address = Array(source.utf8)
        return request.withView { view in
            table.hash(for: table.decide(view, random: 0), view, source: address.span, fresh: 42)
        }
    }

    @Test("equal keys have equal hashes and a missing key has none")
    func header() throws {
        let policy = [HashPolicySpec(source: .header("X-User"))]
        let a = try hash(policy, RequestHead(headers: [("x-user", "a")])).value
        #expect(a != nil)
        #expect(try hash(policy, RequestHead("/other", headers: [("X-User", "a")])).value == a)
        #expect(try hash(policy, RequestHead(headers: [("x-user", "b")])).value != a)
        #expect(try hash(policy, RequestHead()).value == nil)
    }

    @Test("a cookie is made only when it has a time to live")
    func cookie() throws {
        let session = HashPolicySpec(source: .cookie(name: "c", path: "/", ttlSeconds: 0, attributes: "; Secure"))
        let plain = HashPolicySpec(source: .cookie(name: "c", path: "", ttlSeconds: nil, attributes: ""))
        #expect(try hash([plain], RequestHead()).value == nil)
        #expect(try hash([plain], RequestHead()).cookieToSet == .max)
        let made = try hash([session], RequestHead())
        #expect(made.value != nil)
        #expect(made.cookieToSet == 0)
        var output: [UInt8] = []
        let table = try table(.prefix("/"), forward { $0.hashPolicies = [session] })
        table.writeCookie(policy: 0, fresh: 42, into: &output)
        #expect(text(output) == "c=\"000000000000002a\"; Path=/; Secure; HttpOnly")
        // The cookie that was set finds the same hash again.
        let again = try hash([session], RequestHead(headers: [("cookie", "a=b; c=\"000000000000002a\"")]))
        #expect(again.value == made.value)
        #expect(again.cookieToSet == .max)
    }

    @Test("a terminal policy ends the list")
    func terminal() throws {
        let request = RequestHead("/?q=1", headers: [("a", "x")])
        let first = HashPolicySpec(source: .header("a"), terminal: true)
        let second = HashPolicySpec(source: .queryParameter("q"))
        #expect(try hash([first, second], request).value == hash([first], request).value)
        #expect(
            try hash([HashPolicySpec(source: .header("a")), second], request).value != hash([first], request).value)
        #expect(try hash([HashPolicySpec(source: .sourceAddress)], request, source: "1.2.3.4").value != nil)
    }
}
