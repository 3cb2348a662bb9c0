/// Makes a `JSONDocument` value by value, for what does not arrive as JSON text (a protobuf Struct).
package struct JSONDocumentBuilder {
    private var nodes: [JSONDocument.Node] = []
    private var text: [UInt8] = []
    private var open: [Int] = []

    package init() {}

    package mutating func beginObject(key: String = "") { begin(.object, key) }

    package mutating func beginArray(key: String = "") { begin(.array, key) }

    /// Ends the object or array that was begun last.
    package mutating func end() {
        guard let node = open.popLast() else { return }
        nodes[node].end = Int32(nodes.count)
    }

    package mutating func add(_ value: String, key: String = "") {
        add(Array(value.utf8), key: key)
    }

    package mutating func add(_ value: [UInt8], key: String = "") {
        let node = append(.string, key)
        nodes[node].valueStart = UInt32(text.count)
        nodes[node].valueLength = UInt32(value.count)
        text += value
    }

    package mutating func add(_ value: Double, key: String = "") {
        let node = append(.number, key)
        nodes[node].number = value
        let digits = Array("\(value)".utf8)
        nodes[node].valueStart = UInt32(text.count)
        nodes[node].valueLength = UInt32(digits.count)
        text += digits
    }

    package mutating func add(_ value: Bool, key: String = "") { _ = append(value ? .true : .false, key) }

    package mutating func addNull(key: String = "") { _ = append(.null, key) }

    /// Copies a value of another document.
    package mutating func add(_ document: JSONDocument, _ node: Int, key: String = "") {
        switch document.kind(node) {
        case .null: addNull(key: key)
        case .false: add(false, key: key)
        case .true: add(true, key: key)
        case .string: add(document.bytes(node), key: key)
        case .number:
            let copy = append(.number, key)
            nodes[copy].number = document.number(node)
            nodes[copy].valueStart = UInt32(text.count)
            let digits = document.bytes(node)
            nodes[copy].valueLength = UInt32(digits.count)
            text += digits
        case .array, .object:
            begin(document.kind(node), key)
            var child = document.firstChild(node)
            while let found = child {
                let name = String(decoding: Array(document.keyBytes(found)), as: UTF8.self)
                add(document, found, key: name)
                child = document.nextChild(of: node, after: found)
            }
            end()
        }
    }

    /// The document; `null` when nothing was added. What is still open is ended.
    package consuming func finish() -> JSONDocument {
        while !open.isEmpty { end() }
        if nodes.isEmpty { addNull() }
        return JSONDocument(nodes: nodes, text: text)
    }

    private mutating func begin(_ kind: JSONDocument.Kind, _ key: String) {
        open.append(append(kind, key))
    }

    private mutating func append(_ kind: JSONDocument.Kind, _ key: String) -> Int {
        var node = JSONDocument.Node(kind: kind)
        node.keyStart = UInt32(text.count)
        text += key.utf8
        node.keyLength = UInt32(text.count) - node.keyStart
        nodes.append(node)
        nodes[nodes.count - 1].end = Int32(nodes.count)
        return nodes.count - 1
    }
}

extension JSONDocument {
    func keyBytes(_ node: Int) -> ArraySlice<UInt8> {
        let start = Int(nodes[node].keyStart)
        return text[start..<start + Int(nodes[node].keyLength)]
    }
}
