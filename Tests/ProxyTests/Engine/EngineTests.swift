import EventLoop
import Proxy
import Resilience
import Testing

@Suite struct EngineTests {
    static let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    @Test func aRequestIsForwardedAndAnswered() throws {
        let world = try Simulation()
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let request = try #require(world.request(on: upstream))
        #expect(request.startLine == "GET /a HTTP/1.1")
        #expect(request["host"] == "x")
        #expect(request["x-forwarded-proto"] == "http")
        #expect(request["x-request-id"]?.count == 36)
        #expect(request["x-envoy-expected-rq-timeout-ms"] == "15000")
        world.send(Self.ok, on: upstream)
        world.settle()
        let response = try #require(world.response(to: client))
        #expect(response.status == 200)
        #expect(response.body == Array("ok".utf8))
        #expect(response["server"] == "envoy")
        #expect(response["x-envoy-upstream-service-time"] != nil)
        #expect(response["date"] != nil)
    }

    @Test func connectionsAreKeptOnBothSides() throws {
        let world = try Simulation(endpoints: 1)
        let client = world.dial()
        for round in 0..<5 {
            world.send(Self.get, on: client)
            world.settle()
            if round == 0 { world.acceptUpstream() }
            let upstream = try #require(world.opened.first)
            _ = try #require(world.request(on: upstream))
            world.send(Self.ok, on: upstream)
            world.settle()
            #expect(world.response(to: client)?.status == 200)
        }
        #expect(world.opened.count == 1)
        #expect(world.proxy.openExchanges == 0)
        #expect(world.proxy.lentBuffers == 0)
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() throws {
        let world = try Simulation(endpoints: 1)
        let client = world.dial()
        world.send(
            "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /direct HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
            on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        #expect(world.request(on: upstream)?.startLine == "GET /1 HTTP/1.1")
        #expect(world.request(on: upstream) == nil)
        world.send(Self.ok, on: upstream)
        world.settle()
        #expect(world.request(on: upstream)?.startLine == "GET /3 HTTP/1.1")
        world.send(Self.ok, on: upstream)
        world.settle()
        #expect((0..<3).map { _ in world.response(to: client)?.status } == [200, 418, 200])
    }

    @Test(arguments: [
        ("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 503), ("GET /direct HTTP/1.1\r\nHost: x\r\n\r\n", 418),
        ("GET / HTTP/1.0\r\n\r\n", 426), ("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 403),
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ])
    func theProxyAnswersItself(request: String, status: Int) throws {
        let world = try Simulation()
        let client = world.dial()
        world.send(request, on: client)
        world.settle()
        #expect(world.response(to: client)?.status == status)
        #expect(world.proxy.openExchanges == 0)
    }

    @Test func aRefusedConnectionIs503WithEnvoysWords() throws {
        let world = try Simulation()
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        world.acceptUpstream(error: 111)
        let response = try #require(world.response(to: client))
        #expect(response.status == 503)
        #expect(String(decoding: response.body, as: UTF8.self).hasSuffix("reset reason: remote connection failure"))
    }

    @Test func aStalePooledConnectionIsReplacedSilently() throws {
        let world = try Simulation(endpoints: 1)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let first = try #require(world.acceptUpstream().first)
        _ = world.request(on: first)
        world.send(Self.ok, on: first)
        world.settle()
        #expect(world.response(to: client)?.status == 200)
        world.send(Self.get, on: client)
        world.settle()
        _ = world.request(on: first)
        world.proxy.world { $0.end(first) }
        world.settle()
        let second = try #require(world.acceptUpstream().first)
        #expect(world.request(on: second)?.startLine == "GET /a HTTP/1.1")
        world.send(Self.ok, on: second)
        world.settle()
        #expect(world.response(to: client)?.status == 200)
    }

    @Test func failuresAreRetriedAsThePolicySays() throws {
        var policy = RetryPolicy()
        policy.conditions = [.serverError]
        policy.retries = 2
        let world = try Simulation(retry: policy, endpoints: 1)
        let client = world.dial()
        world.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        for attempt in 1...3 {
            let request = try #require(world.request(on: upstream))
            #expect(request.body == Array("hello".utf8))
            #expect(request["x-envoy-attempt-count"] == "\(attempt)")
            world.send(attempt < 3 ? "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" : Self.ok, on: upstream)
            world.settle()
            world.pass(milliseconds: 300)
        }
        #expect(world.response(to: client)?.status == 200)
    }

    @Test func aSlowEndpointIs504() throws {
        let world = try Simulation(timeoutMilliseconds: 1_000)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        world.acceptUpstream()
        world.pass(milliseconds: 990)
        #expect(world.response(to: client) == nil)
        world.pass(milliseconds: 30)
        let response = try #require(world.response(to: client))
        #expect(response.status == 504)
        #expect(response.body == Array("upstream request timeout".utf8))
    }

    @Test func theRouteTimeBeginsWhenTheRequestIsComplete() throws {
        let world = try Simulation(timeoutMilliseconds: 1_000)
        let client = world.dial()
        world.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab", on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.pass(milliseconds: 1_500)
        #expect(world.response(to: client) == nil)
        world.send("cd", on: client)
        world.settle()
        world.pass(milliseconds: 900)
        #expect(world.request(on: upstream)?.body == Array("abcd".utf8))
        #expect(world.response(to: client) == nil)
        world.pass(milliseconds: 200)
        #expect(world.response(to: client)?.status == 504)
    }

    @Test(arguments: [true, false])
    func aRequestOfTheMeshMayAskForLessTime(isOfTheMesh: Bool) throws {
        let everybody = InternalAddresses(
            ranges: [AddressPrefix(address: .anyIPv4, length: 0)], unixSockets: true)
        let world = try Simulation(
            manager: HTTPConnectionManager(
                statPrefix: "http", routeTable: 0, usesRemoteAddress: true,
                internalAddresses: isOfTheMesh ? everybody : nil))
        let client = world.dial()
        world.send("GET /a HTTP/1.1\r\nHost: x\r\nX-Envoy-Upstream-Rq-Timeout-Ms: 200\r\n\r\n", on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let request = try #require(world.request(on: upstream))
        #expect(request["x-envoy-expected-rq-timeout-ms"] == (isOfTheMesh ? "200" : "15000"))
        #expect(request["x-envoy-upstream-rq-timeout-ms"] == nil)
        world.pass(milliseconds: 250)
        #expect(world.response(to: client)?.status == (isOfTheMesh ? 504 : nil))
    }

    @Test func aBodyWithoutLengthIsChunkedForTheClient() throws {
        let world = try Simulation()
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.send("HTTP/1.1 200 OK\r\n\r\nuntil the end", on: upstream)
        world.settle()
        world.proxy.world { $0.end(upstream) }
        world.settle()
        let response = try #require(world.response(to: client))
        #expect(response["transfer-encoding"] == "chunked")
        #expect(response.body == Array("until the end".utf8))
    }

    /// The endpoint resets the connection in the middle of a request body: what is left of the body is no request.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func theRestOfABodyIsNeverARequest(seed: UInt64) throws {
        let world = try Simulation(seed: seed, endpoints: 1)
        let client = world.dial()
        let rest = "GET /direct HTTP/1.1\r\nHost: x\r\n\r\n"
        world.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: \(4 + rest.utf8.count)\r\n\r\nbody", on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.proxy.world { $0.deliver(Array(rest.utf8), to: client) }
        world.proxy.world { $0.reset(upstream) }
        world.settle()
        #expect(world.response(to: client)?.status == 503)
        world.pass(milliseconds: 100)
        #expect(world.response(to: client) == nil)
    }

    /// The answer is there in the same event that says that the connection is.
    @Test func anEndpointMayAnswerBeforeItIsAsked() throws {
        let world = try Simulation(endpoints: 1)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.proxy.world { $0.takeOpened() }.first)
        world.proxy.world { $0.deliver(Array(Self.ok.utf8), to: upstream) }
        world.proxy.world { $0.complete(upstream) }
        world.settle()
        #expect(world.response(to: client)?.status == 200)
    }

    @Test func halfAResponseIsCutOff() throws {
        let world = try Simulation()
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", on: upstream)
        world.settle()
        world.proxy.world { $0.end(upstream) }
        world.settle()
        #expect(world.proxy.world { $0.isAborted(client) })
        #expect(world.proxy.openExchanges == 0)
    }

    @Test func hopByHopFieldsStayOnTheirHop() throws {
        let world = try Simulation()
        let client = world.dial()
        world.send(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: x-secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nX-Kept: 2\r\nTE: gzip\r\n\r\n",
            on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let request = try #require(world.request(on: upstream))
        for name in ["connection", "x-secret", "keep-alive", "te"] { #expect(request[name] == nil) }
        #expect(request["x-kept"] == "2")
    }

    @Test func theExpectationIsAnsweredAndNotForwarded() throws {
        let world = try Simulation()
        let client = world.dial()
        world.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        #expect(world.response(to: client)?.status == 100)
        world.send("hi", on: client)
        world.settle()
        let request = try #require(world.request(on: upstream))
        #expect(request["expect"] == nil)
        #expect(request.body == Array("hi".utf8))
    }

    @Test func aNewSnapshotLeavesConnectionsAlone() throws {
        let world = try Simulation(endpoints: 1)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        _ = world.request(on: upstream)
        world.proxy.apply(try Simulation.snapshot(generation: 2, endpoints: 1))
        world.send(Self.ok, on: upstream)
        world.settle()
        #expect(world.response(to: client)?.status == 200)
        world.send(Self.get, on: client)
        world.settle()
        #expect(world.request(on: upstream) != nil)
        #expect(world.proxy.liveGenerations == 1)
    }

    @Test func aRemovedListenerLetsItsRequestsFinish() throws {
        let world = try Simulation()
        let client = world.dial()
        let idle = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        world.proxy.apply(try Simulation.snapshot(generation: 2, listens: false))
        world.settle()
        #expect(world.dial() < 0)
        #expect(world.proxy.world { $0.isClosed(idle) })
        world.send(Self.ok, on: upstream)
        world.settle()
        let response = try #require(world.response(to: client))
        #expect(response.status == 200)
        #expect(response["connection"] == "close")
    }

    @Test func tooManyRequestsOverflow() throws {
        var limits = CircuitBreakerLimits()
        limits.maxConnections = 1
        limits.maxPendingRequests = 1
        let world = try Simulation(endpoints: 1, limits: limits)
        let clients = (0..<3).map { _ in world.dial() }
        // A request is pending while its connection opens, as Envoy counts: the first one gets its connection first.
        world.send(Self.get, on: clients[0])
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        for client in clients.dropFirst() {
            world.send(Self.get, on: client)
            world.settle()
        }
        let refused = clients.filter { world.response(to: $0)?.status == 503 }
        #expect(refused.count == 1)
        for _ in 0..<2 {
            _ = try #require(world.request(on: upstream))
            world.send(Self.ok, on: upstream)
            world.settle()
        }
        #expect(clients.filter { world.response(to: $0)?.status == 200 }.count == 2)
    }
}
