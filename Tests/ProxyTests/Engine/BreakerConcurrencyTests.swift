import Dispatch
import EventLoop
import Foundation
import Glibc
import Proxy
import Resilience
import Routing
import Synchronization
import Telemetry
import Testing

/// A real proxy with several workers, a real endpoint that holds its answers back, and many clients at once.
@Suite("Circuit breakers across workers", .serialized)
struct BreakerConcurrencyTests {
    private static let loopback = IPAddress.loopbackIPv4

    @Test("exactly max_requests requests get through, all others get 503 UO", arguments: [1, 10, 40])
    func requests(limit: Int) async throws {
        var limits = CircuitLimits()
        limits.requests = UInt32(limit)
        let outcome = try await run(limits, clients: 64, admitted: limit)
        #expect(outcome.refused == 64 - limit)
        #expect(outcome.answered == limit)
        #expect(outcome.highest == limit)
    }

    @Test("without a limit all get through")
    func unlimited() async throws {
        let outcome = try await run(CircuitLimits(), clients: 64, admitted: 64)
        #expect(outcome.answered == 64)
        #expect(outcome.refused == 0)
    }

    struct Outcome {
        var answered = 0
        var refused = 0
        /// Requests that the endpoint had at the same time.
        var highest = 0
    }

    private func run(_ limits: CircuitLimits, clients: Int, admitted: Int) async throws -> Outcome {
        let endpoint = try HoldingEndpoint()
        defer { endpoint.release() }
        let port = LoopbackWorld.freePort()
        var options = ProxyServer.Options()
        options.concurrency = 4
        let server = try ProxyServer(options)
        try server.start()
        try await server.apply(try snapshot(limits, listen: port, endpoint: endpoint.port))
        let statuses = Statuses()
        let address = SocketAddress.ip(Self.loopback, port: port)
        let group = DispatchGroup()
        for _ in 0..<clients {
            // Threads of their own: blocked queues would keep the pool that all tests share from its work.
            group.enter()
            Thread.detachNewThread {
                statuses.add(Self.ask(address))
                group.leave()
            }
        }
        // Refused ones return at once; the others wait at the endpoint until all refused ones are back.
        let limit = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < limit {
            let (done, held) = (statuses.all.count, endpoint.active)
            if done >= clients - admitted, held >= admitted { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        var outcome = Outcome()
        outcome.highest = endpoint.highest
        endpoint.release()
        await withCheckedContinuation { continuation in
            group.notify(queue: .global()) { continuation.resume() }
        }
        let all = statuses.all
        outcome.answered = all.count { $0 == 200 }
        outcome.refused = all.count { $0 == 503 }
        outcome.highest = max(outcome.highest, endpoint.highest)
        server.stop()
        return outcome
    }

    private func snapshot(_ limits: CircuitLimits, listen: UInt16, endpoint: UInt16) throws -> RuntimeSnapshot {
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [
            VirtualHostSpec(
                name: "all", domains: ["*"],
                routes: [
                    RouteSpec(
                        match: RouteMatchSpec(path: .prefix("/")),
                        action: .forward(ForwardSpec(target: .cluster(ClusterID(index: 0)))))
                ])
        ]
        let listener = ListenerDescriptor(
            name: "http", address: .ip(Self.loopback, port: listen),
            filterChains: [
                FilterChainDescriptor(
                    name: "chain", terminal: .http(HTTPConnectionManager(statPrefix: "http", routeTable: 0)))
            ])
        let cluster = ClusterDescriptor(
            name: "up", endpoints: [EndpointDescriptor(address: .ip(Self.loopback, port: endpoint))],
            defaultLimits: limits)
        return RuntimeSnapshot(
            generation: 1, listeners: [listener], clusters: [cluster], routeTables: [try RouteTable(spec)],
            provenance: ProvenanceTable(), local: WorkloadLabels(), telemetry: TelemetryDescriptor())
    }

    /// The status of one request over a connection of its own; 0 when there is none.
    private static func ask(_ address: SocketAddress) -> Int {
        let socket = ClientSocket.open(address, mark: 0)
        guard socket >= 0 else { return 0 }
        defer { close(socket) }
        guard waitFor(socket, POLLOUT) else { return 0 }
        let request = Array("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".utf8)
        guard send(socket, request, request.count, 0) == request.count else { return 0 }
        var received: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 4096)
        while received.count < 12, waitFor(socket, POLLIN) {
            let count = recv(socket, &room, 4096, 0)
            if count <= 0 { break }
            received += room[..<count]
        }
        guard received.count >= 12 else { return 0 }
        return Int(String(decoding: received[9..<12], as: UTF8.self)) ?? 0
    }
}

/// What clients were answered.
private final class Statuses: Sendable {
    private let list = Mutex<[Int]>([])

    func add(_ status: Int) { list.withLock { $0.append(status) } }
    var all: [Int] { list.withLock { $0 } }
}

private func waitFor(_ socket: Int32, _ events: Int32) -> Bool {
    var entry = pollfd(fd: socket, events: Int16(events), revents: 0)
    return poll(&entry, 1, 30_000) == 1
}

/// Binds to a free port of 127.0.0.1, and says which.
private func bindLoopback(_ socket: Int32) -> UInt16? {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer -> UInt16? in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic -> UInt16? in
            guard bind(socket, generic, length) == 0, getsockname(socket, generic, &length) == 0 else { return nil }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
    }
}

/// An HTTP server that answers nobody until it is told to, and counts who waits.
private final class HoldingEndpoint: Sendable {
    private struct State {
        var waiting: [Int32] = []
        var highest = 0
        var isReleased = false
        var isListening = true
    }

    private let listener: Int32
    let port: UInt16
    private let state = Mutex(State())

    init() throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        port = try #require(bindLoopback(listener))
        #expect(listen(listener, 256) == 0)
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { break }
                Thread.detachNewThread { [self] in serve(client) }
            }
            // `release` has shut the listener down.
            state.withLock { state in
                state.isListening = false
                _ = close(listener)
            }
        }
    }

    private func serve(_ client: Int32) {
        var room = [UInt8](repeating: 0, count: 4096)
        // One request a round; the proxy sends each in one piece.
        while recv(client, &room, 4096, 0) > 0 {
            let answersNow = state.withLock { state in
                if state.isReleased { return true }
                state.waiting.append(client)
                state.highest = max(state.highest, state.waiting.count)
                return false
            }
            if answersNow { answer(client) }
        }
        // Nobody must be answered under a number that is somebody else's by then.
        state.withLock { state in
            state.waiting.removeAll { $0 == client }
            _ = close(client)
        }
    }

    private func answer(_ client: Int32) {
        let text = Array("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".utf8)
        _ = send(client, text, text.count, Int32(MSG_NOSIGNAL))
    }

    var active: Int { state.withLock { $0.waiting.count } }
    var highest: Int { state.withLock { $0.highest } }

    /// Answers all who wait, and takes no further connection.
    func release() {
        state.withLock { state in
            state.isReleased = true
            if state.isListening { shutdown(listener, Int32(SHUT_RDWR)) }
            for client in state.waiting { answer(client) }
            state.waiting = []
        }
    }
}
