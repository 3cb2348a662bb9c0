import Authorization
import HeaderBlock
import Routing
import Testing

/// A request or connection for tests.
struct Caller: Sendable {
    var method = "GET"
    var path = "/info"
    var headers: [(String, String)] = []
    var isHTTP = true
    var principal = "spiffe://cluster.local/ns/default/sa/sleep"
    /// Further names of the certificate.
    var moreNames: [String] = []
    var dnsNames: [String] = []
    var subject = ""
    var isAuthenticated = true
    var serverName = ""
    var source = AddressBits.ipv4(0x0A00_0001)
    var direct: AddressBits?
    var remote = AddressBits.ipv4(0xC0A8_0001)
    var destination = AddressBits.ipv4(0x0A60_0102)
    var port: UInt16 = 8080

    func ask(_ authorizer: Authorizer) -> AuthorizationVerdict {
        var bytes: [UInt8] = []
        func add(_ text: String) -> ByteRange {
            let start = bytes.count
            bytes.append(contentsOf: text.utf8)
            return ByteRange(start: start, length: bytes.count - start)
        }
        var table = HeaderTable()
        table.method = add(method)
        table.path = add(path)
        table.authority = add("httpbin.foo:8000")
        for (name, value) in headers {
            let (name, value) = (add(name), add(value))
            _ = table.append(HeaderField(name: name, value: value, id: KnownHeader.classify(bytes.span, name)))
        }
        let uriNames = (principal.isEmpty ? [] : [principal]) + moreNames
        let uris = uriNames.map { Array($0.utf8) }
        let dns = dnsNames.map { Array($0.utf8) }
        let subject = Array(subject.utf8)
        let serverName = Array(serverName.utf8)
        let head = HeadView(table, bytes: bytes.span)
        let input = AuthorizationInput(
            head: isHTTP ? head : nil, uriNames: uris.span, dnsNames: dns.span, subject: subject.span,
            isAuthenticated: isAuthenticated, serverName: serverName.span, source: source, direct: direct,
            remote: remote, destination: destination, destinationPort: port)
        return authorizer.decide(input)
    }
}

@Suite("Authorization")
struct AuthorizerTests {
    private static func policy(
        _ name: String = "p", to permissions: [ConditionSpec] = [.always], from principals: [ConditionSpec] = [.always]
    ) -> PolicySpec {
        PolicySpec(name: name, permissions: permissions, principals: principals)
    }

    private static func decide(
        _ action: RuleSetSpec.Action, _ policies: [PolicySpec], _ caller: Caller = Caller()
    ) throws -> AuthorizationVerdict {
        caller.ask(try Authorizer(AuthorizationSpec(rules: RuleSetSpec(action: action, policies: policies))))
    }

    @Test(
        "Without a policy: ALLOW denies all, DENY and LOG nothing",
        arguments: [(RuleSetSpec.Action.allow, false), (.deny, true), (.log, true)])
    func empty(action: RuleSetSpec.Action, allowed: Bool) throws {
        let verdict = try Self.decide(action, [])
        #expect(verdict.isAllowed == allowed)
        #expect(verdict.policy == .none)
    }

    @Test(
        "With a policy that matches: DENY denies, ALLOW and LOG allow, LOG marks",
        arguments: [(RuleSetSpec.Action.allow, true, false), (.deny, false, false), (.log, true, true)])
    func matched(action: RuleSetSpec.Action, allowed: Bool, logged: Bool) throws {
        let verdict = try Self.decide(action, [Self.policy()])
        #expect(verdict.isAllowed == allowed)
        #expect(verdict.isLogged == logged)
        #expect(verdict.policy == PolicyID(index: 0))
    }

    @Test("Without rules everything is allowed")
    func noRules() throws {
        #expect(Caller().ask(try Authorizer(AuthorizationSpec())).isAllowed)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var condition: ConditionSpec
        var caller = Caller()
        var holds: Bool
        var testDescription: String { name }
    }

    private static let plain: Caller = {
        var caller = Caller()
        caller.principal = ""
        caller.isAuthenticated = false
        return caller
    }()

