/// Cuts a YAML stream into its documents, so that a syntax error in one cannot hide the others.
///
/// `---` and `...` at the start of a line are document markers everywhere in YAML, even inside block scalars and quoted text
/// (YAML 1.2 section 9.1.2), so cutting by lines is exact.
package enum DocumentSplitter {
    package struct Part: Equatable, Sendable {
        package var text: Substring
        /// Number of the part's first line, from 1.
        package var firstLine: Int
    }

    package static func split(_ text: String) -> [Part] {
        var parts: [Part] = []
        var start = text.startIndex
        var startLine = 1
        var line = 1
        var cursor = text.startIndex
        let bytes = text.utf8

        func close(at end: String.Index) {
            let part = text[start..<end]
            if hasContent(part) { parts.append(Part(text: part, firstLine: startLine)) }
        }

        while cursor < text.endIndex {
            let lineEnd = bytes[cursor...].firstIndex(of: UInt8(ascii: "\n")) ?? text.endIndex
            let next = lineEnd < text.endIndex ? bytes.index(after: lineEnd) : text.endIndex
            if isMarker(bytes[cursor..<lineEnd], UInt8(ascii: "-")) {
                close(at: cursor)
                start = cursor
                startLine = line
            } else if isMarker(bytes[cursor..<lineEnd], UInt8(ascii: ".")) {
                close(at: cursor)
                start = next
                startLine = line + 1
            }
            cursor = next
            line += 1
        }
        close(at: text.endIndex)
        return parts
    }

    private static func isMarker(_ line: Substring.UTF8View, _ mark: UInt8) -> Bool {
        guard line.prefix(3).count == 3, line.prefix(3).allSatisfy({ $0 == mark }) else { return false }
        guard let following = line.dropFirst(3).first else { return true }
        return [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains(following)
    }

    /// False for parts made of markers, comments, directives and blank lines only.
    private static func hasContent(_ part: Substring) -> Bool {
        for line in part.utf8.split(separator: UInt8(ascii: "\n")) {
            var body = line
            if isMarker(body, UInt8(ascii: "-")) { body = body.dropFirst(3) }
            let visible = body.first { ![UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")].contains($0) }
            guard let visible, visible != UInt8(ascii: "#") else { continue }
            if visible == UInt8(ascii: "%"), body.first == visible { continue }
            return true
        }
        return false
    }
}
