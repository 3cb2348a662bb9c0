package import HeaderBlock

/// Finds payload and end of a message body (RFC 9112 sections 6 and 7), strict about chunk framing.
///
/// States: `data(left)` -> ... -> `complete`; chunked: `size` -> `data(left)` -> `dataEnd` -> `size` -> ... -> `trailers`
/// -> `complete`. The decoder keeps no bytes: incomplete framing lines stay with the caller until there are more.
package struct BodyDecoder: Sendable {
    private enum State: Sendable, Equatable {
        case fixed, untilClose
        case size, chunk, chunkEnd, trailers
        case complete
    }

    /// One step over the caller's bytes.
    package struct Step: Sendable, Equatable {
        /// Bytes done with, framing and payload, from the given offset on. Payload, if any, is the last part of them.
        package var consumed = 0
        /// The payload among them.
        package var payload = ByteRange.empty
        package var error: MessageError?
        /// Nothing can be consumed until there are more bytes.
        package var needsMore = false
        /// The bytes are one trailer line with its end.
        package var isTrailer = false
    }

    private var state: State
    private var left: Int
    private var trailerBytes = 0
    /// Payload bytes so far.
    package private(set) var payloadBytes = 0

    package init(_ framing: BodyFraming) {
        left = 0
        switch framing {
        case .none: state = .complete
        case .length(let count):
            state = count == 0 ? .complete : .fixed
            left = count
        case .chunked: state = .size
        case .untilClose: state = .untilClose
        }
    }

    package var isComplete: Bool { state == .complete }
    package var endsWithConnection: Bool { state == .untilClose }

    /// Payload that came without HTTP/1 framing went by.
    package mutating func count(_ bytes: Int) { payloadBytes &+= bytes }

    /// The peer closed: the body's end for `untilClose`, and only there.
    package mutating func close() -> Bool {
        if state == .untilClose { state = .complete }
        return state == .complete
    }

    /// Takes as much as is there, framing and payload together, for forwarding as it is. `payload` is not set.
    @inline(__always)
    package mutating func scan(_ bytes: borrowing Span<UInt8>, from offset: Int, limits: Limits) -> Step {
        var total = Step()
        while state != .complete, offset &+ total.consumed < bytes.count {
            let step = next(bytes, from: offset &+ total.consumed, limits: limits)
            total.consumed &+= step.consumed
            if step.error != nil || step.needsMore {
                total.error = step.error
                total.needsMore = step.needsMore
                break
            }
        }
        return total
    }

    /// Takes one piece: framing, or framing and payload.
    @inline(__always)
    package mutating func next(_ bytes: borrowing Span<UInt8>, from offset: Int, limits: Limits) -> Step {
        let available = bytes.count &- offset
        var step = Step()
        switch state {
        case .complete: break
        case .untilClose:
            step.consumed = available
            step.payload = ByteRange(start: offset, length: available)
            payloadBytes &+= available
        case .fixed:
            let count = min(available, left)
            step.consumed = count
            step.payload = ByteRange(start: offset, length: count)
            payloadBytes &+= count
            left &-= count
            if left == 0 { state = .complete }
        default: step = nextChunked(bytes, offset, limits)
        }
        return step
    }

    private mutating func nextChunked(_ bytes: borrowing Span<UInt8>, _ offset: Int, _ limits: Limits) -> Step {
        var step = Step()
        switch state {
        case .size: step = size(bytes, offset, limits)
        case .chunk:
            let count = min(bytes.count &- offset, left)
            step.consumed = count
            step.payload = ByteRange(start: offset, length: count)
            payloadBytes &+= count
            left &-= count
            if left == 0 { state = .chunkEnd }
        case .chunkEnd:
            if bytes[offset] != 0x0d {
                step.error = .badChunkEnd
            } else if offset &+ 1 >= bytes.count {
                step.needsMore = true
            } else if bytes[offset &+ 1] != 0x0a {
                step.error = .badChunkEnd
            } else {
                step.consumed = 2
                state = .size
            }
        case .trailers: step = trailer(bytes, offset, limits)
        case .fixed, .untilClose, .complete: break
        }
        return step
    }

    /// `chunk-size [ chunk-ext ] CRLF`
    private mutating func size(_ bytes: borrowing Span<UInt8>, _ offset: Int, _ limits: Limits) -> Step {
        var step = Step()
        var index = offset
        var number = 0
        while index < bytes.count, let digit = hexDigit(bytes[index]) {
            guard index &- offset < 15 else {
                step.error = .badChunkSize
                return step
            }
            number = number << 4 | digit
            index &+= 1
        }
        let digits = index &- offset
        if digits == 0, index < bytes.count {
            step.error = .badChunkSize
            return step
        }
        if index < bytes.count, bytes[index] != 0x0d {
            // BWS and extensions: nobody's business here, but they must be clean text.
            guard bytes[index] == 0x3b || CharacterClass.isBlank(bytes[index]) else {
                step.error = .badChunkSize
                return step
            }
            index = CharacterClass.endOfValue(bytes, index)
        }
        guard index &- offset <= limits.chunkLineBytes else {
            step.error = .badChunkExtension
            return step
        }
        guard index &+ 1 < bytes.count else {
            if index < bytes.count, bytes[index] != 0x0d {
                step.error = .badChunkExtension
            } else {
                step.needsMore = true
            }
            return step
        }
        guard bytes[index] == 0x0d, bytes[index &+ 1] == 0x0a else {
            step.error = .badChunkExtension
            return step
        }
        step.consumed = index &+ 2 &- offset
        left = number
        state = number == 0 ? .trailers : .chunk
        return step
    }

    /// One trailer line, or the empty line at the end.
    private mutating func trailer(_ bytes: borrowing Span<UInt8>, _ offset: Int, _ limits: Limits) -> Step {
        var step = Step()
        var index = offset
        if bytes[index] == 0x0d {
            if index &+ 1 >= bytes.count {
                step.needsMore = true
            } else if bytes[index &+ 1] != 0x0a {
                step.error = .badTrailer
            } else {
                step.consumed = 2
                state = .complete
            }
            return step
        }
        while index < bytes.count, CharacterClass.isToken(bytes[index]) { index &+= 1 }
        let name = ByteRange(start: offset, length: index &- offset)
        if index < bytes.count, bytes[index] != 0x3a || name.isEmpty {
            step.error = .badTrailer
            return step
        }
        index = CharacterClass.endOfValue(bytes, index)
        guard trailerBytes &+ index &- offset <= limits.trailerBytes else {
            step.error = .trailersTooLarge
            return step
        }
        guard index &+ 1 < bytes.count else {
            if index < bytes.count, bytes[index] != 0x0d { step.error = .badTrailer } else { step.needsMore = true }
            return step
        }
        guard bytes[index] == 0x0d, bytes[index &+ 1] == 0x0a else {
            step.error = .badTrailer
            return step
        }
        switch KnownHeader.classify(bytes, name) {
        // Framing, routing and credentials have no place behind the body (RFC 9110 section 6.5.1).
        case .contentLength, .transferEncoding, .host, .connection, .te, .trailer, .authorization, .contentType:
            step.error = .forbiddenTrailer
            return step
        default: break
        }
        step.consumed = index &+ 2 &- offset
        step.isTrailer = true
        trailerBytes &+= step.consumed
        return step
    }

    private func hexDigit(_ byte: UInt8) -> Int? {
        if byte &- 0x30 < 10 { return Int(byte &- 0x30) }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? Int(letter) &+ 10 : nil
    }
}