    private static let tcp: Caller = {
        var caller = Caller()
        caller.isHTTP = false
        caller.serverName = "db.example.com"
        return caller
    }()

    private static func method(_ text: String) -> ConditionSpec {
        .header(HeaderMatchSpec(name: ":method", test: .matches(.exact(text))))
    }

    private static func range(_ bits: UInt32, _ length: Int) -> AddressRange {
        AddressRange(.ipv4(bits), length: length)
    }

    static let cases: [Case] = [
        Case(name: "always", condition: .always, holds: true),
        Case(name: "not always", condition: .not(.always), holds: false),
        Case(name: "all of nothing", condition: .all([]), holds: true),
        Case(name: "any of nothing", condition: .any([]), holds: false),
        Case(name: "method", condition: method("GET"), holds: true),
        Case(name: "other method", condition: method("POST"), holds: false),
        Case(
            name: "path without its query", condition: .path(.exact("/info")), caller: Caller(path: "/info?x=1"),
            holds: true),
        Case(name: "path prefix", condition: .path(.prefix("/admin")), holds: false),
        Case(name: "path regex is whole", condition: .path(.regex("/in")), holds: false),
        Case(
            name: "host in any case",
            condition: .header(
                HeaderMatchSpec(
                    name: ":authority", test: .matches(StringPattern(.prefix, "HTTPBIN.", ignoresCase: true)))),
            holds: true),
        Case(
            name: "header", condition: .header(HeaderMatchSpec(name: "x-token", test: .matches(.exact("a")))),
            caller: Caller(headers: [("X-Token", "a")]), holds: true),
        Case(
            name: "missing header", condition: .header(HeaderMatchSpec(name: "x-token", test: .matches(.exact("a")))),
            holds: false),
        Case(
            name: "not of a missing header",
            condition: .not(.header(HeaderMatchSpec(name: "x-token", test: .matches(.exact("a"))))), holds: true),
        Case(
            name: "identity", condition: .principal(.exact("spiffe://cluster.local/ns/default/sa/sleep")), holds: true),
        Case(name: "identity regex", condition: .principal(.regex(".*/ns/other/.*")), holds: false),
        Case(name: "any identity", condition: .principal(nil), holds: true),
        Case(name: "any identity, plain text", condition: .principal(nil), caller: plain, holds: false),
        Case(name: "any name, plain text", condition: .principal(.regex(".*")), caller: plain, holds: false),
        Case(
            name: "not an identity holds in plain text", condition: .not(.principal(.prefix("spiffe://other/"))),
            caller: plain, holds: true),
        Case(name: "source range", condition: .sourceAddress(range(0x0A00_0000, 8)), holds: true),
        Case(name: "source range elsewhere", condition: .sourceAddress(range(0x0B00_0000, 8)), holds: false),
        Case(
            name: "source is not the forwarded client", condition: .sourceAddress(range(0xC0A8_0000, 16)), holds: false),
        Case(name: "forwarded client", condition: .remoteAddress(range(0xC0A8_0001, 32)), holds: true),
        Case(name: "everything in /0", condition: .sourceAddress(range(0xFFFF_FFFF, 0)), holds: true),
        Case(
            name: "families are apart",
            condition: .sourceAddress(AddressRange(AddressBits(family: .ipv6), length: 0)), holds: false),
        Case(name: "destination range", condition: .destinationAddress(range(0x0A60_0000, 16)), holds: true),
        Case(name: "port", condition: .destinationPort(8080...8080), holds: true),
        Case(name: "port range", condition: .destinationPort(8000...8079), holds: false),
        Case(name: "server name of none", condition: .serverName(.exact("db.example.com")), holds: false),
        Case(name: "server name", condition: .serverName(.suffix(".example.com")), caller: tcp, holds: true),
        Case(name: "a method on TCP", condition: method("GET"), caller: tcp, holds: false),
        Case(name: "a path on TCP", condition: .path(.any), caller: tcp, holds: false),
        Case(
            name: "all with one false", condition: .all([.always, .destinationPort(8080...8080), .not(.always)]),
            holds: false),
        Case(
            name: "any with the last true", condition: .any([.not(.always), .destinationPort(1...1), method("GET")]),
            holds: true),
        Case(
            name: "nested",
            condition: .all([
                .any([
                    method("POST"), .all([method("GET"), .not(.path(.exact("/info")))]),
                    .sourceAddress(range(0x0A00_0001, 32)),
                ]),
                .not(.any([.destinationPort(1...2), .not(.principal(nil))])),
            ]), holds: true),
    ]

