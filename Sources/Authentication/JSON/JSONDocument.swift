/// A JSON value, flat: the nodes in the order of the text, each with the number of the node behind it. Reading allocates
/// nothing.
///
/// This is what claims of tokens, and other dynamic metadata of requests, are kept in. Node 0 is the root.
package struct JSONDocument: Sendable {
    package enum Kind: UInt8, Sendable {
        case null, `false`, `true`, number, string, array, object
    }

    struct Node: Sendable {
        var kind: Kind
        /// The member name in `text`; empty outside of objects.
        var keyStart: UInt32 = 0
        var keyLength: UInt32 = 0
        /// A string's characters, or a number's digits as they were written, in `text`.
        var valueStart: UInt32 = 0
        var valueLength: UInt32 = 0
        var number: Double = 0
        /// The node behind this one and all that it holds.
        var end: Int32 = 0
    }

    let nodes: [Node]
    let text: [UInt8]

    init(nodes: [Node], text: [UInt8]) {
        self.nodes = nodes
        self.text = text
    }

    /// `{}`.
    package static var empty: JSONDocument {
        JSONDocument(nodes: [Node(kind: .object, end: 1)], text: [])
    }

    package var root: Int { 0 }

    package func kind(_ node: Int) -> Kind { nodes[node].kind }

    /// The value of a number; 0 for all else.
    package func number(_ node: Int) -> Double { nodes[node].number }

    /// The characters of a string, the digits of a number; empty for all else.
    @_lifetime(borrow self)
    package func characters(_ node: Int) -> Span<UInt8> {
        let start = Int(nodes[node].valueStart)
        return text.span.extracting(start..<start &+ Int(nodes[node].valueLength))
    }

    /// The name of a member of an object.
    @_lifetime(borrow self)
    package func key(_ node: Int) -> Span<UInt8> {
        let start = Int(nodes[node].keyStart)
        return text.span.extracting(start..<start &+ Int(nodes[node].keyLength))
    }

    /// The first element of an array, or member of an object.
    package func firstChild(_ node: Int) -> Int? {
        node &+ 1 < Int(nodes[node].end) ? node &+ 1 : nil
    }

    /// The next element or member of `parent` behind `child`.
    package func nextChild(of parent: Int, after child: Int) -> Int? {
        let next = Int(nodes[child].end)
        return next < Int(nodes[parent].end) ? next : nil
    }

    /// The member of an object with this name; nil when there is none, or `node` is no object.
    package func member(_ node: Int, _ name: borrowing Span<UInt8>) -> Int? {
        guard nodes[node].kind == .object else { return nil }
        var child = firstChild(node)
        while let found = child {
            if Int(nodes[found].keyLength) == name.count, key(found).holdsSameBytes(as: name) { return found }
            child = nextChild(of: node, after: found)
        }
        return nil
    }

    /// Follows names from the root; nil when a member is missing on the way.
    package func value(at path: [[UInt8]]) -> Int? {
        var node = root
        for name in path {
            guard let next = member(node, name.span) else { return nil }
            node = next
        }
        return node
    }

    package func string(_ node: Int) -> String {
        String(decoding: bytes(node), as: UTF8.self)
    }

    /// A copy of `characters`.
    package func bytes(_ node: Int) -> [UInt8] {
        let start = Int(nodes[node].valueStart)
        return Array(text[start..<start + Int(nodes[node].valueLength)])
    }
}

extension Span<UInt8> {
    /// Byte for byte equal.
    @inline(__always)
    package func holdsSameBytes(as other: borrowing Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        while index < count {
            if self[index] != other[index] { return false }
            index &+= 1
        }
        return true
    }
}
