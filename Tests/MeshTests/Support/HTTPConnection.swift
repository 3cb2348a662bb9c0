import Glibc

/// An answer over HTTP/1.1.
struct HTTPAnswer {
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// Why a request got no whole answer.
enum HTTPFailure: Error, Equatable {
    case connect(String)
    case closed
    case timeout
    case malformed(String)
}

/// A blocking keep-alive connection to a port of the loopback, written for these tests: curl is too slow to start thousands of times.
final class HTTPConnection {
    private var descriptor: Int32 = -1
    private var buffer: [UInt8] = []
    private let port: UInt16

    init(port: UInt16) { self.port = port }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        buffer = []
    }

    /// One GET. A connection that the server closed between requests is opened anew, as every client does.
    func get(_ path: String, host: String, headers: [String: String] = [:]) throws(HTTPFailure) -> HTTPAnswer {
        var text = "GET \(path) HTTP/1.1\r\nHost: \(host)\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        text += "\r\n"
        let reused = descriptor >= 0
        do throws(HTTPFailure) {
            return try exchange(text)
        } catch {
            let untouched = buffer.isEmpty
            close()
            guard reused, untouched, error == .closed else { throw error }
            return try exchange(text)
        }
    }

    private func exchange(_ text: String) throws(HTTPFailure) -> HTTPAnswer {
        if descriptor < 0 { try connect() }
        try send(Array(text.utf8))
        let answer = try readAnswer()
        if answer.headers["connection"]?.lowercased() == "close" { close() }
        return answer
    }

    private func connect() throws(HTTPFailure) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let reason = String(cString: strerror(errno))
            close()
            throw .connect(reason)
        }
    }

    private func send(_ bytes: [UInt8]) throws(HTTPFailure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw .closed }
            sent += count
        }
    }

    private func receive() throws(HTTPFailure) {
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count < 0 { throw errno == EAGAIN ? .timeout : .closed }
        guard count > 0 else { throw .closed }
        buffer += chunk[..<count]
    }

    private func readAnswer() throws(HTTPFailure) -> HTTPAnswer {
        while true {
            let answer = try readHead()
            // Interim answers come before the real one.
            guard (100..<200).contains(answer.status) else { return try readBody(answer) }
        }
    }

    private func readHead() throws(HTTPFailure) -> HTTPAnswer {
        let lines = try readLines()
        let parts = lines[0].split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]) else {
            throw .malformed(lines[0])
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { throw .malformed(line) }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        return HTTPAnswer(status: status, headers: headers, body: [])
    }

    /// Lines up to an empty one.
    private func readLines() throws(HTTPFailure) -> [String] {
        var lines: [String] = []
        while true {
            let line = try readLine()
            if line.isEmpty, !lines.isEmpty { return lines }
            lines.append(line)
        }
    }

    private func readLine() throws(HTTPFailure) -> String {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                var line = buffer[..<end]
                if line.last == 13 { line = line.dropLast() }
                let text = String(decoding: line, as: UTF8.self)
                buffer.removeSubrange(...end)
                return text
            }
            try receive()
        }
    }

    private func readBytes(_ count: Int) throws(HTTPFailure) -> [UInt8] {
        while buffer.count < count { try receive() }
        let bytes = Array(buffer[..<count])
        buffer.removeSubrange(..<count)
        return bytes
    }

    private func readBody(_ head: HTTPAnswer) throws(HTTPFailure) -> HTTPAnswer {
        var answer = head
        if head.status == 204 || head.status == 304 { return answer }
        if let text = head.headers["content-length"] {
            guard let count = Int(text) else { throw .malformed("content-length: \(text)") }
            answer.body = try readBytes(count)
        } else if head.headers["transfer-encoding"]?.lowercased() == "chunked" {
            while true {
                let line = try readLine()
                guard let count = Int(line.prefix { $0 != ";" }, radix: 16) else {
                    throw .malformed("chunk size \(line)")
                }
                if count == 0 { break }
                answer.body += try readBytes(count)
                guard try readLine().isEmpty else { throw .malformed("no line end after a chunk") }
            }
            while try !readLine().isEmpty {}
        } else {
            while (try? receive()) != nil {}
            answer.body = buffer
            close()
        }
        return answer
    }
}
