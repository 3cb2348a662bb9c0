internal import HTTP1
internal import HTTP2
internal import HeaderBlock
internal import Memory

/// How the head of an HTTP/1.1 message was spelled, for one that travels on a stream between two of our proxies and is to come
/// out as it went in: HTTP/2 writes names in small letters and has no reason phrases.
///
/// One field of the stream's head, `x-martlet-spelling`, says it: a mark for each field in their order, Host first, then for
/// a response whose reason phrase is not the usual one the phrase in quotation marks. Fields without a mark are in small letters. Marks
/// are `l` for small letters, `t` for a capital at the start of each word, `u` for capitals, and where neither holds the
/// letters' cases as hexadecimal digits in parentheses, four letters each. Trailers are not spelled.
///
/// Only proxies that agreed by ALPN on `martlet-h2` say or believe it.
enum Spelling {
    static let name: StaticString = "x-martlet-spelling"
    static let applicationProtocol: StaticString = "martlet-h2"

    /// Appends the mark of a name. Returns whether it has capitals.
    static func describe(_ bytes: borrowing Span<UInt8>, _ name: ByteRange, _ output: inout ByteBuffer) -> Bool {
        var hasCapitals = false
        var isTitle = true
        var isUpper = true
        var startsWord = true
        for index in name.lowerBound..<name.upperBound {
            let byte = bytes[index]
            let isCapital = byte &- 0x41 < 26
            let isSmall = byte &- 0x61 < 26
            if isCapital { hasCapitals = true }
            if isSmall { isUpper = false }
            if startsWord ? isSmall : isCapital { isTitle = false }
            startsWord = byte == 0x2d
        }
        if !hasCapitals {
            output.append(0x6c)
        } else if isTitle {
            output.append(0x74)
        } else if isUpper {
            output.append(0x75)
        } else {
            output.append(0x28)
            var index = name.lowerBound
            while index < name.upperBound {
                var digit: UInt8 = 0
                for place in 0..<4 where index + place < name.upperBound && bytes[index + place] &- 0x41 < 26 {
                    digit |= 1 << UInt8(place)
                }
                output.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
                index += 4
            }
            output.append(0x29)
        }
        return hasCapitals
    }

    /// Writes a name as the mark at `position` of the marks says, and moves on to the next mark. Total: what is no mark is
    /// taken for `l`.
    static func apply(_ arena: inout ByteBuffer, _ name: ByteRange, _ position: inout Int, _ end: Int) {
        guard position < end else { return }
        let mark = arena.storage[position]
        position += 1
        switch mark {
        case 0x74, 0x75:
            var startsWord = true
            for index in name.lowerBound..<name.upperBound {
                if startsWord || mark == 0x75 { capitalize(&arena, index) }
                startsWord = arena.storage[index] == 0x2d
            }
        case 0x28:
            var index = name.lowerBound
            while position < end, arena.storage[position] != 0x29 {
                let byte = arena.storage[position]
                let digit = byte &- 0x30 < 10 ? byte &- 0x30 : byte &- 0x57
                for place in 0..<4 where digit >> UInt8(place) & 1 == 1 && index + place < name.upperBound {
                    capitalize(&arena, index + place)
                }
                index += 4
                position += 1
            }
            position += 1
        default: break
        }
    }

    private static func capitalize(_ arena: inout ByteBuffer, _ index: Int) {
        let byte = arena.storage[index]
        if byte &- 0x61 < 26 { arena.set(byte &- 0x20, at: index) }
    }
}

