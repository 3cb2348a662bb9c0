import EventLoop
import Glibc
import Proxy
import Resilience
import TLS

/// One active check of one endpoint.
struct HealthProbe: Sendable {
    var policy: HealthCheckPolicy
    var address: SocketAddress
    /// The authority when the check names none: the endpoint's, or the cluster's name.
    var authority: String
    var tls: TLSContext?
    /// TLS is wanted; without `tls` its secrets have not arrived.
    var isTLS = false
    var serverName = ""
    var isHTTP2 = false
    var mark: Int32 = 0

    /// Asks, on a thread of its own: sockets block here, and the agent's threads are few.
    func run() async -> HealthCheckResult {
        await DetachedThread.value(name: "health-check", orElse: .failure) { ask() }
    }

    /// Asks, and blocks until the answer or the deadline.
    func ask() -> HealthCheckResult {
        let deadline = ContinuousClock.now + .milliseconds(policy.timeout)
        if isTLS, tls == nil { return .failure }
        guard
            let connection = ProbeConnection(address, mark: mark, tls: tls, serverName: serverName, deadline: deadline)
        else { return .failure }
        switch policy.kind {
        case .tcp(let payload, let expected): return askTCP(connection, payload, expected)
        case .http(let check): return askHTTP(connection, check)
        case .grpc(let service, let host): return askGRPC(connection, service, host.isEmpty ? authority : host)
        }
    }

    private func askTCP(_ connection: ProbeConnection, _ payload: [UInt8], _ expected: [[UInt8]]) -> HealthCheckResult {
        if !payload.isEmpty, !connection.send(payload) { return .failure }
        var received: [UInt8] = []
        while !Self.contains(received, expected) {
            guard received.count < 65_536, let more = connection.receive(), !more.isEmpty else { return .failure }
            received += more
        }
        return .success
    }

    /// Whether the pieces occur one after the other.
    static func contains(_ bytes: [UInt8], _ pieces: [[UInt8]]) -> Bool {
        var start = 0
        for piece in pieces where !piece.isEmpty {
            guard bytes.count >= piece.count else { return false }
            var place = start
            while place + piece.count <= bytes.count, Array(bytes[place..<(place + piece.count)]) != piece {
                place += 1
            }
            guard place + piece.count <= bytes.count else { return false }
            start = place + piece.count
        }
        return true
    }

    // MARK: HTTP/1.1

    private func askHTTP(_ connection: ProbeConnection, _ check: HealthCheckPolicy.HTTPCheck) -> HealthCheckResult {
        guard connection.send(request(check)) else { return .failure }
        var received: [UInt8] = []
        while true {
            guard received.count < 65_536, let more = connection.receive(), !more.isEmpty else { return .failure }
            received += more
            guard let line = received.firstIndex(of: 10) else { continue }
            guard let status = Self.status(received[..<line]) else { return .failure }
            if check.isExpected(status) { return .success }
            return check.retriable.contains { $0.contains(status) } ? .failure : .refusal
        }
    }

    func request(_ check: HealthCheckPolicy.HTTPCheck) -> [UInt8] {
        let host = check.host.isEmpty ? authority : check.host
        var text = "\(check.method) \(check.path) HTTP/1.1\r\nhost: \(host)\r\n"
        let own = [("user-agent", "Envoy/HC"), ("connection", "close")]
        for (name, value) in own where !check.removedHeaders.contains(name) { text += "\(name): \(value)\r\n" }
        for header in check.headers { text += "\(header.name): \(header.value)\r\n" }
        return Array((text + "\r\n").utf8)
    }

    /// The status of a status line; nil when it is none.
    static func status(_ line: ArraySlice<UInt8>) -> Int? {
        let words = line.split(separator: 32, maxSplits: 2)
        guard words.count >= 2, words[0].starts(with: Array("HTTP/1.".utf8)) else { return nil }
        return Int(String(decoding: words[1].prefix(3), as: UTF8.self))
    }

    // MARK: gRPC

    /// The answer's message tells enough: a server that is well sends `status: SERVING` in a DATA frame, all others send none
    /// or another one. Its header blocks need not be read for that.
    private func askGRPC(_ connection: ProbeConnection, _ service: String, _ host: String) -> HealthCheckResult {
        guard connection.send(GRPCHealthCall.request(service: service, authority: host, isTLS: isTLS)) else {
            return .failure
        }
        var reader = GRPCHealthCall.Reader()
        while true {
            guard let more = connection.receive(), !more.isEmpty else { return .failure }
            switch reader.receive(more) {
            case .serving: return .success
            case .other: return .refusal
            case .broken: return .failure
            case .more: continue
            }
        }
    }
}
