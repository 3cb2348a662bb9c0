package import HeaderBlock

/// Header fields of a message (RFC 9112 section 5), strict: no folding, no bare line feed, no space before the colon.
struct FieldParser {
    enum Outcome {
        case incomplete
        /// The offset behind the empty line.
        case end(Int)
        case invalid(MessageError)
    }

    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var hasTransferEncoding = false
    private(set) var hostCount = 0
    private(set) var connectionClose = false
    private(set) var connectionKeepAlive = false
    private(set) var connectionUpgrade = false
    private(set) var nominatesFields = false
    private(set) var hasUpgrade = false
    private(set) var expectsContinue = false

    init() {}

    mutating func parse(_ bytes: borrowing Span<UInt8>, _ start: Int, into table: inout HeaderTable) -> Outcome {
        let count = bytes.count
        var index = start
        while true {
            guard index < count else { return .incomplete }
            if bytes[index] == 0x0d {
                guard index &+ 1 < count else { return .incomplete }
                return bytes[index &+ 1] == 0x0a ? .end(index &+ 2) : .invalid(.badFieldName)
            }
            let nameStart = index
            while index < count, CharacterClass.isToken(bytes[index]) { index &+= 1 }
            guard index < count else { return .incomplete }
            guard bytes[index] == 0x3a, index > nameStart else {
                return .invalid(Self.nameError(bytes[index], isFirst: index == nameStart))
            }
            let name = ByteRange(start: nameStart, length: index &- nameStart)
            index &+= 1
            while index < count, CharacterClass.isBlank(bytes[index]) { index &+= 1 }
            let valueStart = index
            index = CharacterClass.endOfValue(bytes, index)
            guard index < count else { return .incomplete }
            guard bytes[index] == 0x0d else {
                return .invalid(bytes[index] == 0x0a ? .bareLineFeed : .badFieldValue)
            }
            guard index &+ 1 < count else { return .incomplete }
            guard bytes[index &+ 1] == 0x0a else { return .invalid(.badFieldValue) }
            var valueEnd = index
            while valueEnd > valueStart, CharacterClass.isBlank(bytes[valueEnd &- 1]) { valueEnd &-= 1 }
            index &+= 2
            let value = ByteRange(start: valueStart, length: valueEnd &- valueStart)
            guard name.count <= 0xffff else { return .invalid(.headTooLarge) }
            let id = KnownHeader.classify(bytes, name)
            guard table.count < HeaderTable.mostReceived,
                table.append(HeaderField(name: name, value: value, id: id))
            else { return .invalid(.tooManyFields) }
            if id != .other, let error = note(id, value, bytes, &table) { return .invalid(error) }
        }
    }

    private static func nameError(_ byte: UInt8, isFirst: Bool) -> MessageError {
        if CharacterClass.isBlank(byte) { return isFirst ? .folding : .spaceBeforeColon }
        return byte == 0x0a ? .bareLineFeed : .badFieldName
    }

    @inline(__always)
    private mutating func note(
        _ id: KnownHeader, _ value: ByteRange, _ bytes: borrowing Span<UInt8>, _ table: inout HeaderTable
    ) -> MessageError? {
        switch id {
        case .host:
            hostCount &+= 1
            if hostCount > 1 { return .duplicateHost }
            table.authority = value
        case .contentLength:
            // Not even an equal second one, nor a list: intermediaries differ in which they believe.
            if contentLength != nil { return .duplicateContentLength }
            guard let number = bytes.decimal(value) else { return .badContentLength }
            contentLength = number
        case .transferEncoding:
            if hasTransferEncoding { return .badTransferEncoding }
            hasTransferEncoding = true
            guard bytes.equalsIgnoringCase(value, "chunked") else {
                return value.isEmpty ? .badTransferEncoding : .unsupportedTransferEncoding
            }
            isChunked = true
        case .connection: noteConnection(value, bytes)
        case .upgrade: hasUpgrade = true
        case .expect: if bytes.equalsIgnoringCase(value, "100-continue") { expectsContinue = true }
        default: break
        }
        return nil
    }

    private mutating func noteConnection(_ value: ByteRange, _ bytes: borrowing Span<UInt8>) {
        var options = ConnectionOptions(value)
        while let option = options.next(bytes) {
            if bytes.equalsIgnoringCase(option, "close") {
                connectionClose = true
            } else if bytes.equalsIgnoringCase(option, "keep-alive") {
                connectionKeepAlive = true
            } else if bytes.equalsIgnoringCase(option, "upgrade") {
                connectionUpgrade = true
            } else {
                nominatesFields = true
            }
        }
    }

    /// What the fields say about the connection; the start line's part is the caller's.
    func head(length: Int, version: HTTPVersion) -> MessageHead {
        var head = MessageHead()
        head.length = length
        head.keepsAlive = version == .http10 ? connectionKeepAlive && !connectionClose : !connectionClose
        head.expectsContinue = expectsContinue && version != .http10
        head.asksForUpgrade = connectionUpgrade && hasUpgrade
        head.nominatesFields = nominatesFields
        return head
    }
}

/// The comma-separated options of a Connection field.
package struct ConnectionOptions {
    private var index: Int
    private let end: Int

    package init(_ value: ByteRange) {
        index = value.lowerBound
        end = value.upperBound
    }

    package mutating func next(_ bytes: borrowing Span<UInt8>) -> ByteRange? {
        while index < end, CharacterClass.isBlank(bytes[index]) || bytes[index] == 0x2c { index &+= 1 }
        guard index < end else { return nil }
        let start = index
        while index < end, bytes[index] != 0x2c { index &+= 1 }
        return bytes.trimmed(ByteRange(start: start, length: index &- start))
    }
}

/// Dropping what belongs to one connection only (RFC 9110 section 7.6.1).
package enum HopByHop {
    /// Removes the connection's own fields from `table`, and those that Connection names.
    package static func remove(
        from table: inout HeaderTable, _ bytes: borrowing Span<UInt8>, nominated: Bool, isRequest: Bool
    ) {
        var index = 0
        while index < table.count {
            switch table[index].id {
            case .connection:
                if nominated { removeNominated(by: table[index].value, &table, bytes) }
                table.remove(at: index)
            case .keepAlive, .proxyConnection, .upgrade: table.remove(at: index)
            case .te:
                if isRequest, !bytes.equalsIgnoringCase(table[index].value, "trailers") { table.remove(at: index) }
            default: break
            }
            index &+= 1
        }
    }

    private static func removeNominated(by value: ByteRange, _ table: inout HeaderTable, _ bytes: borrowing Span<UInt8>)
    {
        var options = ConnectionOptions(value)
        while let option = options.next(bytes) {
            var index = 0
            while index < table.count {
                let field = table[index]
                // Message framing and routing are not the peer's to take away.
                switch field.id {
                case .host, .contentLength, .transferEncoding, .connection: break
                default:
                    if bytes.equalIgnoringCase(field.name, option) { table.remove(at: index) }
                }
                index &+= 1
            }
        }
    }
}

extension Span where Element == UInt8 {
    /// Whether the bytes at the two ranges agree without regard to ASCII case.
    fileprivate func equalIgnoringCase(_ first: ByteRange, _ second: ByteRange) -> Bool {
        guard first.count == second.count else { return false }
        var index = 0
        while index < first.count {
            let a = asciiLowercased(self[first.lowerBound &+ index])
            if a != asciiLowercased(self[second.lowerBound &+ index]) { return false }
            index &+= 1
        }
        return true
    }
}
