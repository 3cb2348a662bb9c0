import HeaderBlock
import RequestSupport
import Routing
import Testing

@Suite("Virtual host selection")
struct VirtualHostTests {
    private static func table(_ hosts: [[String]], ignoresPort: Bool = true) throws -> RouteTable {
        var spec = RouteConfigurationSpec()
        spec.ignoresPort = ignoresPort
        spec.virtualHosts = hosts.enumerated().map { index, domains in
            VirtualHostSpec(
                name: "\(index)", domains: domains,
                routes: [
                    RouteSpec(
                        match: RouteMatchSpec(path: .prefix("/")),
                        action: .forward(ForwardSpec(target: .cluster(ClusterID(index: UInt32(index))))))
                ])
        }
        return try RouteTable(spec)
    }

    private static let hosts: [[String]] = [
        ["reviews", "reviews.default", "reviews.default.svc.cluster.local", "10.96.0.7"],
        ["*.example.com"], ["*.api.example.com"], ["example.*"], ["*-x.org"], ["*"],
    ]

    @Test(
        "exact, then the longest suffix, then a prefix, then the star",
        arguments: [
            ("reviews", 0), ("REVIEWS.Default", 0), ("reviews:9080", 0), ("10.96.0.7:9080", 0), ("[fd00::1]:9080", 5),
            ("www.example.com", 1), ("v1.api.example.com", 2), ("a.b.example.com", 1), ("example.com", 3),
            (".example.com", 5),  // a wildcard stands for at least one character
            ("example.", 5), ("a-x.org", 4), ("-x.org", 5), ("other", 5), ("", 5),
        ])
    func precedence(authority: String, host: Int) throws {
        let table = try Self.table(Self.hosts)
        let decision = RequestHead(authority: authority).withView { table.decide($0, random: 0) }
        #expect(decision.virtualHost == UInt32(host))
    }

    @Test("the port counts unless it is to be ignored")
    func port() throws {
        let strict = try Self.table([["reviews"], ["reviews:9080"]], ignoresPort: false)
        #expect(RequestHead(authority: "reviews:9080").withView { strict.decide($0, random: 0) }.virtualHost == 1)
        let other = RequestHead(authority: "reviews:80").withView { strict.decide($0, random: 0) }
        #expect(other.outcome == .noVirtualHost)
    }

    @Test("a host nobody serves, and a path nobody serves, are told apart")
    func reasons() throws {
        let table = try Self.table([["a"]])
        let unknown = RequestHead(authority: "b").withView { table.decide($0, random: 0) }
        #expect(unknown.outcome == .noVirtualHost)
        #expect("\(unknown.responseCodeDetails)" == "route_not_found")
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [VirtualHostSpec(name: "a", domains: ["a"], routes: [])]
        let empty = try RouteTable(spec)
        #expect(RequestHead(authority: "a").withView { empty.decide($0, random: 0) }.outcome == .noRoute)
    }

    @Test("a domain belongs to one virtual host", arguments: ["a", "*", "*.b", "c.*"])
    func duplicates(domain: String) {
        let error = #expect(throws: RouteTableError.self) { try Self.table([[domain], [domain]]) }
        #expect(error?.reason == "domain \"\(domain)\" appears in two virtual hosts")
    }
}
