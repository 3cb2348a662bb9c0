/// Reading of `a=1&b=2` without copies.
enum QueryString {
    /// The range of the value of the first parameter called `name`, relative to `query`; empty for a bare `name`.
    /// Names and values are compared as they are written, without percent-decoding, as Envoy does.
    static func value(of name: borrowing Span<UInt8>, in query: borrowing Span<UInt8>) -> Range<Int>? {
        var start = 0
        while start < query.count {
            let end = start + ByteString.firstIndex(of: 0x26, in: query.extracting(start..<query.count))
            let pair = query.extracting(start..<end)
            let equals = ByteString.firstIndex(of: 0x3D, in: pair)
            if ByteString.equal(pair.extracting(0..<equals), name) {
                return min(start + equals + 1, end)..<end
            }
            start = end + 1
        }
        return nil
    }
}
