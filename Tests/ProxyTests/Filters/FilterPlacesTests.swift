import Proxy
import Testing

/// What routes say under the names of filters.
@Suite("Per-route configuration")
struct FilterPlacesTests {
    private static let rbac = "envoy.extensions.filters.http.rbac.v3.RBAC"
    private static let denial =
        #""rules":{"action":"DENY","policies":{"p":{"permissions":[{"any":true}],"principals":[{"any":true}]}}}"#

    private static func route(_ members: String) -> String {
        #"{"match":{"prefix":"/"},"route":{"cluster":"up"},\#(members)}"#
    }

    @Test(
        "what is meant for another kind of filter does not switch one off",
        arguments: [
            FilterWorld.perFilter("guard", "envoy.extensions.filters.http.cors.v3.CorsPolicy"),
            FilterWorld.perFilter(
                "guard", "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", #""disabled":true"#),
            FilterWorld.perFilter(
                "guard", "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", #""disabled":true"#),
        ])
    func otherKinds(members: String) throws {
        let world = try FilterWorld(
            filters: [FilterWorld.filter("guard", Self.rbac, Self.denial)], routes: [Self.route(members)])
        #expect(world.ask(get("/"))?.status == 403)
    }

    @Test("its own configuration does")
    func ownKind() throws {
        let own = FilterWorld.perFilter("guard", "envoy.extensions.filters.http.rbac.v3.RBACPerRoute")
        let world = try FilterWorld(
            filters: [FilterWorld.filter("guard", Self.rbac, Self.denial)], routes: [Self.route(own)])
        #expect(try world.exchange(get("/")).response.status == 200)
    }

    @Test("under the usual name of a filter, another filter's configuration is refused")
    func usualNames() throws {
        let name = "envoy.filters.http.rbac"
        let issues = try FilterWorld.issues(
            filters: [FilterWorld.filter(name, Self.rbac, Self.denial)],
            routes: [Self.route(FilterWorld.perFilter(name, "envoy.extensions.filters.http.cors.v3.CorsPolicy"))])
        #expect(issues.count == 1 && issues[0].contains("typed_per_filter_config[\"\(name)\"]"), "\(issues)")
    }

    @Test(
        "a router that would have to do what is not done is refused",
        arguments: [(#""startChildSpan":true"#, "start_child_span"), (#""dynamicStats":false"#, "dynamic_stats")])
    func router(member: String, field: String) throws {
        let router = FilterWorld.filter("router", "envoy.extensions.filters.http.router.v3.Router", member)
        let issues = try FilterWorld.issues(filters: [router], routes: [Self.route(#""name":"r""#)])
        #expect(issues.count == 1 && issues[0].contains(".\(field): "), "\(issues)")
    }
}
