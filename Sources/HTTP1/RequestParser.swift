package import HeaderBlock

/// Request heads (RFC 9112 sections 2 to 6), bytes in, offsets out. Total: any bytes give an answer.
package enum RequestParser {
    /// Parses the head that begins at `start`. Offsets in `table` index `bytes`; `table` is only meaningful after
    /// `.complete`. An empty line in front of the request line is skipped.
    package static func parse(
        _ bytes: borrowing Span<UInt8>, from start: Int, limits: Limits, into table: inout HeaderTable
    ) -> HeadResult {
        table.reset()
        let result = parseHead(bytes, start, limits, &table)
        switch result {
        case .incomplete: return bytes.count &- start >= limits.headBytes ? .invalid(.headTooLarge) : .incomplete
        case .complete(let head): return head.length > limits.headBytes ? .invalid(.headTooLarge) : result
        case .invalid: return result
        }
    }

    @inline(__always)
    private static func parseHead(
        _ bytes: borrowing Span<UInt8>, _ start: Int, _ limits: Limits, _ table: inout HeaderTable
    ) -> HeadResult {
        let count = bytes.count
        var index = start
        while index &+ 1 < count, bytes[index] == 0x0d, bytes[index &+ 1] == 0x0a, index < start &+ 4 { index &+= 2 }
        if index < count, bytes[index] == 0x0d, index &+ 1 == count { return .incomplete }
        let methodStart = index
        while index < count, CharacterClass.isToken(bytes[index]) { index &+= 1 }
        if index &- methodStart > limits.methodBytes { return .invalid(.badMethod) }
        guard index < count else { return .incomplete }
        guard bytes[index] == 0x20, index > methodStart else { return .invalid(.badMethod) }
        table.method = ByteRange(start: methodStart, length: index &- methodStart)
        table.knownMethod = Method.classify(bytes, table.method)
        index &+= 1
        let targetStart = index
        while index < count, bytes[index] &- 0x21 < 0x5e { index &+= 1 }
        guard index < count else { return .incomplete }
        guard bytes[index] == 0x20, index > targetStart else { return .invalid(.badTarget) }
        let target = ByteRange(start: targetStart, length: index &- targetStart)
        index &+= 1
        guard index &+ 10 <= count else {
            return bytes.isPrefixOfVersion(from: index) ? .incomplete : .invalid(.badVersion)
        }
        guard bytes.equals(ByteRange(start: index, length: 5), "HTTP/") else { return .invalid(.badVersion) }
        guard bytes[index &+ 5] == 0x31, bytes[index &+ 6] == 0x2e, bytes[index &+ 7] &- 0x30 <= 9 else {
            let isPreface = bytes[index &+ 5] == 0x32 && bytes.equals(table.method, "PRI")
            let isVersion = bytes[index &+ 5] &- 0x30 <= 9 && bytes[index &+ 6] == 0x2e
            return .invalid(isPreface ? .http2Preface : isVersion ? .unsupportedVersion : .badVersion)
        }
        guard bytes[index &+ 8] == 0x0d, bytes[index &+ 9] == 0x0a else {
            return .invalid(bytes[index &+ 8] == 0x0a ? .bareLineFeed : .badVersion)
        }
        table.version = bytes[index &+ 7] == 0x30 ? .http10 : .http11
        index &+= 10

        var fields = FieldParser()
        switch fields.parse(bytes, index, into: &table) {
        case .incomplete: return .incomplete
        case .invalid(let error): return .invalid(error)
        case .end(let end): return finish(bytes, target, fields, length: end &- start, &table)
        }
    }

    @inline(__always)
    private static func finish(
        _ bytes: borrowing Span<UInt8>, _ target: ByteRange, _ fields: FieldParser, length: Int,
        _ table: inout HeaderTable
    ) -> HeadResult {
        if fields.hostCount == 0, table.version != .http10 { return .invalid(.missingHost) }
        if fields.hasTransferEncoding {
            if fields.contentLength != nil { return .invalid(.transferEncodingWithContentLength) }
            if table.version == .http10 { return .invalid(.transferEncodingInHTTP10) }
        }
        var head = fields.head(length: length, version: table.version)
        if let error = setTarget(bytes, target, &table, &head) { return .invalid(error) }
        var index = table.authority.lowerBound
        while index < table.authority.upperBound {
            if !CharacterClass.isHost(bytes[index]) { return .invalid(.badHost) }
            index &+= 1
        }
        head.framing = fields.isChunked ? .chunked : fields.contentLength.map { $0 == 0 ? .none : .length($0) } ?? .none
        return .complete(head)
    }

    /// The four forms of RFC 9112 section 3.2.
    @inline(__always)
    private static func setTarget(
        _ bytes: borrowing Span<UInt8>, _ target: ByteRange, _ table: inout HeaderTable, _ head: inout MessageHead
    ) -> MessageError? {
        if table.knownMethod == .connect {
            table.authority = target
            table.path = .empty
            return nil
        }
        if bytes[target.lowerBound] == 0x2f {
            table.path = target
            return nil
        }
        if target.count == 1, bytes[target.lowerBound] == 0x2a, table.knownMethod == .options {
            table.path = target
            return nil
        }
        for scheme in 0..<2 {
            let length = scheme == 0 ? 7 : 8
            guard target.count > length else { continue }
            let matches =
                scheme == 0
                ? bytes.equalsIgnoringCase(target.prefix(length), "http://")
                : bytes.equalsIgnoringCase(target.prefix(length), "https://")
            guard matches else { continue }
            let rest = target.dropping(length)
            var slash = rest.lowerBound
            while slash < rest.upperBound, bytes[slash] != 0x2f, bytes[slash] != 0x3f { slash &+= 1 }
            // A query without a path would need a slash put in between: refused, no client sends it.
            guard slash > rest.lowerBound, slash == rest.upperBound || bytes[slash] == 0x2f else { return .badTarget }
            table.authority = ByteRange(start: rest.lowerBound, length: slash &- rest.lowerBound)
            // Without a path it is "/" (RFC 9112 section 3.2.1): the last slash of the scheme says so.
            table.path =
                slash < rest.upperBound
                ? ByteRange(start: slash, length: rest.upperBound &- slash)
                : ByteRange(start: rest.lowerBound &- 1, length: 1)
            head.isAbsoluteForm = true
            return nil
        }
        return .badTarget
    }
}

extension Span where Element == UInt8 {
    /// Whether what there is from `offset` on can still become `HTTP/x.y`.
    fileprivate func isPrefixOfVersion(from offset: Int) -> Bool {
        let text: StaticString = "HTTP/"
        // SAFETY: utf8Start of a literal is valid for its utf8CodeUnitCount bytes.
        let literal = unsafe UnsafeBufferPointer(start: text.utf8Start, count: 5)
        var index = 0
        while index < 5, offset &+ index < count {
            if unsafe self[offset &+ index] != literal[index] { return false }
            index &+= 1
        }
        return true
    }
}
