/// A message head for reading: the buffer with its bytes and the field table, both borrowed.
///
/// This is what decisions (routing, authorization, access log) take. Reading costs no allocation and no String; all ranges
/// index `bytes`.
package struct HeadView: ~Escapable {
    package let bytes: Span<UInt8>
    package let fields: Span<HeaderField>
    package let method: ByteRange
    package let knownMethod: Method
    /// The path with its query.
    package let path: ByteRange
    package let authority: ByteRange
    package let scheme: Scheme
    package let status: UInt16
    package let version: HTTPVersion

    /// A view of `table` over the buffer that it was filled from.
    @_lifetime(borrow table, copy bytes)
    package init(_ table: borrowing HeaderTable, bytes: Span<UInt8>) {
        self.bytes = bytes
        fields = table.fields
        method = table.method
        knownMethod = table.knownMethod
        path = table.path
        authority = table.authority
        scheme = table.scheme
        status = table.status
        version = table.version
    }

    /// The value of the first field with a known name.
    package func first(_ id: KnownHeader) -> ByteRange? {
        var index = 0
        while index < fields.count {
            if fields[index].id == id, !fields[index].isRemoved { return fields[index].value }
            index &+= 1
        }
        return nil
    }

    /// The value of the first field, or pseudo field, with this name.
    package func first(_ name: borrowing HeaderName) -> ByteRange? {
        switch name.kind {
        case .method: return method
        case .path: return path
        case .authority: return authority.isEmpty ? nil : authority
        case .scheme: return nil
        case .known: return first(name.known)
        case .other: return next(name, after: -1).map { fields[$0].value }
        }
    }

    /// The index of the next field with this name behind `index` (-1 to start); nil at the end. For names that occur twice.
    package func next(_ name: borrowing HeaderName, after index: Int) -> Int? {
        var index = index &+ 1
        while index < fields.count {
            let field = fields[index]
            if !field.isRemoved, Int(field.nameLength) == name.bytes.count,
                name.known == .other ? bytes.equalsIgnoringCase(field.name, name.bytes) : field.id == name.known
            {
                return index
            }
            index &+= 1
        }
        return nil
    }

    /// How many fields have this name.
    package func count(_ name: borrowing HeaderName) -> Int {
        var total = 0
        var index = -1
        while let found = next(name, after: index) {
            total &+= 1
            index = found
        }
        return total
    }

    /// The path without query and fragment.
    package var pathWithoutQuery: ByteRange {
        var index = path.lowerBound
        while index < path.upperBound, bytes[index] != 0x3f, bytes[index] != 0x23 { index &+= 1 }
        return path.prefix(index &- path.lowerBound)
    }

    /// The query behind the question mark, without a fragment; nil when there is none.
    package var query: ByteRange? {
        var index = pathWithoutQuery.upperBound
        guard index < path.upperBound, bytes[index] == 0x3f else { return nil }
        let start = index &+ 1
        index = start
        while index < path.upperBound, bytes[index] != 0x23 { index &+= 1 }
        return ByteRange(start: start, length: index &- start)
    }
}
