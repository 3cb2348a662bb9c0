internal import CRE2

/// One compiled RE2 program: linear time, bounded memory, whole-text matching as Envoy's `safe_regex`.
package final class RegexProgram: @unchecked Sendable {  // SAFETY: RE2 documents its programs as thread-safe.
    // SAFETY: compiled in init, freed in deinit, immutable to its users between.
    private let program: OpaquePointer

    package struct Invalid: Error, CustomStringConvertible {
        package var pattern: String
        package var reason: String
        package var description: String { "invalid regular expression \"\(pattern)\": \(reason)" }
    }

    /// The most memory one program (and its lazily built automaton) may take.
    private static let memoryLimit: Int64 = 8 << 20

    package init(_ pattern: String, caseSensitive: Bool = true) throws(Invalid) {
        var message = [CChar](repeating: 0, count: 256)
        let bytes = Array(pattern.utf8)
        let compiled = bytes.withUnsafeBufferPointer { source in
            message.withUnsafeMutableBufferPointer { out in
                // SAFETY: both buffers live through the call and their sizes are passed with them.
                cre2_compile(
                    source.baseAddress, source.count, caseSensitive, Self.memoryLimit, out.baseAddress, out.count)
            }
        }
        guard let compiled else { throw Invalid(pattern: pattern, reason: Self.text(message)) }
        program = compiled
    }

    deinit { cre2_free(program) }

    /// Whether the whole of `text` matches.
    package func matches(_ text: borrowing Span<UInt8>) -> Bool {
        text.withUnsafeBufferPointer { buffer in
            // SAFETY: RE2 reads exactly `count` bytes of a live buffer.
            cre2_full_match(program, buffer.baseAddress, buffer.count)
        }
    }

    /// Refuses a substitution (`\1`, `\\`) that names a group the pattern does not have.
    package func check(rewrite: String) throws(Invalid) {
        var message = [CChar](repeating: 0, count: 256)
        let bytes = Array(rewrite.utf8)
        let fits = bytes.withUnsafeBufferPointer { source in
            message.withUnsafeMutableBufferPointer { out in
                // SAFETY: both buffers live through the call and their sizes are passed with them.
                cre2_check_rewrite(program, source.baseAddress, source.count, out.baseAddress, out.count)
            }
        }
        if !fits { throw Invalid(pattern: rewrite, reason: Self.text(message)) }
    }

    /// Appends `text` with every match replaced by `rewrite` to `output`; text without a match is appended as it is.
    package func replaceAll(
        in text: borrowing Span<UInt8>, with rewrite: borrowing Span<UInt8>, into output: inout [UInt8]
    ) {
        let start = output.count
        var capacity = text.count + rewrite.count + 64
        while true {
            output.append(contentsOf: repeatElement(0, count: capacity))
            let written = text.withUnsafeBufferPointer { source in
                rewrite.withUnsafeBufferPointer { substitute in
                    output.withUnsafeMutableBufferPointer { out in
                        // SAFETY: `capacity` bytes exist behind `start`; sizes of the inputs are passed with them.
                        cre2_replace_all(
                            program, source.baseAddress, source.count, substitute.baseAddress, substitute.count,
                            out.baseAddress.map { $0 + start }, capacity)
                    }
                }
            }
            if written == -1 {  // SIZE_MAX: nothing matched
                output.removeLast(output.count - start)
                for index in text.indices { output.append(text[index]) }
                return
            }
            output.removeLast(output.count - start - min(written, capacity))
            if written <= capacity { return }
            output.removeLast(output.count - start)
            capacity = written
        }
    }

    private static func text(_ message: [CChar]) -> String {
        String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