extension Exchange {
    /// Adds to the head that is being written on a stream how its HTTP/1.1 original was spelled. `scratch` is emptied.
    mutating func writeSpelling(
        ofRequest: Bool, usualReason: StaticString = "", _ codec: inout HTTP2Connection, _ output: inout ByteBuffer,
        _ scratch: inout ByteBuffer
    ) {
        scratch.clear()
        let isNeeded =
            ofRequest
            ? Self.describe(request, arena, isRequest: true, rewritesHost: requestHead.isAbsoluteForm, &scratch)
            : Self.describe(response, arena, isRequest: false, rewritesHost: false, &scratch)
        var hasPhrase = false
        if !ofRequest, !arena.storage.equals(response.method, usualReason), isPrintable(response.method) {
            scratch.append(0x22)
            scratch.append(from: arena, offset: response.method.lowerBound, count: response.method.count)
            scratch.append(0x22)
            hasPhrase = true
        }
        guard isNeeded || hasPhrase else { return }
        // SAFETY: a literal's bytes are valid for its utf8CodeUnitCount for the life of the program.
        let name = UnsafeBufferPointer(start: Spelling.name.utf8Start, count: Spelling.name.utf8CodeUnitCount)
        codec.addField(name.span, scratch.bytes, output: &output)
    }

    private func isPrintable(_ range: ByteRange) -> Bool {
        for index in range.lowerBound..<range.upperBound
        where arena.storage[index] < 0x20 || arena.storage[index] == 0x7f {
            return false
        }
        return true
    }

    /// The marks of all fields that the codec writes, in its order.
    private static func describe(
        _ table: borrowing HeaderTable, _ arena: borrowing ByteBuffer, isRequest: Bool, rewritesHost: Bool,
        _ output: inout ByteBuffer
    ) -> Bool {
        var hasCapitals = false
        if isRequest {
            let host = rewritesHost ? nil : Self.hostName(table)
            if let host {
                hasCapitals = Spelling.describe(arena.storage, host, &output)
            } else {
                output.append(0x6c)
            }
        }
        for index in 0..<table.count where !table[index].isRemoved {
            let field = table[index]
            guard HTTP2Connection.carries(field, arena.storage, isRequest: isRequest) else { continue }
            if Spelling.describe(arena.storage, field.name, &output) { hasCapitals = true }
        }
        return hasCapitals
    }

    private static func hostName(_ table: borrowing HeaderTable) -> ByteRange? {
        for index in 0..<table.count where table[index].id == .host && !table[index].isRemoved {
            return table[index].name
        }
        return nil
    }

    /// Takes the spelling out of a head that came on a stream, and spells the head as it says.
    ///
    /// Returns the reason phrase of a response; nil where it is the usual one.
    @discardableResult
    mutating func restoreSpelling(ofRequest: Bool) -> ByteRange? {
        if ofRequest {
            guard let value = Self.takeSpelling(&request, arena) else { return nil }
            return Self.restore(request, &arena, value, isRequest: true)
        }
        guard let value = Self.takeSpelling(&response, arena) else { return nil }
        return Self.restore(response, &arena, value, isRequest: false)
    }

    private static func takeSpelling(_ table: inout HeaderTable, _ arena: borrowing ByteBuffer) -> ByteRange? {
        var value: ByteRange?
        for index in 0..<table.count
        where table[index].id == .other && !table[index].isRemoved
            && arena.storage.equalsIgnoringCase(table[index].name, Spelling.name)
        {
            value = table[index].value
            table.remove(at: index)
        }
        return value
    }

    /// Returns the reason phrase; nil where none is said.
    private static func restore(
        _ table: borrowing HeaderTable, _ arena: inout ByteBuffer, _ value: ByteRange, isRequest: Bool
    ) -> ByteRange? {
        var end = value.lowerBound
        while end < value.upperBound, arena.storage[end] != 0x22 { end += 1 }
        var position = value.lowerBound
        if isRequest {
            if let host = hostName(table) {
                Spelling.apply(&arena, host, &position, end)
            } else {
                position += 1
            }
        }
        for index in 0..<table.count where !table[index].isRemoved && !(isRequest && table[index].id == .host) {
            Spelling.apply(&arena, table[index].name, &position, end)
        }
        return end + 1 < value.upperBound ? ByteRange(start: end + 1, length: value.upperBound - end - 2) : nil
    }
}
