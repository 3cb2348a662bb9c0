import EventLoop
import Proxy
import Resilience
import Routing
import Testing

/// What outlier detection, pools and breakers do to requests, in the simulated world.
@Suite struct ResilienceEngineTests {
    private static let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    private static let broken = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"

    private func world(_ cluster: ClusterDescriptor, retry: RetryPolicy? = nil) throws -> Simulation {
        let world = try Simulation(retry: retry)
        world.proxy.apply(try Simulation.snapshot(generation: 2, retry: retry, cluster: cluster))
        return world
    }

    private func endpoints(_ count: Int) -> [EndpointDescriptor] {
        (0..<count).map { EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0200 + UInt32($0)), port: 8080)) }
    }

    /// Sends a request on a connection of its own and answers it; returns the endpoint's socket when a new one was opened.
    private func exchange(_ world: Simulation, _ sockets: inout [Int32], answer: (Int32) -> String) throws -> Int {
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        sockets += world.acceptUpstream()
        for socket in sockets where world.request(on: socket) != nil { world.send(answer(socket), on: socket) }
        world.settle()
        return world.response(to: client)?.status ?? 0
    }

    @Test func aFailingEndpointIsEjectedAndComesBack() throws {
        var policy = OutlierPolicy()
        policy.consecutive5xx = 2
        policy.baseEjection = 2_000_000_000
        policy.interval = 500_000_000
        policy.maximumPercent = 50
        let cluster = ClusterDescriptor(name: "checked", endpoints: endpoints(2), outliers: policy)
        let world = try world(cluster)
        var sockets: [Int32] = []
        var bad: Int32?
        var statuses: [Int] = []
        for _ in 0..<12 {
            statuses.append(
                try exchange(world, &sockets) { socket in
                    if bad == nil { bad = socket }
                    return socket == bad ? Self.broken : Self.ok
                })
        }
        #expect(statuses.count { $0 == 503 } == 2, "\(statuses)")
        #expect(cluster.health.ejectedCount == 1)
        // After its time it takes its turns again.
        for _ in 0..<40 { world.pass(milliseconds: 100) }
        #expect(cluster.health.ejectedCount == 0)
        let later = try (0..<4).map { _ in try exchange(world, &sockets) { $0 == bad ? Self.broken : Self.ok } }
        #expect(later.contains(503), "\(later)")
    }

    @Test func aConnectionCarriesItsNumberOfRequests() throws {
        let cluster = ClusterDescriptor(name: "short", endpoints: endpoints(1), maxRequestsPerConnection: 2)
        let world = try world(cluster)
        var sockets: [Int32] = []
        for _ in 0..<6 { #expect(try exchange(world, &sockets) { _ in Self.ok } == 200) }
        #expect(sockets.count == 3)
    }

    @Test func aConnectionEndsWithItsAge() throws {
        var options = ClusterOptions()
        options.maxConnectionMilliseconds = 1_000
        let cluster = ClusterDescriptor(name: "aged", endpoints: endpoints(1), options: options)
        let world = try world(cluster)
        var sockets: [Int32] = []
        for _ in 0..<2 { #expect(try exchange(world, &sockets) { _ in Self.ok } == 200) }
        #expect(sockets.count == 1)
        world.pass(milliseconds: 1_200)
        #expect(try exchange(world, &sockets) { _ in Self.ok } == 200)
        #expect(sockets.count == 2)
    }

    @Test func connectionsAreOpenedAhead() throws {
        var options = ClusterOptions()
        options.preconnectRatio = 2
        let world = try world(ClusterDescriptor(name: "ahead", endpoints: endpoints(1), options: options))
        world.send(Self.get, on: world.dial())
        world.settle()
        #expect(world.acceptUpstream().count == 2)
    }

    @Test func aTryWithoutBytesIsGivenUp() throws {
        var retry = RetryPolicy()
        retry.conditions = [.reset]
        retry.perTryIdleTimeout = 300_000_000
        let world = try world(ClusterDescriptor(name: "idle", endpoints: endpoints(1)), retry: retry)
        let client = world.dial()
        world.send(Self.get, on: client)
        world.settle()
        let first = try #require(world.acceptUpstream().first)
        #expect(world.request(on: first) != nil)
        world.pass(milliseconds: 400)
        world.pass(milliseconds: 100)
        let second = try #require(world.acceptUpstream().first)
        #expect(world.request(on: second)?["x-envoy-attempt-count"] == "2")
        world.send(Self.ok, on: second)
        world.settle()
        #expect(world.response(to: client)?.status == 200)
    }

    @Test func connectionsBeginWithTheClientsAddressWhereThatIsWanted() throws {
        let endpoint = EndpointDescriptor(address: .ip(IPAddress(v4: 0x0a00_0200), port: 8080), proxyProtocol: 1)
        let world = try world(ClusterDescriptor(name: "told", endpoints: [endpoint]))
        world.send(Self.get, on: world.dial())
        world.settle()
        let upstream = try #require(world.acceptUpstream().first)
        let text = world.text(sentTo: upstream)
        #expect(text.hasPrefix("PROXY TCP4 "), "\(text)")
        #expect(text.contains(" 80\r\nGET /a HTTP/1.1\r\n"), "\(text)")
    }

    @Test func aNewLimitAppliesToWhatIsInProgress() throws {
        var limits = CircuitLimits()
        let before = ClusterDescriptor(name: "live", endpoints: endpoints(1), defaultLimits: limits)
        let world = try world(before)
        let clients = (0..<3).map { _ in world.dial() }
        for client in clients { world.send(Self.get, on: client) }
        world.settle()
        limits.requests = 3
        let after = ClusterDescriptor(
            name: "live", endpoints: endpoints(1), defaultLimits: limits, continuing: before)
        world.proxy.apply(try Simulation.snapshot(generation: 3, cluster: after))
        let late = world.dial()
        world.send(Self.get, on: late)
        world.settle()
        #expect(world.response(to: late)?.status == 503)
        #expect(after.breaker.active(.request) == 3)
    }
}
