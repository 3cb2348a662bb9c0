import EventLoop
import Glibc
import Proxy
import Resilience
import Telemetry
import Testing

/// A server of real workers whose end has come, or whose listeners have.
@Suite(.timeLimit(.minutes(1)))
struct ServerEndTests {
    private static func snapshot(_ generation: UInt64, port: UInt16?) -> RuntimeSnapshot {
        let listeners = port.map { port in
            ListenerDescriptor(
                name: "l", address: .ip(.loopbackIPv4, port: port),
                filterChains: [
                    FilterChainDescriptor(
                        name: "chain", terminal: .http(HTTPConnectionManager(statPrefix: "http", routeTable: nil)))
                ])
        }
        return RuntimeSnapshot(
            generation: generation, listeners: listeners.map { [$0] } ?? [], clusters: [], routeTables: [],
            provenance: ProvenanceTable(), local: WorkloadLabels(), telemetry: TelemetryDescriptor())
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    /// A socket that listens on `port`; 0 is any.
    private static func listening(on port: UInt16) -> (socket: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var isReused: Int32 = 1
        _ = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isReused, socklen_t(MemoryLayout<Int32>.size))
        var local = address(port)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutableBytes(of: &local) { bytes in
            let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            _ = bind(descriptor, pointer, length)
            _ = listen(descriptor, 16)
            _ = getsockname(descriptor, pointer, &length)
        }
        return (descriptor, UInt16(bigEndian: local.sin_port))
    }

    /// 0, or why nobody listens there.
    private static func connects(to port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var remote = address(port)
        let result = withUnsafeBytes(of: &remote) {
            connect(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        return result == 0 ? 0 : errno
    }

    @Test func workersThatHaveEndedAreStillAccountedFor() async throws {
        var options = ProxyServer.Options()
        options.concurrency = 2
        let server = try ProxyServer(options)
        try server.start()
        try await server.apply(Self.snapshot(1, port: nil))
        #expect(await server.collectStats().count == 2)
        await server.drain(deadline: .milliseconds(10))
        #expect(await server.collectStats().count == 2)
        // Whoever still has news for them is not kept waiting either.
        try await server.apply(Self.snapshot(2, port: nil))
        #expect(server.generation == 2)
        // And no listener of theirs keeps clients waiting for nobody.
        let (socket, port) = Self.listening(on: 0)
        close(socket)
        try await server.apply(Self.snapshot(3, port: port))
        #expect(Self.connects(to: port) == ECONNREFUSED)
    }

    @Test func anInheritedListenerThatIsRemovedListensNoMore() async throws {
        // Bound to a port by its number, as a socket that is handed over is: the kernel takes any other back.
        let (first, port) = Self.listening(on: 0)
        close(first)
        let inherited = Self.listening(on: port).socket
        defer { close(inherited) }
        var options = ProxyServer.Options()
        options.inheritedListeners = [.ip(.loopbackIPv4, port: port): inherited]
        let server = try ProxyServer(options)
        try server.start()
        defer { server.stop() }
        try await server.apply(Self.snapshot(1, port: port))
        #expect(Self.connects(to: port) == 0)
        try await server.apply(Self.snapshot(2, port: nil))
        #expect(Self.connects(to: port) == ECONNREFUSED)
        try await server.apply(Self.snapshot(3, port: port))
        #expect(Self.connects(to: port) == 0)
    }
}