    @Test("A condition", arguments: cases)
    func condition(_ example: Case) throws {
        let permission = try Self.decide(.allow, [Self.policy(to: [example.condition])], example.caller)
        #expect(permission.isAllowed == example.holds)
        let principal = try Self.decide(.deny, [Self.policy(from: [example.condition])], example.caller)
        #expect(principal.isAllowed != example.holds)
        let negated = try Self.decide(.allow, [Self.policy(to: [.not(example.condition)])], example.caller)
        #expect(negated.isAllowed != example.holds)
    }

    @Test("The first policy that matches is named, with its details free of white space")
    func named() throws {
        let authorizer = try Authorizer(
            AuthorizationSpec(
                rules: RuleSetSpec(
                    action: .deny,
                    policies: [
                        Self.policy("a", to: [Self.method("POST")]), Self.policy("ns[x]-policy[deny me]-rule[0]"),
                        Self.policy("c"),
                    ])))
        let verdict = Caller().ask(authorizer)
        #expect(!verdict.isAllowed)
        #expect(authorizer.name(verdict.policy) == "ns[x]-policy[deny me]-rule[0]")
        let details = authorizer.details(verdict.policy)
        #expect(
            String(decoding: details.indices.map { details[$0] }, as: UTF8.self)
                == "rbac_access_denied_matched_policy[ns[x]-policy[deny_me]-rule[0]]")
        let none = authorizer.details(.none)
        #expect(
            String(decoding: none.indices.map { none[$0] }, as: UTF8.self) == "rbac_access_denied_matched_policy[none]")
    }

    @Test("A policy needs a permission and a principal")
    func both() throws {
        #expect(try !Self.decide(.allow, [Self.policy(to: [Self.method("POST")])]).isAllowed)
        #expect(try !Self.decide(.allow, [Self.policy(from: [.principal(.exact("x"))])]).isAllowed)
        #expect(try !Self.decide(.allow, [Self.policy(to: [])]).isAllowed)
    }

    @Test("Shadow rules report and never decide")
    func shadow() throws {
        let authorizer = try Authorizer(
            AuthorizationSpec(
                rules: RuleSetSpec(action: .allow, policies: [Self.policy("real")]),
                shadowRules: RuleSetSpec(action: .deny, policies: [Self.policy("trial", to: [Self.method("GET")])])))
        let verdict = Caller().ask(authorizer)
        #expect(verdict.isAllowed)
        #expect(verdict.shadow == .denied)
        #expect(authorizer.name(verdict.shadowPolicy) == "trial")
        #expect(authorizer.name(verdict.policy) == "real")
        #expect(Caller(method: "PUT").ask(authorizer).shadow == .allowed)
    }

    @Test("An invalid regular expression is refused with the policy's name")
    func invalid() {
        let error = #expect(throws: AuthorizationError.self) {
            try Authorizer(
                AuthorizationSpec(
                    rules: RuleSetSpec(action: .allow, policies: [Self.policy("bad", to: [.path(.regex("("))])])))
        }
        #expect(error?.description.contains("policy bad") == true)
    }

    @Test("Random trees give what their meaning gives")
    func random() throws {
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        func draw(_ bound: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % bound)
        }
        func tree(_ depth: Int) -> (ConditionSpec, Bool) {
            switch depth == 0 ? draw(3) : draw(6) {
            case 0: return (.destinationPort(8080...8080), true)
            case 1: return (.destinationPort(1...1), false)
            case 2: return (.always, true)
            case 3:
                let (inner, value) = tree(depth - 1)
                return (.not(inner), !value)
            case 4:
                let parts = (0..<draw(4)).map { _ in tree(depth - 1) }
                return (.all(parts.map(\.0)), parts.allSatisfy(\.1))
            default:
                let parts = (0..<draw(4)).map { _ in tree(depth - 1) }
                return (.any(parts.map(\.0)), parts.contains { $0.1 })
            }
        }
        for _ in 0..<500 {
            let trees = (0..<4).map { _ in tree(5) }
            let policies = trees.enumerated().map { Self.policy("\($0)", to: [$1.0]) }
            let verdict = try Self.decide(.allow, policies)
            let expected = trees.firstIndex { $0.1 }
            #expect(verdict.isAllowed == (expected != nil), "seed \(seed)")
            #expect(verdict.policy == (expected.map { PolicyID(index: UInt16($0)) } ?? .none), "seed \(seed)")
        }
    }
}

