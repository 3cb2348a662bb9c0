package import HeaderBlock

/// Response heads (RFC 9112 sections 4 to 6), bytes in, offsets out. Total: any bytes give an answer.
package enum ResponseParser {
    /// Parses the head that begins at `start`.
    ///
    /// - Parameter isHead: the request was HEAD, so the response has no body whatever its fields say.
    package static func parse(
        _ bytes: borrowing Span<UInt8>, from start: Int, isHead: Bool, limits: Limits, into table: inout HeaderTable
    ) -> HeadResult {
        table.reset()
        let result = parseHead(bytes, start, isHead, &table)
        switch result {
        case .incomplete: return bytes.count &- start >= limits.headBytes ? .invalid(.headTooLarge) : .incomplete
        case .complete(let head): return head.length > limits.headBytes ? .invalid(.headTooLarge) : result
        case .invalid: return result
        }
    }

    @inline(__always)
    private static func parseHead(
        _ bytes: borrowing Span<UInt8>, _ start: Int, _ isHead: Bool, _ table: inout HeaderTable
    ) -> HeadResult {
        let count = bytes.count
        // What cannot become a status line is refused at once: the endpoint may be waiting for us.
        guard start &+ 13 <= count else {
            return beginsStatusLine(bytes, start) ? .incomplete : .invalid(.badStatusLine)
        }
        guard bytes.equals(ByteRange(start: start, length: 7), "HTTP/1."), bytes[start &+ 7] &- 0x30 <= 9 else {
            return .invalid(.badStatusLine)
        }
        table.version = bytes[start &+ 7] == 0x30 ? .http10 : .http11
        guard bytes[start &+ 8] == 0x20, let status = bytes.decimal(ByteRange(start: start &+ 9, length: 3)),
            status >= 100, status < 600
        else { return .invalid(.badStatusLine) }
        table.status = UInt16(truncatingIfNeeded: status)
        // The reason is optional, and so, in practice, is the space in front of it.
        guard bytes[start &+ 12] == 0x20 || bytes[start &+ 12] == 0x0d else { return .invalid(.badStatusLine) }
        let end = CharacterClass.endOfValue(bytes, start &+ 12)
        guard end &+ 1 < count else {
            return end < count && bytes[end] != 0x0d ? .invalid(.badStatusLine) : .incomplete
        }
        guard bytes[end] == 0x0d, bytes[end &+ 1] == 0x0a else { return .invalid(.badStatusLine) }
        // Responses have no method: its range holds the reason phrase.
        table.method =
            end > start &+ 13 ? ByteRange(start: start &+ 13, length: end &- start &- 13) : .empty

        var fields = FieldParser()
        switch fields.parse(bytes, end &+ 2, into: &table) {
        case .incomplete: return .incomplete
        case .invalid(let error): return .invalid(error)
        case .end(let end):
            if fields.hasTransferEncoding, fields.contentLength != nil {
                return .invalid(.transferEncodingWithContentLength)
            }
            var head = fields.head(length: end &- start, version: table.version)
            head.framing = framing(fields, status: table.status, isHead: isHead)
            if head.framing == .untilClose { head.keepsAlive = false }
            return .complete(head)
        }
    }

    /// Whether bytes that are too few for a status line may be the beginning of one: `HTTP/1.d ddd`.
    private static func beginsStatusLine(_ bytes: borrowing Span<UInt8>, _ start: Int) -> Bool {
        let length = min(bytes.count &- start, 12)
        for index in 0..<length {
            let byte = bytes[start &+ index]
            let fits =
                switch index {
                case 0: byte == 0x48
                case 1, 2: byte == 0x54
                case 3: byte == 0x50
                case 4: byte == 0x2f
                case 5: byte == 0x31
                case 6: byte == 0x2e
                case 8: byte == 0x20
                default: byte &- 0x30 <= 9
                }
            if !fits { return false }
        }
        return true
    }

    /// RFC 9112 section 6.3.
    @inline(__always)
    private static func framing(_ fields: FieldParser, status: UInt16, isHead: Bool) -> BodyFraming {
        if isHead || status < 200 || status == 204 || status == 304 { return .none }
        if fields.isChunked { return .chunked }
        guard let length = fields.contentLength else { return .untilClose }
        return length == 0 ? .none : .length(length)
    }
}
