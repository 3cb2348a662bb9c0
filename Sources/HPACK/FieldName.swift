internal import HeaderBlock

/// What kind of name a decoded field has.
package enum FieldKind: UInt8, Sendable {
    case regular
    case method, scheme, authority, path, status
    /// `:protocol` (RFC 8441).
    case protocolName
    /// A name that begins with a colon and is none of HTTP/2's.
    case unknownPseudo
}

/// A name as it is kept beside its bytes, so that a field from a table costs no look at them.
struct FieldName: Sendable {
    var id: KnownHeader
    var kind: FieldKind
    /// Lower-case token characters only.
    var isValid: Bool

    init(_ id: KnownHeader) {
        self.id = id
        kind = .regular
        isValid = true
    }

    init(kind: FieldKind) {
        id = .other
        self.kind = kind
        isValid = true
    }

    /// Looks at the name at `range`.
    init(_ bytes: borrowing Span<UInt8>, _ range: ByteRange) {
        id = .other
        kind = .regular
        isValid = false
        if range.isEmpty { return }
        if bytes[range.lowerBound] == 0x3a {
            kind = Self.pseudo(bytes, range)
            isValid = kind != .unknownPseudo
            return
        }
        var index = range.lowerBound
        while index < range.upperBound {
            if !CharacterClass.isLowerToken(bytes[index]) { return }
            index &+= 1
        }
        isValid = true
        id = KnownHeader.classify(bytes, range)
    }

    private static func pseudo(_ bytes: borrowing Span<UInt8>, _ range: ByteRange) -> FieldKind {
        switch range.count {
        case 5: bytes.equals(range, ":path") ? .path : .unknownPseudo
        case 7:
            bytes.equals(range, ":method")
                ? .method
                : bytes.equals(range, ":scheme") ? .scheme : bytes.equals(range, ":status") ? .status : .unknownPseudo
        case 9: bytes.equals(range, ":protocol") ? .protocolName : .unknownPseudo
        case 10: bytes.equals(range, ":authority") ? .authority : .unknownPseudo
        default: .unknownPseudo
        }
    }
}

extension FieldKind {
    /// The pseudo name itself; empty for names that are told by their bytes.
    var text: StaticString {
        switch self {
        case .regular, .unknownPseudo: ""
        case .method: ":method"
        case .scheme: ":scheme"
        case .authority: ":authority"
        case .path: ":path"
        case .status: ":status"
        case .protocolName: ":protocol"
        }
    }
}
