package import HeaderBlock

/// A header name compiled into a `PatternPool`: a plain number tuple, unlike `HeaderName`, so that tables stay flat.
package struct HeaderKey: Sendable {
    package let kind: HeaderName.Kind
    package let known: KnownHeader
    /// Lower case.
    package let name: PooledBytes

    package static var none: HeaderKey { HeaderKey(kind: .other, known: .other, name: PooledBytes()) }
}

extension PatternPoolBuilder {
    /// Compiles a header name; any case.
    package mutating func add(header name: String) -> HeaderKey {
        let compiled = HeaderName(name)
        return HeaderKey(kind: compiled.kind, known: compiled.known, name: add(bytes: compiled.bytes))
    }
}

extension PatternPool {
    /// The index of the next field of `key` behind `index`; nil when there is none. Not for pseudo headers.
    @inline(__always)
    package func next(_ key: HeaderKey, in head: borrowing HeadView, after index: Int) -> Int? {
        let fields = head.fields
        var index = index &+ 1
        while index < fields.count {
            let field = fields[index]
            if field.id == key.known, !field.isRemoved {
                if key.known != .other { return index }
                if Int(field.nameLength) == Int(key.name.count) {
                    let name = head.bytes.extracting(field.name.lowerBound..<field.name.upperBound)
                    if ByteString.equalFolded(name, span(key.name)) { return index }
                }
            }
            index &+= 1
        }
        return nil
    }

    /// The first value of `key`; nil when the header is missing (and for `:scheme`, which has no bytes).
    package func firstValue(of key: HeaderKey, in head: borrowing HeadView) -> ByteRange? {
        switch key.kind {
        case .method: head.method
        case .path: head.path
        case .authority: head.authority.isEmpty ? nil : head.authority
        case .scheme: nil
        case .known, .other: next(key, in: head, after: -1).map { head.fields[$0].value }
        }
    }

    /// All values of `key` joined by commas, as policies compare them. For the rare header that occurs twice: allocates.
    func joined(_ key: HeaderKey, in head: borrowing HeadView, from first: Int) -> [UInt8] {
        var text: [UInt8] = []
        var index: Int? = first
        while let position = index {
            if position != first { text.append(0x2C) }
            let value = head.fields[position].value
            for offset in value.lowerBound..<value.upperBound { text.append(head.bytes[offset]) }
            index = next(key, in: head, after: position)
        }
        return text
    }
}

/// Texts that evaluation needs in a table's pool.
struct CommonTexts: Sendable {
    let http: PooledBytes
    let https: PooledBytes

    init(pool: inout PatternPoolBuilder) {
        http = pool.add("http")
        https = pool.add("https")
    }
}
