package import HeaderBlock

/// A place of a request where a token may be.
package struct TokenLocation: Sendable {
    package enum Place: Sendable {
        /// A header; the token is behind the first occurrence of the prefix.
        case header(HeaderName, prefix: [UInt8])
        /// A parameter of the query.
        case parameter([UInt8])
        case cookie([UInt8])
    }

    package let place: Place
    /// Locations with the same header (or parameter, or cookie) share a number below 64: when a token is taken out of the
    /// request, others do not see it any more.
    let slot: Int
    /// The providers that look here, as numbers of an `Authenticator`.
    let providers: [Int]

    /// Whether a part of a query (`NAME=VALUE`) is the parameter of this name, be the name percent-encoded or not.
    package static func isParameter(_ part: ArraySlice<UInt8>, named name: [UInt8]) -> Bool {
        guard let equals = part.firstIndex(of: UInt8(ascii: "=")) else { return false }
        let bytes = part.span
        return TokenSearch.isName(name, from: 0, to: equals - part.startIndex, bytes)
    }
}

/// A token that was found: its bytes in the head, or decoded from a parameter.
struct TokenCandidate {
    /// In the bytes of the head; used when `decoded` is empty.
    var range: ByteRange
    var decoded: [UInt8]
    /// Into the list that was searched.
    var location: Int
}

/// Walks over the tokens of a request from the last location to the first, and in a header from the last field to the
/// first: the order in which Envoy verifies.
struct TokenSearch {
    private var location: Int
    /// The next field of the current header to look at; below zero: the location is done.
    private var field: Int

    init(_ locations: [TokenLocation]) {
        location = locations.count
        field = -1
    }

    /// The next token; slots in `removed` are not looked at.
    mutating func next(
        in head: borrowing HeadView, _ locations: [TokenLocation], removed: UInt64
    ) -> TokenCandidate? {
        while true {
            if field >= 0, case .header(let name, let prefix) = locations[location].place {
                while field >= 0 {
                    let current = head.fields[field]
                    field &-= 1
                    guard !current.isRemoved, current.has(name, in: head.bytes) else { continue }
                    guard let range = Self.token(current.value, prefix, head.bytes) else { continue }
                    return TokenCandidate(range: range, decoded: [], location: location)
                }
            }
            guard location > 0 else { return nil }
            location &-= 1
            guard removed & (1 &<< UInt64(locations[location].slot)) == 0 else { continue }
            switch locations[location].place {
            case .header: field = head.fields.count &- 1
            case .parameter(let name):
                if let found = Self.parameter(name, in: head) {
                    return TokenCandidate(range: found.range, decoded: found.decoded, location: location)
                }
            case .cookie(let name):
                if let range = Self.cookie(name, in: head) {
                    return TokenCandidate(range: range, decoded: [], location: location)
                }
            }
        }
    }

    /// Behind the prefix, wherever it is, from the first character that can belong to a token on; nil without the prefix.
    /// What follows a token (`Bearer TOKEN, more`) makes it one that cannot be read, for Envoy too.
    private static func token(_ value: ByteRange, _ prefix: [UInt8], _ bytes: Span<UInt8>) -> ByteRange? {
        guard !prefix.isEmpty else { return value }
        guard value.count >= prefix.count else { return nil }
        for start in 0...(value.count &- prefix.count) {
            guard bytes.hasBytes(prefix, at: value.lowerBound &+ start) else { continue }
            var offset = start &+ prefix.count
            while offset < value.count, !isTokenByte(bytes[value.lowerBound &+ offset]) { offset &+= 1 }
            return offset < value.count ? value.dropping(offset) : value
        }
        return nil
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }

    /// The first parameter of this name.
    private static func parameter(
        _ name: [UInt8], in head: borrowing HeadView
    ) -> (range: ByteRange, decoded: [UInt8])? {
        guard let query = head.query else { return nil }
        var start = query.lowerBound
        while start <= query.upperBound {
            var end = start
            var equals = -1
            while end < query.upperBound, head.bytes[end] != UInt8(ascii: "&") {
                if equals < 0, head.bytes[end] == UInt8(ascii: "=") { equals = end }
                end &+= 1
            }
            let nameEnd = equals < 0 ? end : equals
            if isName(name, from: start, to: nameEnd, head.bytes) {
                let value = ByteRange(
                    start: equals < 0 ? end : equals &+ 1, length: equals < 0 ? 0 : end &- equals &- 1)
                for index in value.lowerBound..<value.upperBound where head.bytes[index] == UInt8(ascii: "%") {
                    return (value, percentDecoded(value, head.bytes))
                }
                return (value, [])
            }
            start = end &+ 1
        }
        return nil
    }

    /// Whether the bytes are this name, as they are or percent-encoded.
    static func isName(_ name: [UInt8], from start: Int, to end: Int, _ bytes: Span<UInt8>) -> Bool {
        if end &- start == name.count, bytes.hasBytes(name, at: start) { return true }
        for index in start..<end where bytes[index] == UInt8(ascii: "%") {
            return percentDecoded(ByteRange(start: start, length: end &- start), bytes) == name
        }
        return false
    }

    private static func percentDecoded(_ range: ByteRange, _ bytes: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var index = range.lowerBound
        while index < range.upperBound {
            if bytes[index] == UInt8(ascii: "%"), index &+ 2 < range.upperBound,
                let high = hex(bytes[index &+ 1]), let low = hex(bytes[index &+ 2])
            {
                result.append(high &<< 4 | low)
                index &+= 3
            } else {
                result.append(bytes[index])
                index &+= 1
            }
        }
        return result
    }

    private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte &- 0x30
        case 0x41...0x46: byte &- 0x37
        case 0x61...0x66: byte &- 0x57
        default: nil
        }
    }

    /// The first cookie of this name, without quotes.
    private static func cookie(_ name: [UInt8], in head: borrowing HeadView) -> ByteRange? {
        for index in head.fields.indices {
            let field = head.fields[index]
            guard !field.isRemoved, field.id == .cookie else { continue }
            var start = field.value.lowerBound
            let end = field.value.upperBound
            while start < end {
                while start < end, head.bytes[start] == 0x20 || head.bytes[start] == 0x09 { start &+= 1 }
                var stop = start
                while stop < end, head.bytes[stop] != UInt8(ascii: ";") { stop &+= 1 }
                if stop &- start > name.count, head.bytes.hasBytes(name, at: start),
                    head.bytes[start &+ name.count] == UInt8(ascii: "=")
                {
                    var from = start &+ name.count &+ 1
                    var to = stop
                    while to > from, head.bytes[to &- 1] == 0x20 { to &-= 1 }
                    if to &- from >= 2, head.bytes[from] == 0x22, head.bytes[to &- 1] == 0x22 {
                        from &+= 1
                        to &-= 1
                    }
                    return ByteRange(start: from, length: to &- from)
                }
                start = stop &+ 1
            }
        }
        return nil
    }
}

extension HeaderField {
    @inline(__always)
    fileprivate func has(_ name: HeaderName, in bytes: Span<UInt8>) -> Bool {
        guard Int(nameLength) == name.bytes.count else { return false }
        return name.known == .other ? bytes.equalsIgnoringCase(self.name, name.bytes) : id == name.known
    }
}

extension Span<UInt8> {
    /// Whether `expected` is at `offset`; it must end before the span does.
    fileprivate func hasBytes(_ expected: [UInt8], at offset: Int) -> Bool {
        guard offset &+ expected.count <= count else { return false }
        for index in 0..<expected.count where self[offset &+ index] != expected[index] { return false }
        return true
    }
}