@Suite("Who a peer is")
struct PeerNameTests {
    private static func allows(_ condition: ConditionSpec, _ caller: Caller) throws -> Bool {
        let policy = PolicySpec(name: "p", permissions: [.always], principals: [condition])
        return caller.ask(
            try Authorizer(AuthorizationSpec(rules: RuleSetSpec(action: .allow, policies: [policy])))
        ).isAllowed
    }

    @Test(
        "every URI name, every DNS name and the subject of a certificate count",
        arguments: [
            ("spiffe://a/first", true), ("spiffe://a/second", true), ("one.example", true), ("two.example", true),
            ("O=mesh", true), ("three.example", false), ("", false),
        ])
    func names(name: String, expected: Bool) throws {
        var caller = Caller()
        caller.principal = "spiffe://a/first"
        caller.moreNames = ["spiffe://a/second"]
        caller.dnsNames = ["one.example", "two.example"]
        caller.subject = "O=mesh"
        #expect(try Self.allows(.principal(StringPattern(.exact, name)), caller) == expected)
        caller.isAuthenticated = false
        #expect(try !Self.allows(.principal(StringPattern(.exact, name)), caller))
    }

    @Test("the peer itself is asked for where a rule means the peer itself")
    func direct() throws {
        var caller = Caller()
        caller.source = .ipv4(0xCB00_7107)
        caller.direct = .ipv4(0x0A00_0001)
        let client = AddressRange(.ipv4(0xCB00_7107), length: 32)
        let peer = AddressRange(.ipv4(0x0A00_0001), length: 32)
        #expect(try Self.allows(.sourceAddress(client), caller))
        #expect(try !Self.allows(.sourceAddress(peer), caller))
        #expect(try Self.allows(.directAddress(peer), caller))
        #expect(try !Self.allows(.directAddress(client), caller))
    }

    @Test("a rule that logs marks the request, and says so when it does not", arguments: [true, false])
    func audit(matches: Bool) throws {
        let policy = PolicySpec(
            name: "p", permissions: [.always],
            principals: [matches ? .always : .principal(StringPattern(.exact, "nobody"))])
        let authorizer = try Authorizer(
            AuthorizationSpec(rules: RuleSetSpec(action: .log, policies: [policy])))
        let verdict = Caller().ask(authorizer)
        #expect(verdict.isAllowed)
        #expect(verdict.isLogged == matches)
        var metadata = RequestMetadata()
        authorizer.record(verdict, in: &metadata)
        let spec = MetadataMatchSpec(filter: "envoy.common", path: ["access_log_hint"], value: .bool(matches))
        #expect(try MetadataCondition(spec).holds(metadata))
    }

