internal import HPACK
internal import HeaderBlock
internal import Memory

/// Puts decoded fields into a table and holds them against the rules of RFC 9113 section 8.
///
/// After a failure, or when the head is too large, it wants no more fields: the rest is decoded for the compression state.
struct HeadReader {
    var head: HTTP2Head
    var failure: HTTP2Failure?
    var isTooLarge = false
    private let limit: Int
    private let allowsProtocol: Bool
    private var listBytes = 0
    /// A bit for each pseudo field.
    private var seen: UInt8 = 0
    private var sawRegular = false
    private var sawHost = false
    private var cookies = 0

    init(_ kind: HTTP2Head.Kind, limit: Int, allowsProtocol: Bool) {
        head = HTTP2Head(kind: kind, endsStream: false)
        self.limit = limit
        self.allowsProtocol = allowsProtocol
    }

    var wantsMore: Bool { failure == nil && !isTooLarge }

    private mutating func fail(_ detail: StaticString) { failure = HTTP2Failure(.protocolError, detail) }

    private func has(_ kind: FieldKind) -> Bool { seen >> kind.rawValue & 1 == 1 }

    @inline(__always)
    mutating func take(_ field: HPACKField, _ bytes: borrowing Span<UInt8>, _ table: inout HeaderTable) {
        listBytes &+= field.size
        if listBytes > limit || field.name.count > 0xffff {
            isTooLarge = true
            return
        }
        guard field.hasValidName else { return fail("http2.bad_field_name") }
        guard field.hasValidValue else { return fail("http2.bad_field_value") }
        if field.kind == .regular {
            sawRegular = true
            if field.id != .other, !note(field, bytes, &table) { return }
            append(field, field.id, &table)
        } else {
            takePseudo(field, bytes, &table)
        }
    }

    @inline(__always)
    private mutating func append(_ field: HPACKField, _ id: KnownHeader, _ table: inout HeaderTable) {
        var entry = HeaderField(name: field.name, value: field.value, id: id)
        entry.isNeverIndexed = field.isNeverIndexed
        if table.count >= HeaderTable.mostReceived || !table.append(entry) { isTooLarge = true }
    }

    /// Section 8.3: once each, in front of the regular fields, none in trailers.
    private mutating func takePseudo(
        _ field: HPACKField, _ bytes: borrowing Span<UInt8>, _ table: inout HeaderTable
    ) {
        if sawRegular { return fail("http2.pseudo_field_behind_fields") }
        let isForResponses = field.kind == .status
        guard head.kind == (isForResponses ? .response : .request) else { return fail("http2.unexpected_pseudo_field") }
        if has(field.kind) { return fail("http2.duplicate_pseudo_field") }
        seen |= 1 << field.kind.rawValue
        let value = field.value
        switch field.kind {
        case .method:
            guard bytes.isToken(value) else { return fail("http2.bad_method") }
            table.method = value
            table.knownMethod = Method.classify(bytes, value)
        case .scheme:
            guard bytes.isToken(value) else { return fail("http2.bad_scheme") }
            table.scheme = bytes.equalsIgnoringCase(value, "https") ? .https : .http
        case .authority:
            guard bytes.isHost(value) else { return fail("http2.bad_authority") }
            table.authority = value
            append(field, .host, &table)
        case .path:
            guard bytes.isTarget(value) else { return fail("http2.bad_path") }
            table.path = value
        case .status:
            guard value.count == 3, let status = bytes.decimal(value), status >= 100, status != 101 else {
                return fail("http2.bad_status")
            }
            table.status = UInt16(truncatingIfNeeded: status)
            if status < 200 { head.kind = .interim }
        case .protocolName:
            guard allowsProtocol, bytes.isToken(value) else { return fail("http2.unexpected_protocol") }
            head.protocolName = value
        case .regular, .unknownPseudo: fail("http2.unexpected_pseudo_field")
        }
    }

