import EventLoop
import Proxy
import Testing

@Suite("External authorization over HTTP")
struct ExternalAuthorizationTests {
    private static let type = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
    private static let service =
        #""httpService":{"serverUri":{"uri":"http://auth","cluster":"shadow","timeout":"1s"},"pathPrefix":"/check","authorizationRequest":{"headersToAdd":[{"key":"x-added","value":"a"}]},"authorizationResponse":{"allowedUpstreamHeaders":{"patterns":[{"exact":"x-user"}]},"allowedClientHeadersOnSuccess":{"patterns":[{"exact":"x-seen"}]}}}"#

    private func world(_ more: String = "", route: String = "") throws -> FilterWorld {
        let members = Self.service + (more.isEmpty ? "" : "," + more)
        let own = route.isEmpty ? "" : "," + FilterWorld.perFilter("authz", Self.type + "PerRoute", route)
        return try FilterWorld(
            filters: [FilterWorld.filter("authz", Self.type, members)],
            routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"}\#(own)}"#])
    }

    /// Sends a request and lets the service answer it.
    private func ask(
        _ world: FilterWorld, _ request: String, _ answer: String
    ) throws -> (client: Int32, check: WireMessage) {
        let simulation = world.simulation
        let client = simulation.dial()
        simulation.send(request, on: client)
        simulation.settle()
        let socket = try #require(simulation.acceptUpstream().first)
        let check = try #require(simulation.request(on: socket))
        simulation.send(answer, on: socket)
        simulation.settle()
        return (client, check)
    }

    @Test("an approved request goes on with what the service says")
    func approved() throws {
        let world = try world(#""allowedHeaders":{"patterns":[{"prefix":"x-in"},{"exact":"x-added"}]}"#)
        let (client, check) = try ask(
            world, get("/p?q", "x-in-1: v", "x-other: o", "authorization: t", "x-user: forged", "X-Added: forged"),
            "HTTP/1.1 200 OK\r\nX-User: alice\r\nX-Seen: yes\r\nX-No: no\r\nContent-Length: 0\r\n\r\n")
        #expect(check.startLine == "GET /check/p?q HTTP/1.1")
        #expect(check["host"] == "x")
        #expect(check["x-in-1"] == "v")
        #expect(check["authorization"] == "t")
        #expect(check["x-other"] == nil)
        #expect(check.all("x-added") == ["a"])
        let simulation = world.simulation
        let upstream = try #require(simulation.acceptUpstream().first)
        let request = try #require(simulation.request(on: upstream))
        #expect(request.all("x-user") == ["alice"])
        #expect(request["x-no"] == nil)
        simulation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", on: upstream)
        simulation.settle()
        let response = try #require(simulation.response(to: client))
        #expect(response.status == 200)
        #expect(response["x-seen"] == "yes")
        #expect(simulation.proxy.openExchanges == 0)
    }

    @Test("a body waits for the verdict and then goes on whole")
    func body() throws {
        let world = try world()
        let (client, check) = try ask(
            world, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        #expect(check.body.isEmpty)
        let simulation = world.simulation
        let upstream = try #require(simulation.acceptUpstream().first)
        #expect(simulation.request(on: upstream)?.body == Array("hello".utf8))
        simulation.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: upstream)
        simulation.settle()
        #expect(simulation.response(to: client)?.status == 200)
    }

    @Test("a refusal reaches the client with its status, headers and body, in any framing")
    func denied() throws {
        for answer in [
            "HTTP/1.1 401 No\r\nX-Why: because\r\nContent-Length: 4\r\n\r\nstop",
            "HTTP/1.1 401 No\r\nX-Why: because\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nstop\r\n0\r\n\r\n",
        ] {
            let world = try world()
            let (client, _) = try ask(world, get("/"), answer)
            let response = try #require(world.simulation.response(to: client))
            #expect(response.status == 401)
            #expect(response["x-why"] == "because")
            #expect(response.body == Array("stop".utf8))
            #expect(world.simulation.proxy.openExchanges == 0)
        }
    }

    @Test("a service that fails closes the door, unless it may stand open")
    func failures() throws {
        let broken = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
        let closed = try world()
        let (client, _) = try ask(closed, get("/"), broken)
        #expect(closed.simulation.response(to: client)?.status == 403)
        let other = try world(#""statusOnError":{"code":"ServiceUnavailable"}"#)
        let (second, _) = try ask(other, get("/"), broken)
        #expect(other.simulation.response(to: second)?.status == 503)
        let open = try world(#""failureModeAllow":true,"failureModeAllowHeaderAdd":true"#)
        _ = try ask(open, get("/"), broken)
        let upstream = try #require(open.simulation.acceptUpstream().first)
        #expect(open.simulation.request(on: upstream)?["x-envoy-auth-failure-mode-allowed"] == "true")
    }

    @Test("no answer in time, and no connection, are failures")
    func silence() throws {
        let world = try world()
        let simulation = world.simulation
        let client = simulation.dial()
        simulation.send(get("/"), on: client)
        simulation.settle()
        simulation.acceptUpstream()
        simulation.pass(milliseconds: 1100)
        #expect(simulation.response(to: client)?.status == 403)
        let second = simulation.dial()
        simulation.send(get("/"), on: second)
        simulation.settle()
        simulation.acceptUpstream(error: 111)
        #expect(simulation.response(to: second)?.status == 403)
        #expect(simulation.proxy.openExchanges == 0)
    }

    @Test("a client that leaves takes its question along")
    func abandoned() throws {
        let world = try world()
        let simulation = world.simulation
        let client = simulation.dial()
        simulation.send(get("/"), on: client)
        simulation.settle()
        simulation.acceptUpstream()
        simulation.proxy.world { $0.end(client) }
        simulation.settle()
        #expect(simulation.proxy.openExchanges == 0)
    }

    @Test("a route can do without")
    func disabled() throws {
        #expect(try world(route: #""disabled":true"#).exchange(get("/")).response.status == 200)
    }
}
