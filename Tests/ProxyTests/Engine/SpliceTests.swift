import EventLoop
import Glibc
import Proxy
import Telemetry
import Testing

/// Large TCP flows go through pipes, small ones are copied: nobody at either end can tell.
@Suite("Spliced TCP flows")
struct SpliceTests {
    private static func world(seed: UInt64, stormy: Bool) throws -> Simulation {
        let simulation = try Simulation(seed: seed, weather: stormy ? .stormy : SimulatedTransport.Weather())
        let tunnel = TCPProxyDescriptor(
            statPrefix: "t", targets: [.init(cluster: 0)], idleTimeoutMilliseconds: 10_000)
        let base = try Simulation.snapshot(generation: 2, endpoints: 1)
        simulation.proxy.apply(
            RuntimeSnapshot(
                generation: 2,
                listeners: [
                    ListenerDescriptor(
                        name: "tcp", address: Simulation.address,
                        filterChains: [FilterChainDescriptor(name: "chain", terminal: .tcp(tunnel))])
                ], clusters: base.clusters.compactMap { $0 }, routeTables: [], retryPolicies: [],
                provenance: ProvenanceTable(), local: WorkloadLabels(), telemetry: TelemetryDescriptor()))
        return simulation
    }

    /// One end of a flow: what it sends in which pieces, and what it has got.
    private struct End {
        let socket: Int32
        var unsent: ArraySlice<UInt8>
        var received: [UInt8] = []
        var hasEnded = false

        init(_ socket: Int32, count: Int, using random: inout Random) {
            self.socket = socket
            var bytes = [UInt8](repeating: 0, count: count)
            var index = 0
            while index < count {
                bytes[index] = UInt8(truncatingIfNeeded: random.next())
                index += 1 + index % 7
            }
            unsent = bytes[...]
        }

        mutating func step(_ world: inout SimulatedTransport, using random: inout Random) {
            // A reader that stops now and then, and a writer that sends a lot or a little.
            if random.next() % 4 > 0 {
                received += world.takeSent(socket, atMost: Int(random.next() % 90_000))
            }
            guard !unsent.isEmpty else {
                if !hasEnded { world.end(socket) }
                hasEnded = true
                return
            }
            let most = random.next() % 3 == 0 ? 700 : 70_000
            let part = unsent.prefix(1 + Int(random.next() % UInt64(most)))
            unsent = unsent.dropFirst(part.count)
            world.deliver(Array(part), to: socket)
        }
    }

