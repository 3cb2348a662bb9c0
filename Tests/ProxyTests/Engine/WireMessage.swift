/// A whole HTTP/1.1 message as the far ends of a simulation see it: a reader of its own, so that the engine's parser is not
/// judged by itself.
struct WireMessage {
    var startLine = ""
    var fields: [(name: String, value: String)] = []
    var body: [UInt8] = []
    var trailers: [(name: String, value: String)] = []
    var isInterim: Bool { startLine.hasPrefix("HTTP/1.1 1") }
    var status: Int { Int(startLine.split(separator: " ").dropFirst().first ?? "") ?? 0 }

    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    func all(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    /// Takes one message from the front of `bytes`; nil when it is not whole. `ended` says that no more bytes come.
    static func take(from bytes: inout [UInt8], answersHead: Bool = false, ended: Bool = false) -> WireMessage? {
        guard let end = find(Array("\r\n\r\n".utf8), in: bytes, from: 0) else { return nil }
        var message = WireMessage()
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        message.startLine = lines[0]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            message.fields.append((line[..<colon].lowercased(), String(value)))
        }
        var position = end + 4
        let isResponse = message.startLine.hasPrefix("HTTP/")
        let hasNoBody =
            isResponse && (answersHead || message.status < 200 || message.status == 204 || message.status == 304)
        if hasNoBody {
            // Nothing follows.
        } else if message["transfer-encoding"] == "chunked" {
            while true {
                guard let line = find([13, 10], in: bytes, from: position) else { return nil }
                guard let size = Int(String(decoding: bytes[position..<line], as: UTF8.self), radix: 16) else {
                    return nil
                }
                position = line + 2
                if size == 0 {
                    guard let rest = takeTrailers(bytes, from: position, into: &message.trailers) else { return nil }
                    position = rest
                    break
                }
                guard bytes.count >= position + size + 2 else { return nil }
                message.body += bytes[position..<(position + size)]
                position += size + 2
            }
        } else if let length = message["content-length"].flatMap({ Int($0) }) {
            guard bytes.count >= position + length else { return nil }
            message.body = Array(bytes[position..<(position + length)])
            position += length
        } else if isResponse {
            guard ended else { return nil }
            message.body = Array(bytes[position...])
            position = bytes.count
        }
        bytes.removeFirst(position)
        return message
    }

    /// Reads trailer lines and the empty line; the offset behind them, or nil when they are not all there.
    private static func takeTrailers(
        _ bytes: [UInt8], from start: Int, into trailers: inout [(name: String, value: String)]
    ) -> Int? {
        var position = start
        while let line = find([13, 10], in: bytes, from: position) {
            if line == position { return line + 2 }
            let text = String(decoding: bytes[position..<line], as: UTF8.self)
            if let colon = text.firstIndex(of: ":") {
                let value = text[text.index(after: colon)...].drop { $0 == " " }
                trailers.append((text[..<colon].lowercased(), String(value)))
            }
            position = line + 2
        }
        return nil
    }

    private static func find(_ needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        guard bytes.count >= start + needle.count else { return nil }
        var index = start
        while index + needle.count <= bytes.count {
            if Array(bytes[index..<(index + needle.count)]) == needle { return index }
            index += 1
        }
        return nil
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
