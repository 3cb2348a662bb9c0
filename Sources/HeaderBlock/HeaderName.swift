/// A header name compiled for lookups: lower-cased bytes and, where it has one, its interned identity.
///
/// The HTTP/2 pseudo-header names `:method`, `:path`, `:authority` and `:scheme`, as policies write them, are understood
/// and answered from the request line; `Host` means `:authority`.
package struct HeaderName: Sendable, Hashable {
    package enum Kind: UInt8, Sendable {
        case method, path, authority, scheme
        case known, other
    }

    package let kind: Kind
    package let known: KnownHeader
    package let bytes: [UInt8]

    package init(_ text: String) {
        let bytes = text.utf8.map(asciiLowercased)
        let known = KnownHeader.classify(bytes.span, ByteRange(start: 0, length: bytes.count))
        self.bytes = bytes
        self.known = known
        kind =
            switch String(decoding: bytes, as: UTF8.self) {
            case ":method": .method
            case ":path": .path
            case ":authority", "host": .authority
            case ":scheme": .scheme
            default: known == .other ? .other : .known
            }
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }
}
