/// Claims as header values and lists.
enum ClaimText {
    /// The value of a claim as a header value; nil when it is absent, or is neither text, number nor truth value, or holds
    /// what no header value can (a line break would be another header).
    static func value(of claim: String, in payload: JSONDocument) -> [UInt8]? {
        guard let node = find(claim, in: payload) else { return nil }
        let bytes: [UInt8]
        switch payload.kind(node) {
        case .string: bytes = payload.bytes(node)
        case .true: bytes = Array("true".utf8)
        case .false: bytes = Array("false".utf8)
        case .number: bytes = Array(number(payload.number(node)).utf8)
        case .null, .array, .object: return nil
        }
        guard !bytes.isEmpty, !bytes.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) else { return nil }
        return bytes
    }

    /// The claim of this name, else the one that its parts between dots lead to.
    private static func find(_ claim: String, in payload: JSONDocument) -> Int? {
        if let whole = payload.value(at: [Array(claim.utf8)]) { return whole }
        return payload.value(at: claim.split(separator: ".", omittingEmptySubsequences: false).map { Array($0.utf8) })
    }

    /// Whole numbers without a point, others with six places.
    private static func number(_ value: Double) -> String {
        if value >= 0, value < 18_446_744_073_709_551_616, value.rounded(.towardZero) == value {
            return "\(UInt64(value))"
        }
        guard value.magnitude < 1e12 else { return "\(value)" }
        let scaled = UInt64((value.magnitude * 1_000_000).rounded())
        let places = "\(scaled % 1_000_000)"
        let zeros = String(repeating: "0", count: 6 - places.count)
        return "\(value < 0 ? "-" : "")\(scaled / 1_000_000).\(zeros)\(places)"
    }

    /// `payload` with the named claims, where they are texts, as lists of their words.
    static func splitting(_ names: [String], in payload: JSONDocument) -> JSONDocument {
        let split = names.compactMap { name -> Int? in
            payload.value(at: [Array(name.utf8)]).flatMap { payload.kind($0) == .string ? $0 : nil }
        }
        guard !split.isEmpty else { return payload }
        var builder = JSONDocumentBuilder()
        builder.beginObject()
        var child = payload.firstChild(payload.root)
        while let found = child {
            let key = String(decoding: payload.keyBytes(found), as: UTF8.self)
            if split.contains(found) {
                builder.beginArray(key: key)
                for word in payload.bytes(found).split(separator: 0x20) { builder.add(Array(word)) }
                builder.end()
            } else {
                builder.add(payload, found, key: key)
            }
            child = payload.nextChild(of: payload.root, after: found)
        }
        builder.end()
        return builder.finish()
    }
}
