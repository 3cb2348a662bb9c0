import EventLoop
import Proxy
import Testing

@Suite("Faults")
struct FaultTests {
    private static let type = "envoy.extensions.filters.http.fault.v3.HTTPFault"
    private static let all = #""percentage":{"numerator":100}"#

    private func world(_ fault: String, route: String = "") throws -> FilterWorld {
        let more = route.isEmpty ? "" : "," + FilterWorld.perFilter("fault", Self.type, route)
        return try FilterWorld(
            filters: [FilterWorld.filter("fault", Self.type, fault)],
            routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"}\#(more)}"#])
    }

    @Test("an abort answers instead of the endpoint")
    func abort() throws {
        let world = try world(#""abort":{"httpStatus":503,\#(Self.all)}"#)
        let response = try #require(world.ask(get("/")))
        #expect(response.status == 503)
        #expect(response.body == Array("fault filter abort".utf8))
    }

    @Test("a gRPC client gets a gRPC status")
    func grpc() throws {
        let world = try world(#""abort":{"grpcStatus":14,\#(Self.all)}"#)
        let response = try #require(world.ask(get("/", "content-type: application/grpc")))
        #expect(response.status == 200)
        #expect(response["grpc-status"] == "14")
        #expect(response["grpc-message"] == "fault filter abort")
        #expect(response["content-type"] == "application/grpc")
        #expect(try #require(world.ask(get("/"))).body == Array("fault filter abort".utf8))
    }

    @Test("a delay holds the request back for its time, then lets it go on")
    func delay() throws {
        let world = try world(#""delay":{"fixedDelay":"2s",\#(Self.all)}"#)
        let simulation = world.simulation
        let client = simulation.dial()
        simulation.send(get("/"), on: client)
        simulation.settle()
        simulation.pass(milliseconds: 1900)
        #expect(simulation.acceptUpstream().isEmpty)
        simulation.pass(milliseconds: 200)
        let upstream = try #require(simulation.acceptUpstream().first)
        #expect(simulation.request(on: upstream)?.startLine == "GET / HTTP/1.1")
        simulation.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: upstream)
        simulation.settle()
        #expect(simulation.response(to: client)?.status == 200)
        #expect(simulation.proxy.openExchanges == 0)
    }

    @Test("a client that leaves during a delay leaves nothing behind")
    func abandoned() throws {
        let world = try world(#""delay":{"fixedDelay":"2s",\#(Self.all)},"maxActiveFaults":1"#)
        let simulation = world.simulation
        let client = simulation.dial()
        simulation.send(get("/"), on: client)
        simulation.settle()
        simulation.proxy.world { $0.end(client) }
        simulation.settle()
        #expect(simulation.proxy.openExchanges == 0)
        simulation.pass(milliseconds: 3000)
        // Its place among the active faults is free again.
        let next = simulation.dial()
        simulation.send(get("/"), on: next)
        simulation.settle()
        #expect(simulation.acceptUpstream().isEmpty)
    }

    @Test("no more faults are active than may be")
    func maxActive() throws {
        let world = try world(#""delay":{"fixedDelay":"2s",\#(Self.all)},"maxActiveFaults":1"#)
        let simulation = world.simulation
        for _ in 0..<2 {
            simulation.send(get("/"), on: simulation.dial())
            simulation.settle()
        }
        #expect(simulation.acceptUpstream().count == 1)
    }

    @Test("requests may ask for faults, up to the configured share")
    func requested() throws {
        let world = try world(
            #""abort":{"headerAbort":{},\#(Self.all)},"delay":{"headerDelay":{},"percentage":{"numerator":0}}"#)
        #expect(world.ask(get("/", "x-envoy-fault-abort-request: 418"))?.status == 418)
        #expect(
            world.ask(get("/", "x-envoy-fault-abort-grpc-request: 5", "content-type: application/grpc"))?["grpc-status"]
                == "5")
        _ = try world.exchange(get("/"))
        _ = try world.exchange(
            get("/", "x-envoy-fault-abort-request: 418", "x-envoy-fault-abort-request-percentage: 0"))
        _ = try world.exchange(get("/", "x-envoy-fault-delay-request: 1000"))
    }

    @Test("only fitting requests are hit: by header, by cluster, by route, and by share")
    func fitting() throws {
        let byHeader = try world(
            #""abort":{"httpStatus":503,\#(Self.all)},"headers":[{"name":"x-hit","presentMatch":true}]"#)
        _ = try byHeader.exchange(get("/"))
        #expect(byHeader.ask(get("/", "x-hit: 1"))?.status == 503)
        _ = try world(#""abort":{"httpStatus":503,\#(Self.all)},"upstreamCluster":"other""#).exchange(get("/"))
        #expect(
            try world("", route: #""abort":{"httpStatus":503,\#(Self.all)}"#).ask(get("/"))?.status == 503)
        _ = try world(#""abort":{"httpStatus":503,\#(Self.all)}"#, route: #""maxActiveFaults":1"#).exchange(get("/"))
        let half = try world(#""abort":{"httpStatus":503,"percentage":{"numerator":500000,"denominator":"MILLION"}}"#)
        var hits = 0
        for _ in 0..<200 where half.ask(get("/"))?.status == 503 { hits += 1 }
        #expect((60...140).contains(hits))
    }
}

@Suite("Cross-origin requests")
struct CORSTests {
    private static let filter = FilterWorld.filter("cors", "envoy.extensions.filters.http.cors.v3.Cors")
    private static let policyType = "envoy.extensions.filters.http.cors.v3.CorsPolicy"
    private static let policy =
        #""allowOriginStringMatch":[{"exact":"http://a"},{"prefix":"https://b"}],"allowMethods":"GET,POST","allowHeaders":"x-h","exposeHeaders":"x-e","maxAge":"60","allowCredentials":true"#

    private func world(_ policy: String = policy, host: String = "") throws -> FilterWorld {
        let own = policy.isEmpty ? "" : "," + FilterWorld.perFilter("cors", Self.policyType, policy)
        return try FilterWorld(
            filters: [Self.filter], routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"}\#(own)}"#], host: host)
    }

    private func preflight(_ origin: String) -> String {
        "OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: \(origin)\r\nAccess-Control-Request-Method: GET\r\n\r\n"
    }

    @Test("a permitted preflight is answered with the policy's words", arguments: ["http://a", "https://b.example"])
    func preflight(origin: String) throws {
        let response = try #require(world().ask(preflight(origin)))
        #expect(response.status == 200)
        #expect(response["access-control-allow-origin"] == origin)
        #expect(response["access-control-allow-credentials"] == "true")
        #expect(response["access-control-allow-methods"] == "GET,POST")
        #expect(response["access-control-allow-headers"] == "x-h")
        #expect(response["access-control-max-age"] == "60")
        #expect(response["access-control-expose-headers"] == "x-e")
    }

    @Test("access to a private network is granted to those who ask for it, where it may be", arguments: [true, false])
    func privateNetwork(isAllowed: Bool) throws {
        let world = try world(Self.policy + #","allowPrivateNetworkAccess":\#(isAllowed)"#)
        let asking = preflight("http://a").replacing(
            "Origin:", with: "Access-Control-Request-Private-Network: true\r\nOrigin:")
        #expect(world.ask(asking)?["access-control-allow-private-network"] == (isAllowed ? "true" : nil))
        #expect(world.ask(preflight("http://a"))?["access-control-allow-private-network"] == nil)
    }

    @Test("a foreign preflight goes to the application, unless it may not")
    func foreign() throws {
        #expect(try world().exchange(preflight("http://evil")).response["access-control-allow-origin"] == nil)
        let kept = try world(Self.policy + #","forwardNotMatchingPreflights":false"#)
        let response = try #require(kept.ask(preflight("http://evil")))
        #expect(response.status == 200)
        #expect(response["access-control-allow-origin"] == nil)
    }

    @Test("responses to permitted origins say so, others not")
    func simple() throws {
        let world = try world()
        let permitted = try world.exchange(get("/", "Origin: http://a")).response
        #expect(permitted["access-control-allow-origin"] == "http://a")
        #expect(permitted["access-control-expose-headers"] == "x-e")
        #expect(try world.exchange(get("/", "Origin: http://c")).response["access-control-allow-origin"] == nil)
        #expect(try world.exchange(get("/")).response["access-control-allow-origin"] == nil)
    }

    @Test("the virtual host's policy holds for routes without one, and a route can switch the filter off")
    func levels() throws {
        let host = FilterWorld.perFilter("cors", Self.policyType, Self.policy)
        #expect(
            try world("", host: host).ask(preflight("http://a"))?["access-control-allow-origin"] == "http://a")
        let off = FilterWorld.perFilter("cors", "envoy.config.route.v3.FilterConfig", #""disabled":true"#)
        let world = try FilterWorld(
            filters: [Self.filter], routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"},\#(off)}"#], host: host)
        #expect(try world.exchange(get("/", "Origin: http://a")).response["access-control-allow-origin"] == nil)
    }

    @Test("a policy that is not enabled does nothing")
    func disabled() throws {
        let world = try world(Self.policy + #","filterEnabled":{"defaultValue":{"numerator":0}}"#)
        #expect(try world.exchange(get("/", "Origin: http://a")).response["access-control-allow-origin"] == nil)
    }
}