    /// Fields that mean something to the codec. False: the field does not go into the table.
    @inline(__always)
    private mutating func note(
        _ field: HPACKField, _ bytes: borrowing Span<UInt8>, _ table: inout HeaderTable
    ) -> Bool {
        switch field.id {
        case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade:
            fail("http2.connection_specific_field")
            return false
        case .te:
            if head.kind == .request, bytes.equalsIgnoringCase(field.value, "trailers") { return true }
            fail("http2.connection_specific_field")
            return false
        case .host: return noteHost(field, bytes, &table)
        case .contentLength:
            // Framing has no place behind the body (RFC 9110 section 6.5.1).
            if head.kind == .trailers { return false }
            guard head.contentLength == nil, let length = bytes.decimal(field.value) else {
                fail("http2.bad_content_length")
                return false
            }
            head.contentLength = length
        case .cookie: cookies &+= 1
        case .expect: if bytes.equalsIgnoringCase(field.value, "100-continue") { head.expectsContinue = true }
        default: break
        }
        return true
    }

    /// Host stands in for a missing `:authority`, and is dropped beside one (section 8.3.1).
    private mutating func noteHost(
        _ field: HPACKField, _ bytes: borrowing Span<UInt8>, _ table: inout HeaderTable
    ) -> Bool {
        switch head.kind {
        case .request: break
        case .trailers: return false
        case .response, .interim: return true
        }
        if sawHost {
            fail("http2.duplicate_host")
            return false
        }
        sawHost = true
        if has(.authority) { return false }
        guard bytes.isHost(field.value) else {
            fail("http2.bad_authority")
            return false
        }
        table.authority = field.value
        return true
    }

    /// The head is complete.
    mutating func finish(_ arena: inout ByteBuffer, _ table: inout HeaderTable) {
        guard wantsMore else { return }
        switch head.kind {
        case .trailers: break
        case .response, .interim: if !has(.status) { fail("http2.missing_status") }
        case .request:
            checkRequest(arena.storage, table)
            if cookies > 1, wantsMore { joinCookies(&arena, &table) }
        }
    }

    private mutating func checkRequest(_ bytes: borrowing Span<UInt8>, _ table: borrowing HeaderTable) {
        guard has(.method) else { return fail("http2.missing_method") }
        let isConnect = table.knownMethod == .connect
        if isConnect, !has(.protocolName) {
            if has(.scheme) || has(.path) { return fail("http2.bad_connect") }
            if table.authority.isEmpty { fail("http2.bad_connect") }
            return
        }
        if has(.protocolName), !isConnect { return fail("http2.unexpected_protocol") }
        guard has(.scheme) else { return fail("http2.missing_scheme") }
        guard has(.path), !table.path.isEmpty else { return fail("http2.missing_path") }
        let first = bytes[table.path.lowerBound]
        let isAsterisk = first == 0x2a && table.path.count == 1 && table.knownMethod == .options
        if first != 0x2f, !isAsterisk { fail("http2.bad_path") }
    }

    /// HTTP/2 may send a cookie field per pair; everyone else wants one (section 8.2.3).
    private mutating func joinCookies(_ arena: inout ByteBuffer, _ table: inout HeaderTable) {
        let name = ByteRange(start: arena.end, length: 6)
        arena.append("cookie: ")
        let start = arena.end
        var isNeverIndexed = false
        for index in 0..<table.count where table[index].id == .cookie {
            let field = table[index]
            if arena.end > start { arena.append("; ") }
            arena.appendOwn(offset: field.value.lowerBound, count: field.value.count)
            isNeverIndexed = isNeverIndexed || field.isNeverIndexed
            table.remove(at: index)
        }
        let value = ByteRange(start: start, length: arena.end &- start)
        arena.append("\r\n")
        var field = HeaderField(name: name, value: value, id: .cookie)
        field.isNeverIndexed = isNeverIndexed
        if !table.append(field) { isTooLarge = true }
    }
}

extension Span where Element == UInt8 {
    fileprivate func isToken(_ range: ByteRange) -> Bool {
        var index = range.lowerBound
        while index < range.upperBound {
            if !CharacterClass.isToken(self[index]) { return false }
            index &+= 1
        }
        return !range.isEmpty
    }

    fileprivate func isHost(_ range: ByteRange) -> Bool {
        var index = range.lowerBound
        while index < range.upperBound {
            if !CharacterClass.isHost(self[index]) { return false }
            index &+= 1
        }
        return true
    }

    /// Visible ASCII, as in a request line: anything else could not be sent on with HTTP/1.1.
    fileprivate func isTarget(_ range: ByteRange) -> Bool {
        var index = range.lowerBound
        while index < range.upperBound {
            if self[index] &- 0x21 >= 0x5e { return false }
            index &+= 1
        }
        return true
    }
}
