internal import CYaml

/// libyaml's event stream over bytes that this object owns.
///
/// SAFETY: `parser` and `input` are allocated once, never move (libyaml keeps pointers into both) and live until deinit;
/// every event is copied out and deleted before `next` returns.
final class YAMLEventReader {
    enum Kind: Equatable {
        case streamStart, streamEnd, documentStart, documentEnd, sequenceStart, sequenceEnd, mappingStart, mappingEnd
        case alias(String)
        case scalar(String, isPlain: Bool)
    }

    struct Event {
        var kind: Kind
        var anchor: String?
        var position: ConfigNode.Position
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let lineOffset: Int

    init(bytes: [UInt8], lineOffset: Int) {
        self.lineOffset = lineOffset
        input = .allocate(capacity: bytes.count)
        _ = input.initialize(from: bytes)
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, input.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event; a scanner or parser error is thrown with its position in the file.
    func next() throws(DocumentComposer.Failure) -> Event {
        // After the end libyaml repeats an empty event.
        guard parser.pointee.stream_end_produced == 0 else {
            return Event(kind: .streamEnd, anchor: nil, position: position(parser.pointee.mark))
        }
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
        defer { yaml_event_delete(&event) }
        let at = position(event.start_mark)
        switch event.type {
        case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, anchor: nil, position: at)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, anchor: nil, position: at)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, anchor: nil, position: at)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, anchor: nil, position: at)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, anchor: nil, position: at)
        case YAML_ALIAS_EVENT:
            return Event(kind: .alias(text(event.data.alias.anchor) ?? ""), anchor: nil, position: at)
        case YAML_SEQUENCE_START_EVENT:
            return Event(kind: .sequenceStart, anchor: text(event.data.sequence_start.anchor), position: at)
        case YAML_MAPPING_START_EVENT:
            return Event(kind: .mappingStart, anchor: text(event.data.mapping_start.anchor), position: at)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let value = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.plain_implicit == 1
            return Event(kind: .scalar(value, isPlain: isPlain), anchor: text(scalar.anchor), position: at)
        default:
            return Event(kind: .streamEnd, anchor: nil, position: at)
        }
    }

    private func failure() -> DocumentComposer.Failure {
        let state = parser.pointee
        if state.error == YAML_READER_ERROR {
            let before = input.prefix(min(state.problem_offset, input.count))
            let line = before.count { $0 == UInt8(ascii: "\n") }
            let problem = state.problem.map { String(cString: $0) } ?? "unreadable text"
            return .init(
                position: .init(line: line + 1 + lineOffset, column: 1),
                message: "\(problem): the file must be UTF-8 without control characters"
            )
        }
        let problem = state.problem.map { String(cString: $0) } ?? "malformed YAML"
        let context = state.context.map { " (\(String(cString: $0)))" } ?? ""
        return .init(position: position(state.problem_mark), message: "not valid YAML: \(problem)\(context)")
    }

    private func position(_ mark: yaml_mark_t) -> ConfigNode.Position {
        .init(line: mark.line + 1 + lineOffset, column: mark.column + 1)
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }
}
