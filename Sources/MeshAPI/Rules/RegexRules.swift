internal import CRE2

/// Regular expressions of configuration.
enum RegexRules {
    static func check(_ pattern: Located<String>, key: String, _ reader: ObjectReader) {
        // A single star is how Istio's users write "any value"; it is taken as such.
        if pattern.value == "*" { return }
        if pattern.value.isEmpty {
            reader.error(key, "a regular expression must not be empty")
        } else if let fault = reader.context.regexCheck(pattern.value) {
            reader.error(key, "not a valid regular expression: \(fault)")
        }
    }
}

/// RE2's own judgement: what it takes here the data plane takes too.
package enum RegexSyntax {
    /// Bytes that a compiled expression may take: the same bound as the data plane's.
    private static let memory: Int64 = 8 << 20

    /// What is wrong with `pattern`, or nil.
    @Sendable package static func fault(in pattern: String) -> String? {
        var problem = [CChar](repeating: 0, count: 256)
        let bytes = Array(pattern.utf8)
        guard let program = cre2_compile(bytes, bytes.count, true, memory, &problem, problem.count) else {
            return String(decoding: problem.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        cre2_free(program)
        return nil
    }

    /// What is wrong with the substitution `rewrite` (`\1` …) of a valid `pattern`, or nil.
    @Sendable package static func fault(inRewrite rewrite: String, of pattern: String) -> String? {
        var problem = [CChar](repeating: 0, count: 256)
        let bytes = Array(pattern.utf8)
        guard let program = cre2_compile(bytes, bytes.count, true, memory, &problem, problem.count) else { return nil }
        defer { cre2_free(program) }
        let substitution = Array(rewrite.utf8)
        guard !cre2_check_rewrite(program, substitution, substitution.count, &problem, problem.count) else {
            return nil
        }
        return String(decoding: problem.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
