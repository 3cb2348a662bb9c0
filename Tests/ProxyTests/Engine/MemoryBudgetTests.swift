import EventLoop
import HTTP2
import Proxy
import Resilience
import Testing

/// What many peers together make a worker keep is bounded (`Worker+Memory`): beyond it new work is refused and nothing more is
/// read, and all that was begun comes to its end.
@Suite("Memory of all connections together")
struct MemoryBudgetTests {
    private static let budget = 8 << 20

    private static func world() throws -> Simulation {
        let most: UInt32 = 1_000_000
        return try Simulation(
            timeoutMilliseconds: 0, endpoints: 4,
            limits: CircuitBreakerLimits(
                maxConnections: most, maxPendingRequests: most, maxRequests: most),
            bufferBytes: budget)
    }

    @Test("2000 readers that stop: some are answered, the others told to come again, none keeps more than the bound")
    func slowReaders() throws {
        let world = try Self.world()
        let clients = (0..<2000).map { _ in world.dial() }
        world.settle(60)
        for client in clients { world.proxy.world { $0.setWindow(client, 1000) } }
        var most = 0
        let body = [UInt8](repeating: 0x61, count: 60_000)
        var fresh: [Int32] = []
        for (number, client) in clients.enumerated() {
            world.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n", on: client)
            guard number % 50 == 49 else { continue }
            world.settle(2)
            fresh += world.acceptUpstream()
            for endpoint in fresh where world.request(on: endpoint) != nil {
                world.send("HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n", on: endpoint)
                world.proxy.world { $0.deliver(body, to: endpoint) }
            }
            world.settle(2)
            most = max(most, world.proxy.heldBytes)
        }
        // 2000 answers would keep 32 KiB each at the least.
        #expect(most >= Self.budget * 3 / 4 && most <= Self.budget + Self.budget / 8)
        #expect(fresh.count < 400)

        // The readers go on: who was begun gets all of it, everybody else a short answer.
        for endpoint in fresh { for _ in 0..<4 { world.proxy.world { $0.deliver(body, to: endpoint) } } }
        var answers = [Int](repeating: 0, count: clients.count)
        var statuses: [Int: Int] = [:]
        var isDone = false
        for _ in 0..<400 where !isDone {
            isDone = world.proxy.openExchanges == 0 && world.proxy.heldBytes == 0
            for (number, client) in clients.enumerated() {
                let bytes = world.proxy.world { world in
                    world.setWindow(client, 1 << 20)
                    return world.takeSent(client)
                }
                if answers[number] == 0, !bytes.isEmpty {
                    statuses[Int(String(decoding: bytes[9..<12], as: UTF8.self)) ?? 0, default: 0] += 1
                }
                answers[number] += bytes.count
            }
            world.proxy.turn()
        }
        #expect(isDone)
        #expect(statuses[200] ?? 0 >= 100 && statuses[503] ?? 0 >= 100, "\(statuses)")
        #expect((statuses[200] ?? 0) + (statuses[503] ?? 0) + (statuses[0] ?? 0) == clients.count, "\(statuses)")
        #expect(answers.count { $0 > 300_000 } == statuses[200])

        // And new ones are served as before.
        let client = world.dial()
        world.settle()
        world.pass(milliseconds: 200)
        world.send("GET /direct HTTP/1.1\r\nhost: a\r\n\r\n", on: client)
        world.settle()
        #expect(world.response(to: client)?.status == 418)
    }

    @Test(
        "uploads on 120 streams to endpoints that do not read: what waits is bounded, the rest is not read, and all arrive"
    )
    func uploads() throws {
        let world = try Self.world()
        let size = 200_000
        let body = [UInt8](repeating: 0x62, count: size)
        let clients = (0..<60).map { _ in StreamPeer(world, socket: world.dial(), isServer: false) }
        let late = StreamPeer(world, socket: world.dial(), isServer: false)
        world.settle(10)
        var most = 0
        var endpoints: [Int32: Int] = [:]
        var window = 1000
        func turn() {
            for client in clients { client.pump() }
            late.pump()
            world.settle(2)
            for endpoint in world.proxy.world({ $0.takeOpened() }) {
                endpoints[endpoint] = 0
                world.proxy.world { $0.complete(endpoint) }
            }
            for endpoint in endpoints.keys { world.proxy.world { $0.setWindow(endpoint, window) } }
            most = max(most, world.proxy.heldBytes)
        }
        turn()
        let streams = clients.map { client in
            (0..<2).compactMap { _ in
                client.request("POST", fields: [("content-length", "\(size)")], ends: false)
            }
        }
        let early = late.request("POST", fields: [("content-length", "3")], ends: false)
        turn()
        for (client, own) in zip(clients, streams) {
            for stream in own { client.send(body, on: stream, ends: true) }
            turn()
        }
        for _ in 0..<20 { turn() }
        // The windows would let 24 MB in. Beyond the bound each connection may have one read more.
        #expect(most >= Self.budget && most <= Self.budget + Self.budget / 4, "\(most)")

        // A stream that comes now is refused unseen; the one before it on the same connection goes on.
        let refused = late.request()
        turn()
        turn()
        #expect(refused.flatMap { late.messages[$0]?.reset } == HTTP2ErrorCode.refusedStream.rawValue)
        if let early { late.send([1, 2, 3], on: early, ends: true) }

        window = 1 << 20
        for _ in 0..<2_000 where world.proxy.openExchanges > 0 {
            for (endpoint, count) in endpoints {
                let sent = world.proxy.world { $0.takeSent(endpoint).count }
                // Heads are small: a request is whole when the endpoint has more than its body.
                endpoints[endpoint] = count + sent
                if count + sent > size || sent > 0 && count + sent < 300 {
                    endpoints[endpoint] = 0
                    world.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", on: endpoint)
                }
            }
            turn()
        }
        for client in clients { client.pump() }
        #expect(world.proxy.openExchanges == 0)
        let statuses = zip(clients, streams).flatMap { client, own in own.map { client.messages[$0]?.status ?? 0 } }
        #expect(statuses.count == 120 && statuses.allSatisfy { $0 == 200 }, "\(Set(statuses))")
    }
}
