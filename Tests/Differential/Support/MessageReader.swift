import Foundation

/// How the length of a message's body is told.
enum Framing: String {
    case none
    case length
    case chunked
    case close
}

/// A message as it came over the wire.
struct ReceivedMessage {
    var startLine = ""
    /// In the order of their coming, names as sent.
    var headers: [(name: String, value: String)] = []
    var framing = Framing.none
    var body: [UInt8] = []
    var trailers: [(name: String, value: String)] = []
    var isComplete = false
    /// HTTP/2: how the stream ended, and the interim responses before.
    var end: String?
    var interim: [String] = []

    func value(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name }?.value
    }

    var status: Int? {
        let words = startLine.split(separator: " ")
        return words.count > 1 && words[0].hasPrefix("HTTP/") ? Int(words[1]) : nil
    }
}

/// Reads messages from a wire; keeps what came behind them.
struct MessageReader {
    let wire: Wire
    var buffer: [UInt8] = []
    var end: WireEnd?

    init(_ wire: Wire) { self.wire = wire }

    private mutating func more(_ patience: Int) throws {
        if let end { throw end }
        do {
            buffer += try wire.receive(within: patience)
        } catch let stop as WireEnd {
            if stop != .timeout { end = stop }
            throw stop
        }
    }

    private mutating func line(_ patience: Int) throws -> String {
        while true {
            if let index = buffer.firstIndex(of: 10) {
                var line = buffer[..<index]
                if line.last == 13 { line = line.dropLast() }
                let text = String(decoding: line, as: UTF8.self)
                buffer.removeSubrange(...index)
                return text
            }
            try more(patience)
        }
    }

    private mutating func fields(_ patience: Int) throws -> [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        while true {
            let text = try line(patience)
            if text.isEmpty { return result }
            let colon = text.firstIndex(of: ":") ?? text.endIndex
            let value = colon < text.endIndex ? text[text.index(after: colon)...] : ""
            result.append((String(text[..<colon]), value.trimmingCharacters(in: .whitespaces)))
        }
    }

    /// The head of the next message, the framing told by its fields.
    mutating func head(within patience: Int) throws -> ReceivedMessage {
        var message = ReceivedMessage()
        repeat { message.startLine = try line(patience) } while message.startLine.isEmpty
        message.headers = try fields(patience)
        if message.value("transfer-encoding")?.lowercased().contains("chunked") == true {
            message.framing = .chunked
        } else if let length = message.value("content-length").flatMap({ Int($0) }) {
            message.framing = length > 0 || message.status != nil ? .length : .none
        } else if message.status != nil {
            message.framing = .close
        }
        return message
    }

    /// Reads the body into `message`; what came of it stays there when the wire ends first.
    mutating func body(of message: inout ReceivedMessage, within patience: Int) throws {
        switch message.framing {
        case .none: break
        case .length:
            var left = message.value("content-length").flatMap { Int($0) } ?? 0
            while left > 0 {
                if buffer.isEmpty { try more(patience) }
                let part = buffer.prefix(left)
                message.body += part
                left -= part.count
                buffer.removeFirst(part.count)
            }
        case .chunked:
            while true {
                let size = try line(patience)
                guard var left = Int(size.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces), radix: 16) else {
                    throw WireEnd.closed
                }
                if left == 0 { break }
                while left > 0 {
                    if buffer.isEmpty { try more(patience) }
                    let part = buffer.prefix(left)
                    message.body += part
                    left -= part.count
                    buffer.removeFirst(part.count)
                }
                _ = try line(patience)
            }
            message.trailers = try fields(patience)
        case .close:
            do {
                while true {
                    message.body += buffer
                    buffer = []
                    try more(patience)
                }
            } catch WireEnd.closed {}
        }
        message.isComplete = true
    }
}
