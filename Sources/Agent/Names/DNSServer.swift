import Glibc
import Synchronization

/// The resolver that a pod's applications ask: names of the mesh from the table, everything else from the upstream
/// servers. UDP only; a truncated answer of an upstream goes back as it is.
package final class DNSServer: Sendable {
    package struct Options: Sendable {
        package var listen: Endpoint
        package var upstreams: [Endpoint]
        /// SO_MARK of the sockets to the upstreams, so that captured port 53 does not loop.
        package var mark: UInt32

        package init(listen: Endpoint, upstreams: [Endpoint], mark: UInt32) {
            self.listen = listen
            self.upstreams = upstreams
            self.mark = mark
        }
    }

    /// How long one upstream may take before the next is asked, or SERVFAIL is given.
    static let upstreamTimeout = Duration.seconds(2)
    /// Seconds that clients may keep an answer; short, for endpoints change (Istio's agent says 30).
    static let timeToLive: UInt32 = 30

    private let table = Mutex(NameTable())
    private let loop = PollLoop()
    package let port: UInt16

    package init(_ options: Options) throws(SocketError) {
        let socket = try Sockets.datagram(options.listen.family, bound: options.listen)
        port = Sockets.port(of: socket)
        loop.start { [self] in DNSHandler(self, socket: socket, options) }
    }

    package func update(_ table: NameTable) { self.table.withLock { $0 = table } }

    package func stop() { loop.stop() }

    func lookup(_ name: String, type: UInt16) -> NameTable.Lookup { table.withLock { $0 }.lookup(name, type: type) }
}

/// The sockets of the resolver, on its thread.
private final class DNSHandler: PollLoop.Handler {
    private struct Client {
        var address: sockaddr_storage
        var length: socklen_t
    }

    private let server: DNSServer
    private let socket: Int32
    private let options: DNSServer.Options
    /// One socket per upstream, connected, so that only that server can answer on it.
    private var upstreams: [Int32] = []
    private var pending = PendingQueries<Client>()
    private var buffer = [UInt8](repeating: 0, count: 65_535)

    init(_ server: DNSServer, socket: Int32, _ options: DNSServer.Options) {
        self.server = server
        self.socket = socket
        self.options = options
        for upstream in options.upstreams {
            guard let descriptor = try? Sockets.datagram(upstream.family, mark: options.mark) else { continue }
            let connected = upstream.withSocketAddress { connect(descriptor, $0, $1) }
            if connected != 0 { Log.warning("dns", "upstream \(upstream): \(String(cString: strerror(errno)))") }
            upstreams.append(descriptor)
        }
    }

    deinit {
        close(socket)
        for upstream in upstreams { close(upstream) }
    }

    var interests: [PollLoop.Interest] {
        [PollLoop.Interest(descriptor: socket)] + upstreams.map { PollLoop.Interest(descriptor: $0) }
    }

    var deadline: ContinuousClock.Instant? { pending.nextDeadline }

    func ready(_ descriptor: Int32, readable: Bool, writable: Bool) {
        // A bounded number at a time, so that neither side starves the other.
        for _ in 0..<64 {
            let more = descriptor == socket ? receiveQuery() : receiveAnswer(descriptor)
            if !more { return }
        }
    }

    func tick(_ now: ContinuousClock.Instant) {
        guard let deadline = pending.nextDeadline, deadline <= now else { return }
        for entry in pending.takeExpired(now) {
            if entry.server + 1 < upstreams.count {
                forward(entry.query, entry.message, from: entry.client, to: entry.server + 1)
            } else {
                Log.debug("dns", "no upstream answered for \(entry.query.name)")
                reply(DNSMessage.failure(entry.query, .serverFailure), to: entry.client)
            }
        }
    }

    private func receiveQuery() -> Bool {
        var client = Client(address: sockaddr_storage(), length: socklen_t(MemoryLayout<sockaddr_storage>.size))
        let count = withUnsafeMutablePointer(to: &client.address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(socket, &buffer, buffer.count, 0, $0, &client.length)
            }
        }
        guard count >= 0 else { return false }
        let message = Array(buffer[..<count])
        switch DNSMessage.parse(message) {
        case .ignore: break
        case .refuse(let id, let code): reply(DNSMessage.failure(id: id, code), to: client)
        case .query(let query):
            if query.isInternetClass, case .known(let addresses) = server.lookup(query.name, type: query.type) {
                reply(DNSMessage.answer(query, addresses: addresses.shuffled(), ttl: DNSServer.timeToLive), to: client)
            } else {
                forward(query, message, from: client, to: 0)
            }
        }
        return true
    }

    private func forward(_ query: DNSMessage.Query, _ message: [UInt8], from client: Client, to index: Int) {
        guard index < upstreams.count, !pending.isFull else {
            reply(DNSMessage.failure(query, .serverFailure), to: client)
            return
        }
        let entry = PendingQueries.Entry(
            client: client, query: query, server: index, deadline: .now + DNSServer.upstreamTimeout, message: message)
        let id = pending.insert(entry)
        var outgoing = message
        outgoing[0] = UInt8(truncatingIfNeeded: id >> 8)
        outgoing[1] = UInt8(truncatingIfNeeded: id)
        // A send that fails is like a lost datagram: the deadline takes care of it.
        send(upstreams[index], outgoing, outgoing.count, Int32(MSG_NOSIGNAL))
    }

    private func receiveAnswer(_ descriptor: Int32) -> Bool {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        // ECONNREFUSED of an upstream that is down is also read here; its queries wait for their deadline.
        guard count >= 0 else { return false }
        var answer = Array(buffer[..<count])
        guard count >= 12 else { return true }
        let id = UInt16(answer[0]) << 8 | UInt16(answer[1])
        guard let entry = pending.take(id: id, answer: answer) else { return true }
        answer[0] = UInt8(truncatingIfNeeded: entry.query.id >> 8)
        answer[1] = UInt8(truncatingIfNeeded: entry.query.id)
        reply(answer, to: entry.client)
        return true
    }

    private func reply(_ message: [UInt8], to client: Client) {
        var client = client
        withUnsafePointer(to: &client.address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = sendto(socket, message, message.count, Int32(MSG_NOSIGNAL), address, client.length)
            }
        }
    }
}
