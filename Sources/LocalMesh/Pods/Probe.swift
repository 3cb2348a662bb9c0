import CLinux
import Glibc

/// Asks a question over TCP inside a pod's network namespace. Blocks for at most `timeout`; call it on a thread that may.
///
/// Its packets carry the proxy's mark: a probe must reach the application and not the sidecar.
package struct Probe: Sendable {
    package var namespaces: PodNamespaces
    package var address: String
    package var port: UInt16
    package var timeout: Duration

    package init(namespaces: PodNamespaces, address: String, port: UInt16, timeout: Duration) {
        self.namespaces = namespaces
        self.address = address
        self.port = port
        self.timeout = timeout
    }

    /// Whether the port accepts a connection.
    package func accepts() -> Bool {
        guard let socket = connected() else { return false }
        close(socket)
        return true
    }

    /// The status and body of a GET; nil when there is no answer in time.
    package func get(_ path: String, headers: [String: String] = [:], limit: Int = 4 << 20) -> (
        status: Int, body: String
    )? {
        guard let socket = connected() else { return nil }
        defer { close(socket) }
        var lines = ["GET \(path) HTTP/1.1", "Connection: close", "User-Agent: martlet-probe"]
        if !headers.keys.contains(where: { $0.lowercased() == "host" }) { lines.append("Host: \(address):\(port)") }
        lines += headers.map { "\($0.key): \($0.value)" }
        var request = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        guard send(socket, &request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return nil }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while answer.count < limit {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            answer += buffer[..<count]
        }
        return Self.parse(answer)
    }

    static func parse(_ answer: [UInt8]) -> (status: Int, body: String)? {
        let text = String(decoding: answer, as: UTF8.self)
        let words = text.prefix(64).split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1].prefix(3)) else { return nil }
        guard let end = text.firstRange(of: "\r\n\r\n") else { return (status, "") }
        let head = text[..<end.lowerBound].lowercased()
        let body = text[end.upperBound...]
        return (status, head.contains("transfer-encoding: chunked") ? unchunked(body) : String(body))
    }

    private static func unchunked(_ body: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(body.utf8)[...]
        while let newline = rest.firstIndex(of: 10) {
            let digits = String(decoding: rest[..<newline], as: UTF8.self).prefix { $0.isHexDigit }
            guard let count = Int(digits, radix: 16), count > 0, rest.endIndex - newline - 1 >= count else { break }
            bytes += rest[(newline + 1)..<(newline + 1 + count)]
            rest = rest[(newline + 1 + count)...].dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func connected() -> Int32? {
        let socket = martlet_socket_in(namespaces.net, AF_INET, Int32(SOCK_STREAM.rawValue))
        guard socket >= 0 else { return nil }
        martlet_mark_socket(socket, CaptureRules.applicationMark)
        let parts = timeout.components
        var limit = timeval(tv_sec: Int(parts.seconds), tv_usec: Int(parts.attoseconds / 1_000_000_000_000))
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard let address = IPv4Address(address) else {
            close(socket)
            return nil
        }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = address.networkOrder
        // SAFETY: the address is a whole sockaddr_in, read during the call only.
        let result = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(socket)
            return nil
        }
        return socket
    }
}