    @Test(
        "whatever the weather, bytes arrive whole and counted, ends are passed on, nothing is left", arguments: 0..<120)
    func storms(number: UInt64) throws {
        var random = Random(state: 0x51ce + number)
        let simulation = try Self.world(seed: number, stormy: number % 4 != 0)
        simulation.proxy.world { $0.havingPipes = number % 5 != 4 }
        let client = simulation.dial()
        simulation.settle()
        let upstream = try #require(simulation.acceptUpstream().first)
        for socket in [client, upstream] {
            simulation.proxy.world { $0.setWindow(socket, 1 + Int(random.next() % 200_000)) }
        }
        let sizes = (0..<2).map { _ in Int(random.next() % 600_000) }
        var ends = [
            End(client, count: sizes[0], using: &random), End(upstream, count: sizes[1], using: &random),
        ]
        let sent = ends.map { Array($0.unsent) }
        var most = 0
        for _ in 0..<20_000 where !simulation.proxy.world({ $0.isClosed(client) && !$0.hasUnread(client) }) {
            for index in ends.indices {
                simulation.proxy.world { ends[index].step(&$0, using: &random) }
            }
            simulation.proxy.turn()
            most = max(most, simulation.proxy.lentPipes)
        }
        for index in ends.indices { ends[index].received += simulation.proxy.world { $0.takeSent(ends[index].socket) } }
        #expect(ends[1].received == sent[0], "seed \(number)")
        #expect(ends[0].received == sent[1], "seed \(number)")
        simulation.settle()
        #expect(simulation.proxy.lentPipes == 0 && simulation.proxy.lentBuffers == 0)
        #expect(simulation.proxy.openConnections == 0)
        let metrics = simulation.proxy.metrics.tcp
        let group = try #require((0..<metrics.count).map { metrics[$0] }.max { $0.connections < $1.connections })
        #expect(group.receivedBytes == UInt64(sizes[0]) && group.sentBytes == UInt64(sizes[1]), "seed \(number)")
        if number % 5 == 4 { #expect(most == 0) }
    }

    @Test(
        "a reader that stops holds its sender up: what waits is one pipe; then the idle timeout ends it, pipe and all")
    func backPressure() throws {
        let simulation = try Self.world(seed: 7, stormy: false)
        let client = simulation.dial()
        simulation.settle()
        let upstream = try #require(simulation.acceptUpstream().first)
        simulation.proxy.world {
            $0.setWindow(client, 100_000)
            $0.deliver([UInt8](repeating: 1, count: 1_000_000), to: upstream)
        }
        simulation.settle(200)
        #expect(simulation.proxy.lentPipes == 1)
        let passed = simulation.proxy.world { $0.takeSent(client, atMost: 1_000_000).count }
        #expect(passed == 100_000)
        simulation.settle(200)
        #expect(simulation.proxy.world { $0.hasUnread(client) })
        simulation.pass(milliseconds: 11_000)
        #expect(simulation.proxy.lentPipes == 0 && simulation.proxy.openConnections == 0)
        #expect(simulation.proxy.world { $0.openPipes } == 0)
    }

    @Test(
        "through the kernel, with a reader that stops, memory is flat and every byte arrives", arguments: [true, false])
    func kernel(isUp: Bool) throws {
        let world = try LoopbackWorld {
            """
            static_resources:
              listeners:
              - name: in
                address: {socket_address: {address: 127.0.0.1, port_value: 0}}
                filter_chains:
                - filters:
                  - name: tcp
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: in
                      cluster: up
              clusters:
              - name: up
                type: STATIC
                load_assignment:
                  cluster_name: up
                  endpoints:
                  - lb_endpoints:
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \($0)}}}
            """
        }
        try world.acceptOne()
        let (source, sink) =
            isUp ? (world.client, world.upstreams[0].socket) : (world.upstreams[0].socket, world.client)
        var random = Random(state: 99)
        let block = (0..<(1 << 17)).flatMap { _ in
            withUnsafeBytes(of: random.next()) { Array($0) }
        }
        let total = 32 << 20
        var sent = 0
        var received = 0
        var mostHeld = 0
        var mostPipes = 0
        var ended = false
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { room.deallocate() }
        for step in 0..<200_000 where !ended {
            if sent < total {
                let count = block.withUnsafeBytes {
                    Glibc.send(
                        source, $0.baseAddress?.advanced(by: sent % $0.count), $0.count - sent % $0.count,
                        Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
                }
                sent += max(0, count)
                if sent >= total { shutdown(source, Int32(SHUT_WR)) }
            }
            world.turn()
            mostHeld = max(mostHeld, world.heldBytes)
            mostPipes = max(mostPipes, world.lentPipes)
            if step % 64 < 8 { continue }
            let count = recv(sink, room.baseAddress, room.count, Int32(MSG_DONTWAIT))
            ended = count == 0
            guard count > 0 else { continue }
            let start = received % block.count
            let isSame = block.withUnsafeBytes { expected in
                let first = min(count, expected.count - start)
                guard let from = expected.baseAddress, let base = room.baseAddress else { return false }
                return memcmp(base, from + start, first) == 0 && memcmp(base + first, from, count - first) == 0
            }
            #expect(isSame)
            received += count
        }
        #expect(ended && received == sent)
        #expect(mostPipes == 1 && world.lentPipes == 0)
        #expect(mostHeld <= 128 * 1024)
    }
}
