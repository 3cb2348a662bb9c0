extension Span where Element == UInt8 {
    /// Whether the bytes at `range` are `text` exactly.
    package func equals(_ range: ByteRange, _ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard range.count == length else { return false }
        // SAFETY: utf8Start of a literal is valid for utf8CodeUnitCount bytes for the life of the program.
        let literal = unsafe UnsafeBufferPointer(start: text.utf8Start, count: length)
        var index = 0
        while index < length {
            if unsafe self[range.lowerBound &+ index] != literal[index] { return false }
            index &+= 1
        }
        return true
    }

    /// Whether the bytes at `range` are `text`, which must be in lower case, without regard to ASCII case.
    package func equalsIgnoringCase(_ range: ByteRange, _ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard range.count == length else { return false }
        // SAFETY: utf8Start of a literal is valid for utf8CodeUnitCount bytes for the life of the program.
        let literal = unsafe UnsafeBufferPointer(start: text.utf8Start, count: length)
        var index = 0
        while index < length {
            if unsafe asciiLowercased(self[range.lowerBound &+ index]) != literal[index] { return false }
            index &+= 1
        }
        return true
    }

    /// Whether the bytes at `range` are `other` exactly.
    package func equals(_ range: ByteRange, _ other: [UInt8]) -> Bool {
        guard range.count == other.count else { return false }
        return hasPrefix(range, other)
    }

    /// Whether the bytes at `range` are `other`, which must be in lower case, without regard to ASCII case.
    package func equalsIgnoringCase(_ range: ByteRange, _ other: [UInt8]) -> Bool {
        guard range.count == other.count else { return false }
        var index = 0
        while index < other.count {
            if asciiLowercased(self[range.lowerBound &+ index]) != other[index] { return false }
            index &+= 1
        }
        return true
    }

    /// Whether the bytes at `range` begin with `prefix`.
    package func hasPrefix(_ range: ByteRange, _ prefix: [UInt8]) -> Bool {
        guard range.count >= prefix.count else { return false }
        var index = 0
        while index < prefix.count {
            if self[range.lowerBound &+ index] != prefix[index] { return false }
            index &+= 1
        }
        return true
    }

    /// The position of `byte` inside `range`, as an absolute offset; nil when it is not there.
    package func firstIndex(of byte: UInt8, in range: ByteRange) -> Int? {
        var index = range.lowerBound
        while index < range.upperBound {
            if self[index] == byte { return index }
            index &+= 1
        }
        return nil
    }

    /// `range` without spaces and tabs at both ends.
    package func trimmed(_ range: ByteRange) -> ByteRange {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower < upper, self[lower] == 0x20 || self[lower] == 0x09 { lower &+= 1 }
        while upper > lower, self[upper &- 1] == 0x20 || self[upper &- 1] == 0x09 { upper &-= 1 }
        return ByteRange(start: lower, length: upper &- lower)
    }

    /// The unsigned decimal number that fills `range`; nil when it is empty, has another byte, or exceeds 18 digits.
    package func decimal(_ range: ByteRange) -> Int? {
        guard !range.isEmpty, range.count <= 18 else { return nil }
        var number = 0
        var index = range.lowerBound
        while index < range.upperBound {
            let digit = self[index] &- 0x30
            guard digit <= 9 else { return nil }
            number = number &* 10 &+ Int(digit)
            index &+= 1
        }
        return number
    }

    /// The text at `range`, repaired where it is not UTF-8. It allocates: not for the steady state of a request.
    package func string(_ range: ByteRange) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        for index in range.lowerBound..<range.upperBound { bytes.append(self[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The lower-case form of an ASCII letter; every other byte is unchanged.
package func asciiLowercased(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
}
