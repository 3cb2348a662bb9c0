internal import HeaderBlock
private import LoadBalancing

/// What the hash policies of a route say about a request.
package struct RequestHash: Sendable {
    /// nil: no policy applied, the balancer chooses at random.
    package var value: UInt64?
    /// The hash policy (index for `RouteTable.writeCookie`) whose cookie the response has to set; .max = none.
    package var cookieToSet: UInt32 = .max
}

extension RouteProgram {
    /// Evaluates the hash policies of the decision's route, combined as Envoy combines them.
    ///
    /// - Parameters:
    ///   - source: the client's address, as text.
    ///   - fresh: random bits that become the cookie when one has to be made; the hash is that of the cookie's text.
    func hash(
        for decision: RouteDecision, _ head: borrowing HeadView, source: borrowing Span<UInt8>, fresh: UInt64
    ) -> RequestHash {
        var result = RequestHash()
        for index in routes[Int(decision.route)].hashPolicies.indices {
            let policy = hashPolicies[index]
            var found = value(of: policy, head, source: source)
            if found == nil, policy.source == .cookie, policy.ttlSeconds != .max {
                let cookie = CookieText.hexadecimal(fresh)
                found = XXHash64.hash(cookie.span)
                result.cookieToSet = UInt32(index)
            }
            guard let found else { continue }
            result.value = result.value.map { ($0 << 1 | $0 >> 63) ^ found } ?? found
            if policy.terminal { break }
        }
        return result
    }

    /// Appends the `set-cookie` value for `RequestHash.cookieToSet`, with the `fresh` that was hashed.
    func writeCookie(policy index: UInt32, fresh: UInt64, into output: inout [UInt8]) {
        let policy = hashPolicies[Int(index)]
        let name = pool.span(policy.name)
        for offset in name.indices { output.append(name[offset]) }
        output.append(contentsOf: "=\"".utf8)
        let value = CookieText.hexadecimal(fresh)
        for offset in value.indices { output.append(value[offset]) }
        output.append(UInt8(ascii: "\""))
        if policy.ttlSeconds > 0 { output.append(contentsOf: "; Max-Age=\(policy.ttlSeconds)".utf8) }
        let path = pool.span(policy.cookiePath)
        if path.count > 0 {
            output.append(contentsOf: "; Path=".utf8)
            for offset in path.indices { output.append(path[offset]) }
        }
        let attributes = pool.span(policy.cookieAttributes)
        for offset in attributes.indices { output.append(attributes[offset]) }
        output.append(contentsOf: "; HttpOnly".utf8)
    }

    private func value(
        of policy: CompiledHashPolicy, _ head: borrowing HeadView, source: borrowing Span<UInt8>
    ) -> UInt64? {
        switch policy.source {
        case .sourceAddress:
            return source.count == 0 ? nil : XXHash64.hash(source)
        case .header:
            guard let value = pool.firstValue(of: policy.header, in: head) else { return nil }
            if let several = severalValues(of: policy.header, in: head) {
                return several.reduce(0) { XXHash64.hash($1.span, seed: $0) }
            }
            return XXHash64.hash(head.bytes.extracting(value.lowerBound..<value.upperBound))
        case .queryParameter:
            guard let place = head.query else { return nil }
            let query = head.bytes.extracting(place.lowerBound..<place.upperBound)
            guard let value = QueryString.value(of: pool.span(policy.name), in: query) else { return nil }
            return XXHash64.hash(query.extracting(value))
        case .cookie:
            var index = -1
            while index + 1 < head.fields.count {
                index += 1
                let field = head.fields[index]
                guard field.id == .cookie, !field.isRemoved else { continue }
                let header = head.bytes.extracting(field.value.lowerBound..<field.value.upperBound)
                if let value = CookieText.value(of: pool.span(policy.name), in: header) {
                    return XXHash64.hash(header.extracting(value))
                }
            }
            return nil
        }
    }

    /// The values of a header that occurs more than once, in the order of their bytes; nil when there is one. Envoy hashes
    /// each with the hash of those before as seed. For the rare header that occurs twice: allocates.
    private func severalValues(of key: HeaderKey, in head: borrowing HeadView) -> [[UInt8]]? {
        guard key.kind == .known || key.kind == .other, let first = pool.next(key, in: head, after: -1),
            pool.next(key, in: head, after: first) != nil
        else { return nil }
        var values: [[UInt8]] = []
        var index: Int? = first
        while let position = index {
            let range = head.fields[position].value
            var value: [UInt8] = []
            for offset in range.lowerBound..<range.upperBound { value.append(head.bytes[offset]) }
            values.append(value)
            index = pool.next(key, in: head, after: position)
        }
        values.sort { $0.lexicographicallyPrecedes($1) }
        return values
    }
}

enum CookieText {
    /// The value of a cookie in a `cookie` header, without surrounding quotes.
    static func value(of name: borrowing Span<UInt8>, in header: borrowing Span<UInt8>) -> Range<Int>? {
        var start = 0
        while start < header.count {
            while start < header.count, header[start] == 0x20 { start += 1 }
            let end = start + ByteString.firstIndex(of: 0x3B, in: header.extracting(start..<header.count))
            let pair = header.extracting(start..<end)
            let equals = ByteString.firstIndex(of: 0x3D, in: pair)
            if equals < pair.count, ByteString.equal(pair.extracting(0..<equals), name) {
                let value = (start + equals + 1)..<end
                let isQuoted = value.count >= 2 && header[value.lowerBound] == 0x22 && header[end - 1] == 0x22
                return isQuoted ? (value.lowerBound + 1)..<(end - 1) : value
            }
            start = end + 1
        }
        return nil
    }

    /// Sixteen lower-case hexadecimal digits.
    static func hexadecimal(_ value: UInt64) -> InlineArray<16, UInt8> {
        InlineArray { index in
            let digit = UInt8(truncatingIfNeeded: value >> UInt64((15 - index) * 4)) & 0xF
            return digit < 10 ? 0x30 + digit : 0x57 + digit
        }
    }
}
