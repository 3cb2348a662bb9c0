import Yams

/// A word of a conversation in HTTP/2.
enum FrameStep: Sendable {
    case headers([HTTP2Wire.Field], end: Bool)
    case data([UInt8], end: Bool)
    case reset(UInt32)
    /// The code, and the last stream that counts; nil is the newest.
    case goAway(UInt32, last: UInt32?)
    /// A setting and its value.
    case setting(UInt16, UInt32)
    case window(UInt32)
    case ping
    case raw([UInt8])
    case wait(Int)
    case end
    case abort
    /// Says nothing more.
    case stall

    init(_ node: Node) throws {
        let end = node["end"]?.bool ?? false
        switch node.scalar?.string {
        case "close": self = .end
        case "reset": self = .abort
        case "stall": self = .stall
        case "ping": self = .ping
        case .some(let text): throw CaseError("not a step of HTTP/2: \(text)")
        case nil:
            if let lines = node["headers"]?.array() {
                self = .headers(Self.fields(lines), end: end)
            } else if let text = node["data"]?.string {
                self = .data(Array(text.utf8), end: end)
            } else if let size = node["fill"]?.int {
                self = .data([UInt8](repeating: UInt8(ascii: "x"), count: size), end: end)
            } else if let code = node["rst"]?.int {
                self = .reset(UInt32(code))
            } else if let code = node["goaway"]?.int {
                self = .goAway(UInt32(code), last: node["last"]?.int.map(UInt32.init))
            } else if let name = node["setting"]?.int, let value = node["value"]?.int {
                self = .setting(UInt16(name), UInt32(value))
            } else if let increment = node["window"]?.int {
                self = .window(UInt32(increment))
            } else if let bytes = node["raw"]?.array() {
                self = .raw(bytes.compactMap { $0.int.map { UInt8(truncatingIfNeeded: $0) } })
            } else if let time = node["wait"]?.int {
                self = .wait(time)
            } else {
                throw CaseError("not a step of HTTP/2: \(node)")
            }
        }
    }

    /// `name: value` lines; pseudo names begin with their colon.
    static func fields(_ lines: [Node]) -> [HTTP2Wire.Field] {
        lines.map { line in
            let text = line.string ?? ""
            guard let colon = text.dropFirst().firstIndex(of: ":") else { return (text, "") }
            return (String(text[..<colon]), text[text.index(after: colon)...].trimmingPrefix(" ").description)
        }
    }

    /// What a backend answers with, from the same words as an answer in HTTP/1.1.
    static func response(_ node: Node) throws -> [FrameStep] {
        if node.scalar != nil { return [try FrameStep(node)] }
        if let sequence = node.sequence { return try sequence.map(FrameStep.init) }
        var steps: [FrameStep] = []
        if let delay = node["delay"]?.int { steps.append(.wait(delay)) }
        if node["status"] != nil || node["headers"] != nil || node["body"] != nil || node["chunks"] != nil {
            let staysOpen = node["open"]?.bool ?? false
            let status: HTTP2Wire.Field = (":status", "\(node["status"]?.int ?? 200)")
            let headers = [status] + fields(node["headers"]?.array() ?? [])
            let parts = node["chunks"]?.array().map { $0.string ?? "" } ?? [node["body"]?.string].compactMap { $0 }
            let trailers = node["trailers"].map { fields($0.array()) }
            steps.append(.headers(headers, end: parts.isEmpty && trailers == nil && !staysOpen))
            for (index, part) in parts.enumerated() {
                let isLast = index == parts.count - 1 && trailers == nil && !staysOpen
                steps.append(.data(Array(part.utf8), end: isLast))
            }
            if let trailers { steps.append(.headers(trailers, end: true)) }
        }
        for step in node["then"]?.array() ?? [] { steps.append(try FrameStep(step)) }
        return steps
    }

    /// A client's request, from the same words as a request in HTTP/1.1.
    static func request(_ node: Node, number: Int) throws -> [FrameStep] {
        let words = (node["request"]?.string ?? "GET /").split(separator: " ").map(String.init)
        var head: [HTTP2Wire.Field] = []
        if let lines = node["fields"]?.array() {
            head = fields(lines)
        } else {
            head = [
                (":method", words[0]), (":scheme", node["tls"] == nil ? "http" : "https"),
                (":authority", node["host"]?.string ?? "test.example"), (":path", words.count > 1 ? words[1] : "/"),
            ]
        }
        head += [("x-case", "\(number)")] + fields(node["headers"]?.array() ?? [])
        let parts = node["chunks"]?.array().map { $0.string ?? "" } ?? [node["body"]?.string].compactMap { $0 }
        let trailers = node["trailers"].map { fields($0.array()) }
        let staysOpen = node["open"]?.bool ?? false
        var steps = [FrameStep.headers(head, end: parts.isEmpty && trailers == nil && !staysOpen)]
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1 && trailers == nil && !staysOpen
            steps.append(.data(Array(part.utf8), end: isLast))
        }
        if let trailers { steps.append(.headers(trailers, end: true)) }
        return steps
    }
}

extension HTTP2Wire {
    /// Says a word on a stream. False: the conversation is over.
    func say(_ step: FrameStep, on stream: UInt32) throws -> Bool {
        switch step {
        case .headers(let fields, let end): try send(Self.headers(stream, fields, end: end))
        case .data(let bytes, let end): try send(Self.data(stream, bytes, end: end))
        case .reset(let code):
            try send(Frame(type: Frame.reset, stream: stream, payload: Frame.number(code)).bytes)
        case .goAway(let code, let last):
            try send(
                Frame(type: Frame.goAway, payload: Frame.number(last ?? stream) + Frame.number(code)).bytes)
        case .setting(let name, let value):
            let payload = [UInt8(name >> 8), UInt8(name & 255)] + Frame.number(value)
            try send(Frame(type: Frame.settings, payload: payload).bytes)
        case .window(let increment):
            try send(Frame(type: Frame.windowUpdate, stream: stream, payload: Frame.number(increment)).bytes)
        case .ping: try send(Frame(type: Frame.ping, payload: Array("martlet!".utf8)).bytes)
        case .raw(let bytes): try send(bytes)
        case .wait(let milliseconds):
            try letGo()
            wire.pause(milliseconds)
        case .end:
            try letGo()
            wire.close()
            return false
        case .abort:
            try letGo()
            wire.reset()
            return false
        case .stall: return false
        }
        return true
    }
}
