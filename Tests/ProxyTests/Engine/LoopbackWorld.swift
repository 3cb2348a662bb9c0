import AllocationCounter
import EventLoop
import Glibc
import Proxy
import XDS

/// A real worker between two sockets of this thread: it is turned by hand, and only its turns are counted.
final class LoopbackWorld {
    struct Stuck: Error, CustomStringConvertible {
        let description: String
    }

    private let proxy: LoopbackProxy
    private let backend: Int32
    private(set) var client: Int32 = -1
    private(set) var upstreams: [(socket: Int32, received: [UInt8])] = []
    /// What the worker has asked the allocator for.
    private(set) var allocations: UInt64 = 0
    /// Prints who allocates.
    var traces = false

    /// - Parameters:
    ///   - other: the port of a listener that the client does not connect to.
    ///   - bootstrap: gets the port of the endpoint; the client's listener binds port 0.
    init(besides other: UInt16 = 0, _ bootstrap: (_ endpoint: UInt16) -> String) throws {
        backend = Self.listen()
        let text = bootstrap(Self.port(of: backend))
        let configuration = try Bootstrap.parse(text, file: "bootstrap.yaml")
        let resources = XDSResources(static: configuration.staticResources)
        var compiler = RuntimeCompiler()
        for listener in resources.listeners.values {
            for issue in compiler.issues(in: listener) { throw Stuck(description: "\(issue)") }
        }
        for cluster in resources.clusters.values {
            for issue in compiler.issues(in: cluster) { throw Stuck(description: "\(issue)") }
        }
        proxy = try LoopbackProxy()
        proxy.apply(compiler.snapshot(from: resources))
        guard let address = proxy.addresses.first(where: { $0.port != other }) else {
            throw Stuck(description: "the proxy does not listen")
        }
        client = Self.connect(to: address.port)
    }

    deinit {
        close(client)
        close(backend)
        for upstream in upstreams { close(upstream.socket) }
    }

    /// One request and its answer. `reply` is what an endpoint sends for a request that is whole; nil waits for more.
    func exchange(
        _ request: [UInt8], reply: ([UInt8]) -> [UInt8]?, isWhole: ([UInt8]) -> Bool
    ) throws -> [UInt8] {
        send(request, on: client)
        var answer: [UInt8] = []
        for _ in 0..<5_000 {
            turn()
            acceptAll()
            for index in upstreams.indices {
                receive(from: upstreams[index].socket, into: &upstreams[index].received)
                guard !upstreams[index].received.isEmpty, let bytes = reply(upstreams[index].received) else { continue }
                upstreams[index].received.removeAll(keepingCapacity: true)
                send(bytes, on: upstreams[index].socket)
            }
            receive(from: client, into: &answer)
            if isWhole(answer) { return answer }
        }
        throw Stuck(description: "no answer after 5000 turns: \(String(decoding: answer, as: UTF8.self))")
    }

    /// Memory that the proxy's buffers hold now.
    var heldBytes: Int { proxy.heldBytes }
    var lentPipes: Int { proxy.lentPipes }

    func turn() {
        allocation_trace(traces)
        let before = allocation_count()
        proxy.turn(maxWait: 1)
        allocations += allocation_count() - before
        allocation_trace(false)
    }

    func acceptAll() {
        while true {
            let socket = accept(backend, nil, nil)
            guard socket >= 0 else { return }
            upstreams.append((socket, []))
        }
    }

    /// Turns until the proxy has connected to the endpoint, `step` after each turn.
    func acceptOne(_ step: () -> Void = {}) throws {
        for _ in 0..<5_000 where upstreams.isEmpty {
            turn()
            step()
            acceptAll()
        }
        if upstreams.isEmpty { throw Stuck(description: "no connection to the endpoint after 5000 turns") }
    }

    func send(_ bytes: [UInt8], on socket: Int32) {
        _ = bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    private func receive(from socket: Int32, into bytes: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 8) { room in
            while true {
                let count = recv(socket, room.baseAddress, room.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { return }
                bytes.append(contentsOf: room[..<count])
            }
        }
    }

    /// A port that nobody uses.
    static func freePort() -> UInt16 {
        let socket = listen()
        defer { close(socket) }
        return port(of: socket)
    }

    private static func listen() -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        _ = withUnsafeBytes(of: &address) {
            bind(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        _ = Glibc.listen(descriptor, 16)
        return descriptor
    }

    private static func port(of socket: Int32) -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutableBytes(of: &address) {
            getsockname(socket, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func connect(to port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        _ = withUnsafeBytes(of: &address) {
            Glibc.connect(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        return descriptor
    }
}
