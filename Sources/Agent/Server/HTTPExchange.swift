/// A request to one of the agent's own servers.
package struct ServerRequest: Sendable {
    package var method: String
    /// Without the query.
    package var path: String
    /// Decoded; the last one counts when a name comes twice.
    package var query: [String: String]

    package init(method: String, path: String, query: [String: String] = [:]) {
        self.method = method
        self.path = path
        self.query = query
    }

    /// - Parameter target: path and query, as in the request line.
    init(method: String, target: String) {
        self.method = method
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts.first ?? "/")
        query = [:]
        guard parts.count == 2 else { return }
        for pair in parts[1].split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[Self.decoded(halves[0])] = halves.count == 2 ? Self.decoded(halves[1]) : ""
        }
    }

    /// Percent decoding; what is not an escape stays as it is.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What one of the agent's own servers answers.
package struct ServerResponse: Sendable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]

    package init(status: Int, contentType: String = "text/plain; charset=UTF-8", body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    package static func text(_ text: String, status: Int = 200) -> ServerResponse {
        ServerResponse(status: status, body: Array(text.utf8))
    }

    package static func json(_ text: String) -> ServerResponse {
        ServerResponse(status: 200, contentType: "application/json", body: Array(text.utf8))
    }

    func serialized(keepsAlive: Bool, withBody: Bool) -> [UInt8] {
        let head =
            "HTTP/1.1 \(status) \(Self.reason(status))\r\ncontent-type: \(contentType)\r\n"
            + "content-length: \(body.count)\r\ncache-control: no-cache, max-age=0\r\nx-content-type-options: nosniff\r\n"
            + (keepsAlive ? "\r\n" : "connection: close\r\n\r\n")
        return Array(head.utf8) + (withBody ? body : [])
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 413: "Content Too Large"
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        default: "Status"
        }
    }
}
