/// Regular expressions of configuration (RE2 dialect).
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

/// A check of RE2 syntax that needs no engine: brackets, groups, repetitions, and what RE2 leaves out.
package enum RegexSyntax {
    /// What is wrong, or nil. Does not see everything: the data plane's engine has the last word.
    @Sendable package static func fault(in pattern: String) -> String? {
        var depth = 0
        var canRepeat = false
        var characters = Array(pattern)[...]
        while let character = characters.popFirst() {
            switch character {
            case "\\":
                guard let next = characters.popFirst() else { return "trailing \\" }
                if ("1"..."9").contains(next) { return "RE2 has no back references (\\\(next))" }
                if next.isLetter, !"abBAdDsSwWzfnrtvxpPQECk".contains(next) { return "unknown escape \\\(next)" }
                canRepeat = true
            case "[":
                if let fault = skipClass(&characters) { return fault }
                canRepeat = true
            case "(":
                depth += 1
                canRepeat = false
                if characters.starts(with: "?=") || characters.starts(with: "?!") || characters.starts(with: "?<=")
                    || characters.starts(with: "?<!")
                {
                    return "RE2 has no look-ahead and look-behind"
                }
                if characters.first == "?" {
                    while let next = characters.first, next != ")", next != ":", next != ">" { _ = characters.popFirst() }
                    if characters.first != ")" { _ = characters.popFirst() }
                }
            case ")":
                depth -= 1
                if depth < 0 { return "unexpected )" }
                canRepeat = true
            case "*", "+", "?":
                guard canRepeat else { return "nothing to repeat before \(character)" }
                if characters.first == "?" { _ = characters.popFirst() }
                canRepeat = false
            case "|", "^": canRepeat = false
            default: canRepeat = true
            }
        }
        return depth > 0 ? "missing )" : nil
    }

    private static func skipClass(_ characters: inout ArraySlice<Character>) -> String? {
        if characters.first == "^" { _ = characters.popFirst() }
        if characters.first == "]" { _ = characters.popFirst() }
        while let character = characters.popFirst() {
            if character == "]" { return nil }
            if character == "\\" { _ = characters.popFirst() }
            if character == "[", characters.first == ":" {
                while let next = characters.popFirst(), next != "]" {}
            }
        }
        return "missing ]"
    }
}
