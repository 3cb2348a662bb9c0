import Agent
import Glibc
import Testing
import XDS

/// A socket for tests. Waiting gives the thread back: the servers under test answer on the same few threads.
private final class Client: Sendable {
    private let descriptor: Int32

    init(port: UInt16, datagram: Bool = false) throws {
        let kind = datagram ? SOCK_DGRAM : SOCK_STREAM
        descriptor = socket(AF_INET, Int32(kind.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let failed = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(failed == 0)
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    func send(_ text: String) { send(Array(text.utf8)) }

    /// What comes next; nothing at the end of the stream, or when two minutes bring nothing: other tests may keep all threads busy for long.
    func receive() async throws -> [UInt8] {
        let deadline = ContinuousClock.now + .seconds(120)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while ContinuousClock.now < deadline {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 { return Array(buffer[..<count]) }
            if count == 0 || errno != EAGAIN { return [] }
            try await Task.sleep(for: .milliseconds(2))
        }
        return []
    }

    /// Text until it contains `end`, or nothing more comes.
    func receive(until end: String) async throws -> String {
        var text = ""
        while !text.contains(end) {
            let bytes = try await receive()
            if bytes.isEmpty { break }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return text
    }
}

@Suite struct HTTPServerTests {
    private func server() throws -> HTTPServer {
        let address = try #require(Endpoint("127.0.0.1:0"))
        return try HTTPServer([
            HTTPServer.Site(address: address) { request in
                .text(
                    "\(request.method) \(request.path) \(request.query.sorted { $0.key < $1.key }.map { "\($0)=\($1)" })"
                )
            }
        ])
    }

    @Test func requestsAreAnsweredOnOneConnectionInTurn() async throws {
        let server = try server()
        defer { server.stop() }
        let client = try Client(port: server.ports[0])
        client.send(
            "GET /a?x=1&y=%20z HTTP/1.1\r\nHost: t\r\n\r\nPOST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc")
        let text = try await client.receive(until: "POST /b []")
        #expect(text.contains("HTTP/1.1 200 OK\r\n"))
        #expect(text.contains("GET /a [\"x=1\", \"y= z\"]"))
        #expect(text.contains("POST /b []"))
    }

    @Test func headHasNoBodyAndCloseIsHonoured() async throws {
        let server = try server()
        defer { server.stop() }
        let client = try Client(port: server.ports[0])
        client.send("HEAD /a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        let text = try await client.receive(until: "never")
        #expect(text.contains("content-length: 10"))
        #expect(text.contains("connection: close"))
        #expect(text.hasSuffix("\r\n\r\n"))
    }

    @Test(arguments: [
        ("nonsense\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        ("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 413 "),
        ("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 413 "),
        ("GET / HTTP/1.1\r\nHost: t\r\nX: " + String(repeating: "x", count: 20_000) + "\r\n\r\n", "HTTP/1.1 431 "),
    ])
    func badRequestsAreAnsweredAndClosed(request: String, expected: String) async throws {
        let server = try server()
        defer { server.stop() }
        let client = try Client(port: server.ports[0])
        client.send(request)
        let text = try await client.receive(until: "\n")
        #expect(text.hasPrefix(expected))
    }

    @Test func anAddressInUseIsNamed() throws {
        let server = try server()
        defer { server.stop() }
        let address = try #require(Endpoint("127.0.0.1:\(server.ports[0])"))
        #expect {
            _ = try HTTPServer([HTTPServer.Site(address: address) { _ in .text("") }])
        } throws: {
            "\($0)".contains("127.0.0.1:\(server.ports[0])") && "\($0)".contains("already")
        }
    }
}

@Suite struct DNSServerTests {
    private func query(_ name: String, id: UInt8) -> [UInt8] {
        var bytes: [UInt8] = [0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        return bytes + [0, 0, 1, 0, 1]
    }

    private func server(upstreams: [Endpoint] = []) throws -> DNSServer {
        let address = try #require(Endpoint("127.0.0.1:0"))
        let server = try DNSServer(DNSServer.Options(listen: address, upstreams: upstreams, mark: 0))
        var message = Istio_Networking_Nds_V1_NameTable()
        var info = Istio_Networking_Nds_V1_NameTable.NameInfo()
        info.ips = ["10.96.0.9"]
        info.shortname = "reviews"
        info.namespace = "default"
        message.table["reviews.default.svc.cluster.local"] = info
        server.update(NameTable(message, namespace: "default", domain: "cluster.local"))
        return server
    }

    @Test func namesOfTheMeshAreAnswered() async throws {
        let server = try server()
        defer { server.stop() }
        let client = try Client(port: server.port, datagram: true)
        client.send(query("reviews", id: 5))
        let answer = try await client.receive()
        #expect(answer.prefix(2) == [0, 5])
        #expect(answer.suffix(4) == [10, 96, 0, 9])
    }

    @Test func otherNamesGoToTheUpstreamAndItsAnswersComeBackUnderTheClientsID() async throws {
        // The upstream is a second resolver of ours, which knows the name.
        let upstream = try server()
        defer { upstream.stop() }
        let address = try #require(Endpoint("127.0.0.1:\(upstream.port)"))
        let server = try DNSServer(
            DNSServer.Options(listen: #require(Endpoint("127.0.0.1:0")), upstreams: [address], mark: 0))
        defer { server.stop() }
        let client = try Client(port: server.port, datagram: true)
        client.send(query("reviews.default", id: 77))
        let answer = try await client.receive()
        #expect(answer.prefix(2) == [0, 77])
        #expect(answer.suffix(4) == [10, 96, 0, 9])
    }

    @Test func withoutUpstreamOtherNamesFail() async throws {
        let server = try server()
        defer { server.stop() }
        let client = try Client(port: server.port, datagram: true)
        client.send(query("example.org", id: 9))
        let answer = try await client.receive()
        #expect(answer.prefix(4) == [0, 9, 0x81, 0x82])
    }
}
