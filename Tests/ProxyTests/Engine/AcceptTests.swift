import EventLoop
import Proxy
import Telemetry
import Testing

/// Listeners under pressure, and at the end.
@Suite struct AcceptTests {
    private static let direct = "GET /direct HTTP/1.1\r\nHost: x\r\n\r\n"

    /// Without descriptors the worker waits, and does not turn round and round.
    @Test(arguments: [-24, -23] as [Int32])
    func withoutDescriptorsTheListenerIsLeftAlone(code: Int32) throws {
        let world = try Simulation()
        world.proxy.world { $0.acceptError = code }
        let client = world.dial()
        world.send(Self.direct, on: client)
        world.settle(200)
        #expect(world.proxy.world { $0.accepts } == 1)
        #expect(world.proxy.metrics.listeners[0].acceptFailures == 1)
        world.proxy.world { $0.acceptError = 0 }
        world.pass(milliseconds: 150)
        #expect(world.response(to: client)?.status == 418)
    }

    /// Whoever is in a listener's queue when it is closed would be reset.
    @Test func aDrainServesAllWhoHaveConnected() throws {
        let world = try Simulation()
        let clients = (0..<300).map { _ in world.dial() }
        for client in clients { world.send(Self.direct, on: client) }
        world.proxy.drain(milliseconds: 5_000)
        world.settle()
        #expect(clients.count { world.response(to: $0)?.status == 418 } == 300)
        #expect(world.dial() < 0)
    }
}