    @Test("of a field that occurs several times each line counts, so that no second line hides a denied value")
    func lines() throws {
        var caller = Caller()
        caller.headers = [("x-role", ""), ("x-role", "admin"), ("x-age", "40"), ("x-age", "7")]
        func holds(_ name: String, _ test: HeaderMatchSpec.Test, inverted: Bool = false) throws -> Bool {
            try Self.allows(.header(HeaderMatchSpec(name: name, test: test, inverted: inverted)), caller)
        }
        for text in ["", "admin"] {
            #expect(try holds("x-role", .matches(.exact(text))))
            #expect(try !holds("x-role", .matches(.exact(text)), inverted: true))
        }
        #expect(try !holds("x-role", .matches(.exact(",admin"))))
        #expect(try holds("x-role", .matches(.exact("guest")), inverted: true))
        #expect(try holds("x-age", .range(5, 10)))
        #expect(try !holds("x-age", .range(5, 10), inverted: true))
        #expect(try !holds("x-age", .range(50, 60)))
    }
}

@Suite("What authorization costs")
struct AuthorizationCostTests {
    /// What AuthorizationPolicies become: paths, methods, headers, addresses and principals in turn; none is met but the last.
    private static func policies(_ count: Int) -> [PolicySpec] {
        let client = ConditionSpec.principal(.exact("spiffe://cluster.local/ns/default/sa/sleep"))
        let methods = ConditionSpec.any(
            ["GET", "POST"].map { .header(HeaderMatchSpec(name: ":method", test: .matches(.exact($0)))) })
        return (0..<count).map { number in
            let principal = ConditionSpec.principal(.exact("spiffe://cluster.local/ns/team-\(number)/sa/caller"))
            var permission = ConditionSpec.all([
                .any([.path([.exact("/service-\(number)/list"), .prefix("/service-\(number)/")][number % 2])]), methods,
            ])
            var source = ConditionSpec.any([principal, client])
            if number % 5 == 3 {
                permission = .always
                source = .sourceAddress(AddressRange(.ipv4(0x0B00_0000 + UInt32(number) << 16), length: 16))
            }
            if number % 5 == 4 {
                permission = .any([
                    .header(HeaderMatchSpec(name: "x-tenant", test: .matches(.exact("tenant-\(number)")))), methods,
                ])
                source = principal
            }
            if number == count - 1 { (permission, source) = (.path(.prefix("/")), client) }
            return PolicySpec(name: "p\(number)", permissions: [permission], principals: [source])
        }
    }

    // The promise is two microseconds on a quiet machine (docs/security.md); tests share theirs with others.
    @Test("Of a hundred policies the last one decides; what that costs is printed")
    func hundred() throws {
        let authorizer = try Authorizer(
            AuthorizationSpec(rules: RuleSetSpec(action: .allow, policies: Self.policies(100))))
        let bytes = Array("GET/infohttpbin.foo:8000accepttext/html,application/xhtml+xmluser-agentcurl/8.0".utf8)
        var table = HeaderTable()
        table.method = ByteRange(start: 0, length: 3)
        table.path = ByteRange(start: 3, length: 5)
        table.authority = ByteRange(start: 8, length: 16)
        for (name, value) in [
            (ByteRange(start: 24, length: 6), ByteRange(start: 30, length: 31)),
            (ByteRange(start: 61, length: 10), ByteRange(start: 71, length: 8)),
        ] {
            _ = table.append(HeaderField(name: name, value: value, id: KnownHeader.classify(bytes.span, name)))
        }
        let names = [Array("spiffe://cluster.local/ns/default/sa/sleep".utf8)]
        var best = Duration.seconds(1)
        for _ in 0..<20 {
            let time = ContinuousClock().measure {
                for _ in 0..<1000 {
                    let input = AuthorizationInput(
                        head: HeadView(table, bytes: bytes.span), uriNames: names.span, isAuthenticated: true,
                        serverName: bytes.span.extracting(0..<0), source: .ipv4(0x0A00_0001),
                        remote: .ipv4(0x0A00_0001),
                        destination: .ipv4(0x0A00_0002), destinationPort: 8080)
                    if authorizer.decide(input).policy != PolicyID(index: 99) { Issue.record("not the last policy") }
                }
            }
            best = min(best, time / 1000)
        }
        print("100 policies: \(best) per request")
    }
}
