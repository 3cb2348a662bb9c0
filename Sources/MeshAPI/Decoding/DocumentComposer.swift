internal import CYaml

/// Composes one YAML document (JSON is a subset) into a `ConfigNode`, with libyaml's scanner and our own limits.
///
/// The event interface is used because the tree that Yams builds recurses without a depth limit and hashes aliased keys.
package struct DocumentComposer {
    package struct Failure: Error, Equatable {
        package var position: ConfigNode.Position
        package var message: String
    }

    package struct Document {
        package var root: ConfigNode?
        /// Duplicate keys and the like: the document is readable but wrong.
        package var faults: [Failure]
    }

    private struct Anchored {
        var node: ConfigNode
        var size: Int
    }

    private let parser: YAMLEventReader
    private let limits: Limits
    private var anchors: [String: Anchored] = [:]
    private var nodes = 0
    private var faults: [Failure] = []

    /// `text` holds one document; `firstLine` is the number of its first line in the file.
    package static func compose(_ text: Substring, firstLine: Int, limits: Limits) throws(Failure) -> Document {
        var bytes = Array(text.utf8)
        // A document is cut out of its stream, so a %TAG or %YAML directive before it has no meaning any more.
        if bytes.isEmpty { bytes = [UInt8(ascii: "\n")] }
        var composer = DocumentComposer(
            parser: YAMLEventReader(bytes: bytes, lineOffset: firstLine - 1),
            limits: limits
        )
        return try composer.document()
    }

    private init(parser: YAMLEventReader, limits: Limits) {
        self.parser = parser
        self.limits = limits
    }

    private mutating func document() throws(Failure) -> Document {
        while true {
            let event = try parser.next()
            switch event.kind {
            case .streamStart, .documentStart: continue
            case .streamEnd, .documentEnd: return Document(root: nil, faults: faults)
            default:
                let root = try node(from: event, depth: 0)
                // What follows the root may still be malformed; read to the end so that it is reported.
                while try parser.next().kind != .streamEnd {}
                return Document(root: root, faults: faults)
            }
        }
    }

    private mutating func node(from event: YAMLEventReader.Event, depth: Int) throws(Failure) -> ConfigNode {
        guard depth <= limits.depth else {
            throw Failure(position: event.position, message: "nested deeper than \(limits.depth) levels")
        }
        let before = nodes
        try count(1, at: event.position)
        let content: ConfigNode.Content
        switch event.kind {
        case .alias(let name):
            guard let anchored = anchors[name] else {
                throw Failure(position: event.position, message: "unknown alias *\(name): no &\(name) before it")
            }
            try count(anchored.size, at: event.position)
            return anchored.node
        case .scalar(let text, let isPlain):
            content = .scalar(.init(text: text, isPlain: isPlain))
        case .sequenceStart:
            var elements: [ConfigNode] = []
            while true {
                let next = try parser.next()
                if next.kind == .sequenceEnd { break }
                elements.append(try node(from: next, depth: depth + 1))
            }
            content = .sequence(elements)
        case .mappingStart:
            content = .mapping(try entries(depth: depth))
        default:
            throw Failure(position: event.position, message: "unexpected end of the document")
        }
        let node = ConfigNode(content: content, position: event.position)
        if let anchor = event.anchor { anchors[anchor] = Anchored(node: node, size: nodes - before) }
        return node
    }

    private mutating func entries(depth: Int) throws(Failure) -> [ConfigNode.Entry] {
        var entries: [ConfigNode.Entry] = []
        var seen: [String: ConfigNode.Position] = [:]
        var merges: [ConfigNode] = []
        while true {
            let keyEvent = try parser.next()
            if keyEvent.kind == .mappingEnd { break }
            let keyNode = try node(from: keyEvent, depth: depth + 1)
            guard case .scalar(let key) = keyNode.content else {
                throw Failure(
                    position: keyEvent.position, message: "a key must be text, not \(keyNode.kindDescription)")
            }
            let value = try node(from: try parser.next(), depth: depth + 1)
            if key.text == "<<", key.isPlain {
                merges.append(value)
            } else if let first = seen[key.text] {
                faults.append(
                    Failure(
                        position: keyEvent.position,
                        message: "key \"\(key.text)\" is given twice (first at line \(first.line))"
                    )
                )
            } else {
                seen[key.text] = keyEvent.position
                entries.append(.init(key: key.text, keyPosition: keyEvent.position, value: value))
            }
        }
        for merge in merges { try self.merge(merge, into: &entries, seen: &seen) }
        return entries
    }

    /// YAML 1.1 merge keys: `<<: *base` and `<<: [*a, *b]`; keys that are given directly win.
    private mutating func merge(
        _ node: ConfigNode,
        into entries: inout [ConfigNode.Entry],
        seen: inout [String: ConfigNode.Position]
    ) throws(Failure) {
        switch node.content {
        case .mapping(let merged):
            for entry in merged where seen[entry.key] == nil {
                seen[entry.key] = entry.keyPosition
                entries.append(entry)
            }
        case .sequence(let elements):
            for element in elements {
                guard case .mapping = element.content else {
                    throw Failure(
                        position: element.position, message: "<< takes mappings, not \(element.kindDescription)")
                }
                try merge(element, into: &entries, seen: &seen)
            }
        case .scalar:
            throw Failure(position: node.position, message: "<< takes a mapping, not \(node.kindDescription)")
        }
    }

    private mutating func count(_ added: Int, at position: ConfigNode.Position) throws(Failure) {
        nodes += added
        guard nodes <= limits.nodes else {
            throw Failure(
                position: position,
                message: "more than \(limits.nodes) values in one document (aliases count expanded)"
            )
        }
    }
}
