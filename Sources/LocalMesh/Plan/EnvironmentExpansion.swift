/// The two ways in which names stand for values in a container's words.
package enum EnvironmentExpansion {
    /// Kubernetes's `$(NAME)` in command, args and env values: an unknown name stays as it is, `$$` is one `$`.
    package static func kubernetes(_ text: String, _ values: [String: String]) -> String {
        var result = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            switch rest.first {
            case "$":
                result += "$"
                rest = rest.dropFirst()
            case "(":
                guard let end = rest.firstIndex(of: ")") else {
                    result += "$"
                    continue
                }
                let name = String(rest[rest.index(after: rest.startIndex)..<end])
                result += values[name] ?? "$(\(name))"
                rest = rest[rest.index(after: end)...]
            default: result += "$"
            }
        }
        return result + rest
    }

    /// The image map's `${NAME}` and `${NAME:-default}`: an unknown name without a default is an error, `$$` is one `$`.
    package static func imageMap(_ text: String, _ values: [String: String]) throws(LocalMeshError) -> String {
        var result = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            switch rest.first {
            case "$":
                result += "$"
                rest = rest.dropFirst()
            case "{":
                guard let end = rest.firstIndex(of: "}") else {
                    throw .invalid(what: "'\(text)'", reason: "'${' without '}'")
                }
                result += try value(of: rest[rest.index(after: rest.startIndex)..<end], values)
                rest = rest[rest.index(after: end)...]
            default: result += "$"
            }
        }
        return result + rest
    }

    private static func value(of inside: Substring, _ values: [String: String]) throws(LocalMeshError) -> String {
        var name = String(inside)
        var fallback: String?
        if let range = inside.firstRange(of: ":-") {
            name = String(inside[..<range.lowerBound])
            fallback = String(inside[range.upperBound...])
        }
        if let value = values[name], !(value.isEmpty && fallback != nil) { return value }
        guard let fallback else { throw .unknownVariable(name: name, known: values.keys.sorted()) }
        return fallback
    }
}
