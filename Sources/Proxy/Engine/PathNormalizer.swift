internal import HeaderBlock

/// Path normalisation as Envoy's `normalize_path` (RFC 3986 section 5.2.4, unreserved characters unescaped, backslash as
/// slash) and `merge_slashes`. The query is left alone.
enum PathNormalizer {
    /// Whether the path may change: one look at its bytes.
    static func needsWork(_ bytes: borrowing Span<UInt8>, _ path: ByteRange, dots: Bool, merging: Bool) -> Bool {
        var index = path.lowerBound
        var previous: UInt8 = 0
        while index < path.upperBound {
            let byte = bytes[index]
            if byte == 0x3f || byte == 0x23 { return byte == 0x23 }
            if dots, byte == 0x25 || byte == 0x5c { return true }
            if dots, byte == 0x2e, previous == 0x2f { return true }
            if merging, byte == 0x2f, previous == 0x2f { return true }
            previous = byte
            index &+= 1
        }
        return false
    }

    /// The path with its escaped slashes unescaped; nil when there is none.
    /// - Parameter path: without its query.
    static func unescapeSlashes(_ bytes: borrowing Span<UInt8>, _ path: ByteRange) -> [UInt8]? {
        var text: [UInt8] = []
        var found = false
        var index = path.lowerBound
        while index < path.upperBound {
            if bytes[index] == 0x25, index + 2 < path.upperBound {
                let high = bytes[index + 1]
                let low = bytes[index + 2] | 0x20
                if high == 0x32 && low == 0x66 || high == 0x35 && low == 0x63 {
                    found = true
                    text.append(high == 0x32 ? 0x2f : 0x5c)
                    index += 3
                    continue
                }
            }
            text.append(bytes[index])
            index += 1
        }
        return found ? text : nil
    }

    /// Appends the normalised path to `output`; false when it holds an encoded zero, which some backends end it at.
    /// - Parameters:
    ///   - dots: removes dot segments and unescapes what needs no escape (`normalize_path`).
    ///   - merging: makes one slash of several (`merge_slashes`).
    static func normalize(
        _ bytes: borrowing Span<UInt8>, _ path: ByteRange, dots: Bool, merging: Bool, into output: inout [UInt8]
    ) -> Bool {
        var end = path.lowerBound
        while end < path.upperBound, bytes[end] != 0x3f, bytes[end] != 0x23 { end += 1 }
        var plain: [UInt8] = []
        var index = path.lowerBound
        while index < end {
            var byte = bytes[index]
            if dots, byte == 0x25, index + 2 < end, let high = hex(bytes[index + 1]), let low = hex(bytes[index + 2]) {
                let decoded = high << 4 | low
                if decoded == 0 { return false }
                if isUnreserved(decoded) {
                    plain.append(decoded)
                } else {
                    plain.append(contentsOf: [0x25, bytes[index + 1], bytes[index + 2]])
                }
                index += 3
                continue
            }
            if dots, byte == 0x5c { byte = 0x2f }
            plain.append(byte)
            index += 1
        }
        // Two passes, as Envoy's: in the first an empty segment is one that `..` takes back.
        if dots, merging {
            var whole: [UInt8] = []
            removeSegments(plain, dots: true, merging: false, into: &whole)
            removeSegments(whole, dots: false, merging: true, into: &output)
        } else {
            removeSegments(plain, dots: dots, merging: merging, into: &output)
        }
        // A fragment never belongs in a request.
        while end < path.upperBound, bytes[end] != 0x23 {
            output.append(bytes[end])
            end += 1
        }
        return true
    }

    private static func removeSegments(_ path: [UInt8], dots: Bool, merging: Bool, into output: inout [UInt8]) {
        let segments = path.split(separator: 0x2f, omittingEmptySubsequences: false).dropFirst()
        var kept: [ArraySlice<UInt8>] = []
        for (offset, segment) in segments.enumerated() {
            let isLast = offset == segments.count - 1
            if dots, segment.elementsEqual([0x2e]) {
                if isLast { kept.append([]) }
            } else if dots, segment.elementsEqual([0x2e, 0x2e]) {
                // Above the root there is nothing: the path stays at it (RFC 3986 section 5.2.4).
                _ = kept.popLast()
                if isLast { kept.append([]) }
            } else if merging, segment.isEmpty, !isLast {
                continue
            } else {
                kept.append(segment)
            }
        }
        if kept.isEmpty { output.append(0x2f) }
        for segment in kept {
            output.append(0x2f)
            output.append(contentsOf: segment)
        }
    }

    private static func hex(_ byte: UInt8) -> UInt8? {
        if byte &- 0x30 < 10 { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        let letter = (byte | 0x20) &- 0x61
        return letter < 26 || byte &- 0x30 < 10 || byte == 0x2d || byte == 0x2e || byte == 0x5f || byte == 0x7e
    }
}
