/// Reads HTTP/1.1 messages on the far side of a simulation, byte by byte if need be: a reader of its own, so that the
/// engine's parser is not judged by itself. Bodies are not kept, only their length and checksum.
struct WireReader {
    struct Message {
        var method = ""
        var status = 0
        /// `x-sim`: which request it is, or answers.
        var id: Int?
        /// `x-sum`: the checksum of the body that the sender meant to send.
        var declaredSum: UInt64?
        var closes = false
        var length = 0
        var sum = Checksum()
        var isWhole = false

        /// The body is what its sender said it would be.
        var isIntact: Bool { declaredSum == nil || declaredSum == sum.value }
    }

    enum Failure: Error { case malformed(String) }

    private enum State { case head, length(Int), chunkSize, chunk(Int), chunkEnd(Int), trailers, untilEnd }

    let readsRequests: Bool
    /// The next response answers a HEAD request: no body follows.
    var answersHead = false
    private var state = State.head
    private var line: [UInt8] = []
    private(set) var current = Message()
    /// Whether a message has begun that is not whole.
    var isInside: Bool {
        if case .head = state { return !line.isEmpty }
        return true
    }
    var isPastHead: Bool {
        if case .head = state { return false }
        return true
    }

    init(readsRequests: Bool) { self.readsRequests = readsRequests }

    /// Reads on; returns a message when one became whole, with what is left of `bytes` for the next call.
    mutating func read(_ bytes: inout ArraySlice<UInt8>) throws -> Message? {
        while let byte = bytes.first {
            switch state {
            case .head:
                bytes = bytes.dropFirst()
                line.append(byte)
                guard byte == 10, line.count >= 4, line[line.count - 3] == 10 else { continue }
                try beginMessage()
                if case .length(0) = state { return finish() }
            case .length(let left):
                let part = bytes.prefix(left)
                take(part)
                bytes = bytes.dropFirst(part.count)
                state = .length(left - part.count)
                if left == part.count { return finish() }
            case .chunkSize:
                bytes = bytes.dropFirst()
                line.append(byte)
                guard byte == 10 else { continue }
                guard let size = Int(String(decoding: line.dropLast(2), as: UTF8.self), radix: 16) else {
                    throw Failure.malformed("chunk size \(line)")
                }
                line.removeAll()
                state = size == 0 ? .trailers : .chunk(size)
            case .chunk(let left):
                let part = bytes.prefix(left)
                take(part)
                bytes = bytes.dropFirst(part.count)
                state = left == part.count ? .chunkEnd(2) : .chunk(left - part.count)
            case .chunkEnd(let left):
                guard byte == (left == 2 ? 13 : 10) else { throw Failure.malformed("end of a chunk") }
                bytes = bytes.dropFirst()
                state = left == 2 ? .chunkEnd(1) : .chunkSize
            case .trailers:
                bytes = bytes.dropFirst()
                line.append(byte)
                guard byte == 10 else { continue }
                let isLast = line == [13, 10]
                line.removeAll()
                if isLast { return finish() }
            case .untilEnd:
                take(bytes)
                bytes = []
            }
        }
        return nil
    }

    /// The far side has ended; the message that ends with it, if any.
    mutating func end() -> Message? {
        if case .untilEnd = state { return finish() }
        return nil
    }

    private mutating func take(_ part: ArraySlice<UInt8>) {
        current.length += part.count
        current.sum.add(part)
    }

    private mutating func finish() -> Message {
        current.isWhole = true
        state = .head
        line.removeAll()
        defer { current = Message() }
        return current
    }

    private mutating func beginMessage() throws {
        var message = Message()
        var length: Int?
        var isChunked = false
        for (index, raw) in line.split(separator: 10).enumerated() {
            let text = raw.last == 13 ? raw.dropLast() : raw
            if index == 0 {
                let words = text.split(separator: 32)
                guard words.count >= 2 else { throw Failure.malformed(String(decoding: text, as: UTF8.self)) }
                message.method = String(decoding: words[0], as: UTF8.self)
                if !readsRequests { message.status = Int(String(decoding: words[1], as: UTF8.self)) ?? 0 }
                continue
            }
            guard let colon = text.firstIndex(of: 58) else { continue }
            let name = text[..<colon]
            let value = { String(decoding: text[(colon + 1)...].drop { $0 == 32 }, as: UTF8.self) }
            switch name.count {
            case 5 where name.elementsEqual("x-sim".utf8): message.id = Int(value())
            case 5 where name.elementsEqual("x-sum".utf8): message.declaredSum = UInt64(value())
            case 14 where lowercased(name) == "content-length":
                length = Int(value())
                guard length != nil else { throw Failure.malformed("content-length") }
            case 17 where lowercased(name) == "transfer-encoding": isChunked = value() == "chunked"
            case 10 where lowercased(name) == "connection": message.closes = value() == "close"
            default: break
            }
        }
        line.removeAll()
        current = message
        let status = message.status
        if !readsRequests, answersHead && status >= 200 || status < 200 || status == 204 || status == 304 {
            state = .length(0)
        } else if isChunked {
            state = .chunkSize
        } else if let length {
            state = .length(length)
        } else {
            state = readsRequests ? .length(0) : .untilEnd
        }
    }

    private func lowercased(_ name: ArraySlice<UInt8>) -> String {
        String(decoding: name.map { $0 >= 65 && $0 <= 90 ? $0 | 32 : $0 }, as: UTF8.self)
    }
}

/// FNV-1a, 64 bits.
struct Checksum: Equatable {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBufferPointer { for byte in $0 { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 } }
    }

    static func of(_ bytes: [UInt8]) -> UInt64 {
        var sum = Checksum()
        sum.add(bytes[...])
        return sum.value
    }
}
