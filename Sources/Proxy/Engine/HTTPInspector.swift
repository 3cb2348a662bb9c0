/// Whether a connection's first bytes begin an HTTP request (envoy.filters.listener.http_inspector).
enum HTTPInspector {
    enum Verdict { case needsMore, http10, http11, http2, other }

    /// Looks for `METHOD SP target SP HTTP/1.x CRLF`, or the HTTP/2 preface. Total.
    static func inspect(_ bytes: borrowing Span<UInt8>) -> Verdict {
        let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        var index = 0
        // SAFETY: index stays below the literal's length.
        while index < min(bytes.count, preface.utf8CodeUnitCount), bytes[index] == preface.utf8Start[index] {
            index += 1
        }
        if index == preface.utf8CodeUnitCount { return .http2 }
        if index == bytes.count { return .needsMore }
        index = 0
        while index < bytes.count, bytes[index] != 0x20 {
            let letter = bytes[index]
            guard letter &- 0x41 < 26 || letter &- 0x61 < 26 || letter == 0x2d || letter == 0x5f, index < 32 else {
                return .other
            }
            index += 1
        }
        guard index > 0 else { return .other }
        var end = index
        while end < bytes.count, bytes[end] != 0x0a {
            guard bytes[end] >= 0x20 || bytes[end] == 0x0d else { return .other }
            end += 1
        }
        guard end < bytes.count else { return .needsMore }
        guard end >= index + 10, bytes[end - 1] == 0x0d else { return .other }
        let version = end - 9
        let text: StaticString = "HTTP/1."
        for offset in 0..<7 where bytes[version + offset] != text.utf8Start[offset] { return .other }
        return bytes[version + 7] == 0x30 ? .http10 : bytes[version + 7] == 0x31 ? .http11 : .other
    }
}
