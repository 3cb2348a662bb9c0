internal import HeaderBlock

/// The request of a question, as a codec would have read it.
struct QuestionHead: ~Copyable {
    private(set) var bytes: [UInt8] = []
    private(set) var table = HeaderTable()

    init(_ question: PolicyQuestion) {
        table.method = add(question.method)
        table.knownMethod = Method.classify(bytes.span, table.method)
        table.path = add(question.path)
        table.authority = add(question.host)
        for (name, value) in question.headers.sorted(by: { $0.key < $1.key }) {
            let (name, value) = (add(name), add(value))
            _ = table.append(HeaderField(name: name, value: value, id: KnownHeader.classify(bytes.span, name)))
        }
    }

    private mutating func add(_ text: String) -> ByteRange {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        return ByteRange(start: start, length: bytes.count - start)
    }
}
