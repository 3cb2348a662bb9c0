package import HeaderBlock

/// A request for tests: builds the head that a codec would have filled, and lends it as a view.
package struct RequestHead: Sendable {
    package var method = "GET"
    package var path = "/"
    package var authority = "example.com"
    package var isSecure = false
    package var headers: [(String, String)] = []

    package init(
        _ path: String = "/", method: String = "GET", authority: String = "example.com", isSecure: Bool = false,
        headers: [(String, String)] = []
    ) {
        self.path = path
        self.method = method
        self.authority = authority
        self.isSecure = isSecure
        self.headers = headers
    }

    package func withView<Result>(_ body: (borrowing HeadView) -> Result) -> Result {
        var bytes: [UInt8] = []
        func add(_ text: String) -> ByteRange {
            let start = bytes.count
            bytes.append(contentsOf: text.utf8)
            return ByteRange(start: start, length: bytes.count - start)
        }
        var table = HeaderTable()
        table.method = add(method)
        table.knownMethod = method == "CONNECT" ? .connect : method == "GET" ? .get : .other
        table.path = add(path)
        table.authority = add(authority)
        table.scheme = isSecure ? .https : .http
        for (name, value) in headers {
            let nameRange = add(name)
            let valueRange = add(value)
            _ = table.append(
                HeaderField(name: nameRange, value: valueRange, id: KnownHeader.classify(bytes.span, nameRange)))
        }
        return body(HeadView(table, bytes: bytes.span))
    }
}
