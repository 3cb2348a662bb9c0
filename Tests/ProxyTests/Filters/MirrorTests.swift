import EventLoop
import Proxy
import Testing

@Suite("Mirrors")
struct MirrorTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    private func world(_ policies: String, host: String = "") throws -> FilterWorld {
        let own = policies.isEmpty ? "" : #","requestMirrorPolicies":[\#(policies)]"#
        return try FilterWorld(
            routes: [#"{"match":{"prefix":"/"},"route":{"cluster":"up"\#(own)}}"#], host: host)
    }

    /// What both endpoints got from one request, the first being the one that answers the client.
    private func send(_ request: String, _ world: FilterWorld) throws -> (main: WireMessage, copies: [WireMessage]) {
        let simulation = world.simulation
        let client = simulation.dial()
        simulation.send(request, on: client)
        simulation.settle()
        simulation.acceptUpstream()
        simulation.settle()
        simulation.acceptUpstream()
        var messages: [(Int32, WireMessage)] = []
        for socket in simulation.opened {
            if let message = simulation.request(on: socket) { messages.append((socket, message)) }
        }
        let main = try #require(messages.first { $0.1["host"]?.contains("-shadow") != true })
        simulation.send(Self.ok, on: main.0)
        simulation.settle()
        #expect(simulation.response(to: client)?.status == 200)
        for (socket, _) in messages where socket != main.0 { simulation.send(Self.ok, on: socket) }
        simulation.settle()
        #expect(simulation.proxy.openExchanges == 0)
        return (main.1, messages.filter { $0.0 != main.0 }.map(\.1))
    }

    @Test("a copy goes to the other cluster, under the shadow's name, and its answer to nobody")
    func copy() throws {
        let (main, copies) = try send(get("/a?b", "x-y: 1"), world(#"{"cluster":"shadow"}"#))
        #expect(copies.count == 1)
        #expect(copies.first?.startLine == main.startLine)
        #expect(copies.first?["host"] == "x-shadow")
        #expect(copies.first?["x-y"] == "1")
        #expect(copies.first?["x-request-id"] == main["x-request-id"])
    }

    @Test("bodies are copied, with a length and in chunks")
    func bodies() throws {
        let policy = #"{"cluster":"shadow","disableShadowHostSuffixAppend":true}"#
        for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
            let world = try world(policy)
            let simulation = world.simulation
            let client = simulation.dial()
            simulation.send("POST / HTTP/1.1\r\nHost: x:8080\r\n" + body, on: client)
            simulation.settle()
            simulation.acceptUpstream()
            simulation.settle()
            simulation.acceptUpstream()
            let copies = simulation.opened.compactMap { simulation.request(on: $0) }
            #expect(copies.count == 2)
            for copy in copies {
                #expect(copy.body == Array("hello".utf8))
                #expect(copy["host"] == "x:8080")
            }
        }
    }

    @Test("several mirrors, and a share of none")
    func several() throws {
        let three =
            #"{"cluster":"shadow"},{"cluster":"shadow"},{"cluster":"shadow","runtimeFraction":{"defaultValue":{"numerator":0}}}"#
        #expect(try send(get("/"), world(three)).copies.count == 2)
    }

    @Test("the virtual host's mirrors hold for routes without their own")
    func host() throws {
        #expect(
            try send(get("/"), world("", host: #""requestMirrorPolicies":[{"cluster":"shadow"}]"#)).copies.count == 1)
    }

    @Test("a mirror that cannot be reached does the client no harm")
    func unreachable() throws {
        let world = try world(#"{"cluster":"nowhere"}"#)
        #expect(try world.exchange(get("/")).response.status == 200)
        let refused = try self.world(#"{"cluster":"shadow"}"#)
        let simulation = refused.simulation
        let client = simulation.dial()
        simulation.send(get("/"), on: client)
        simulation.settle()
        let main = try #require(simulation.acceptUpstream().first)
        simulation.acceptUpstream(error: 111)
        _ = simulation.request(on: main)
        simulation.send(Self.ok, on: main)
        simulation.settle()
        #expect(simulation.response(to: client)?.status == 200)
        #expect(simulation.proxy.openExchanges == 0)
    }
}
