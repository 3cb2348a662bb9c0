/// The field table of one message head: a fixed number of fields as offsets into a buffer that someone else owns.
///
/// The table allocates once, when it is made, and is used again for many heads (`reset`). It serves requests (`method`, `path`, `authority`, `scheme`) and responses (`status`) of any
/// HTTP version: HTTP/1.1 codecs fill it from the text, HTTP/2 codecs from decoded fields copied to the buffer.
@safe
@usableFromInline
package struct HeaderTable: ~Copyable {
    /// The most fields a received head may have; codecs refuse more.
    package static let mostReceived = 100
    /// What is added to a head on its way has room too, and what takes the place of removed fields.
    package static let capacity = 192

    // SAFETY: owned by this value alone (noncopyable), `capacity` initialised fields, freed in deinit. An inline array would
    // be copied whole by every read through a borrowed table: measured as 8 % of a request.
    @usableFromInline let storage: UnsafeMutablePointer<HeaderField>
    /// Fields in use, removed ones included.
    @usableFromInline package private(set) var count: Int
    /// A field did not fit: the head is not what it should be, and must not be sent.
    package private(set) var hasOverflowed = false

    package var method: ByteRange = .empty
    package var knownMethod: Method = .other
    /// The path with its query, as `:path` of HTTP/2.
    package var path: ByteRange = .empty
    /// The host with its port, as `:authority` of HTTP/2; from the Host field in HTTP/1.
    package var authority: ByteRange = .empty
    package var scheme: Scheme = .http
    package var status: UInt16 = 0
    package var version: HTTPVersion = .http11

    package init() {
        unsafe storage = .allocate(capacity: Self.capacity)
        unsafe storage.initialize(repeating: HeaderField(name: .empty, value: .empty, id: .other), count: Self.capacity)
        count = 0
    }

    deinit { unsafe storage.deallocate() }

    /// Forgets the head.
    package mutating func reset() {
        count = 0
        hasOverflowed = false
        method = .empty
        knownMethod = .other
        path = .empty
        authority = .empty
        scheme = .http
        status = 0
        version = .http11
    }

    /// Appends a field; false when the table is full.
    @inline(__always)
    package mutating func append(_ field: HeaderField) -> Bool {
        guard count < HeaderTable.capacity else {
            hasOverflowed = true
            return false
        }
        unsafe storage[count] = field
        count &+= 1
        return true
    }

    /// One field, removed or not.
    package subscript(index: Int) -> HeaderField {
        @inlinable
        @inline(__always)
        get {
            precondition(index >= 0 && index < count, "header table: no such field")
            // SAFETY: index is below count, which is at most capacity.
            return unsafe storage[index]
        }
    }

    /// Removes the field at `index`; the other indices stay valid.
    package mutating func remove(at index: Int) {
        precondition(index >= 0 && index < count, "header table: no such field")
        // SAFETY: as in the subscript.
        unsafe storage[index].isRemoved = true
    }

    /// Removes all fields with a known name.
    package mutating func removeAll(_ id: KnownHeader) {
        var index = 0
        while index < count {
            if self[index].id == id { remove(at: index) }
            index &+= 1
        }
    }

    /// Removes all fields with a name.
    package mutating func removeAll(_ name: HeaderName, in bytes: borrowing Span<UInt8>) {
        var index = 0
        while index < count {
            if !self[index].isRemoved, bytes.equalsIgnoringCase(self[index].name, name.bytes) { remove(at: index) }
            index &+= 1
        }
    }

    /// Shifts every offset by `delta`: the bytes of the head were moved inside their buffer or to another one.
    package mutating func move(by delta: Int) {
        let shift = UInt32(truncatingIfNeeded: delta)
        var index = 0
        while index < count {
            // SAFETY: index is below count.
            unsafe storage[index].nameStart &+= shift
            unsafe storage[index].valueStart &+= shift
            index &+= 1
        }
        method.start &+= shift
        path.start &+= shift
        authority.start &+= shift
    }

    /// The first field with a known name.
    package func first(_ id: KnownHeader) -> ByteRange? {
        var index = 0
        while index < count {
            let field = self[index]
            if field.id == id, !field.isRemoved { return field.value }
            index &+= 1
        }
        return nil
    }

    /// The table's fields, removed ones included.
    package var fields: Span<HeaderField> {
        @_lifetime(borrow self)
        get {
            // SAFETY: the first `count` fields are initialised and live as long as the table, which the span borrows.
            let fields = unsafe UnsafeBufferPointer(start: storage, count: count).span
            return unsafe _overrideLifetime(fields, borrowing: self)
        }
    }
}

/// Request methods that decisions ask for by name.
package enum Method: UInt8, Sendable {
    case other, get, head, post, put, delete, options, patch, connect, trace

    /// The method named at `range`; names are case-sensitive.
    @inline(__always)
    package static func classify(_ bytes: borrowing Span<UInt8>, _ range: ByteRange) -> Method {
        switch range.count {
        case 3: return bytes.equals(range, "GET") ? .get : bytes.equals(range, "PUT") ? .put : .other
        case 4: return bytes.equals(range, "POST") ? .post : bytes.equals(range, "HEAD") ? .head : .other
        case 5: return bytes.equals(range, "PATCH") ? .patch : bytes.equals(range, "TRACE") ? .trace : .other
        case 6: return bytes.equals(range, "DELETE") ? .delete : .other
        case 7: return bytes.equals(range, "OPTIONS") ? .options : bytes.equals(range, "CONNECT") ? .connect : .other
        default: return .other
        }
    }
}

/// The scheme under which the client reached the proxy.
package enum Scheme: UInt8, Sendable {
    case http, https
}

/// The protocol version of a message.
package enum HTTPVersion: UInt8, Sendable {
    case http10, http11, http2
}
