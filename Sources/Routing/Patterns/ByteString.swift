internal import Glibc

/// Byte comparisons over spans. The only unsafe pointers of this target besides `RegexProgram` live here.
package enum ByteString {
    /// Whether `a` and `b` hold the same bytes.
    @inline(__always)
    package static func equal(_ a: borrowing Span<UInt8>, _ b: borrowing Span<UInt8>) -> Bool {
        a.count == b.count && startsSame(a, b, b.count)
    }

    /// Whether `text` begins with `prefix`.
    @inline(__always)
    package static func hasPrefix(_ text: borrowing Span<UInt8>, _ prefix: borrowing Span<UInt8>) -> Bool {
        text.count >= prefix.count && startsSame(text, prefix, prefix.count)
    }

    /// Whether `text` ends with `suffix`.
    @inline(__always)
    package static func hasSuffix(_ text: borrowing Span<UInt8>, _ suffix: borrowing Span<UInt8>) -> Bool {
        guard text.count >= suffix.count else { return false }
        return equal(text.extracting((text.count - suffix.count)..<text.count), suffix)
    }

    /// Whether `text` holds `needle` anywhere; an empty needle is everywhere.
    package static func contains(_ text: borrowing Span<UInt8>, _ needle: borrowing Span<UInt8>) -> Bool {
        guard text.count >= needle.count else { return false }
        guard needle.count > 0 else { return true }
        var start = 0
        while true {
            start += firstIndex(of: needle[0], in: text.extracting(start..<text.count))
            guard start + needle.count <= text.count else { return false }
            if hasPrefix(text.extracting(start..<text.count), needle) { return true }
            start += 1
        }
    }

    /// As `equal`, with ASCII letters of `text` folded; `lowered` must be lower case already.
    package static func equalFolded(_ text: borrowing Span<UInt8>, _ lowered: borrowing Span<UInt8>) -> Bool {
        text.count == lowered.count && hasPrefixFolded(text, lowered)
    }

    package static func hasPrefixFolded(_ text: borrowing Span<UInt8>, _ lowered: borrowing Span<UInt8>) -> Bool {
        guard text.count >= lowered.count else { return false }
        for index in lowered.indices where lower(text[index]) != lowered[index] { return false }
        return true
    }

    package static func hasSuffixFolded(_ text: borrowing Span<UInt8>, _ lowered: borrowing Span<UInt8>) -> Bool {
        guard text.count >= lowered.count else { return false }
        return hasPrefixFolded(text.extracting((text.count - lowered.count)..<text.count), lowered)
    }

    package static func containsFolded(_ text: borrowing Span<UInt8>, _ lowered: borrowing Span<UInt8>) -> Bool {
        guard text.count >= lowered.count else { return false }
        for start in 0...(text.count - lowered.count) {
            if hasPrefixFolded(text.extracting(start..<text.count), lowered) { return true }
        }
        return false
    }

    /// The ASCII lower case of one byte.
    @inline(__always)
    package static func lower(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// The offset of the first `byte` in `text`, or `text.count`.
    @inline(__always)
    package static func firstIndex(of byte: UInt8, in text: borrowing Span<UInt8>) -> Int {
        text.withUnsafeBufferPointer { buffer in
            // SAFETY: memchr reads at most `count` bytes of a live buffer and answers an address inside it.
            guard let base = buffer.baseAddress, let hit = memchr(base, Int32(byte), buffer.count) else {
                return buffer.count
            }
            return UnsafeRawPointer(hit) - UnsafeRawPointer(base)
        }
    }

    /// An integer in optional sign and decimal digits; nil for anything else or out of range.
    package static func integer(_ text: borrowing Span<UInt8>) -> Int64? {
        var index = 0
        var negative = false
        if text.count > 0, text[0] == 0x2D || text[0] == 0x2B {
            negative = text[0] == 0x2D
            index = 1
        }
        guard index < text.count, text.count - index <= 18 else { return nil }
        var value: Int64 = 0
        while index < text.count {
            let digit = text[index] &- 0x30
            guard digit <= 9 else { return nil }
            value = value * 10 + Int64(digit)
            index += 1
        }
        return negative ? -value : value
    }

    @inline(__always)
    private static func startsSame(_ a: borrowing Span<UInt8>, _ b: borrowing Span<UInt8>, _ count: Int) -> Bool {
        guard count > 0 else { return true }
        return a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                guard let x = a.baseAddress, let y = b.baseAddress else { return false }
                // SAFETY: both callers checked that each span holds at least `count` bytes.
                return memcmp(x, y, count) == 0
            }
        }
    }
}
