/// One call that an answer makes: `URL`, for every path, or `PATH=URL`, for PATH and what lies below it. In the URL,
/// `{path}` stands for the path and query that were asked for.
package struct UpstreamRule: Sendable, Equatable {
    package var pathPrefix: String?
    package var host: String
    package var port: Int
    /// May hold `{path}`.
    package var pathTemplate: String

    package init(text: String) throws(ServiceError) {
        var rest = text[...]
        if text.hasPrefix("/"), let equals = text.firstIndex(of: "=") {
            pathPrefix = String(text[..<equals])
            rest = text[text.index(after: equals)...]
        }
        guard rest.hasPrefix("http://") else {
            throw .invalid("upstream \"\(text)\" is not [PATH=]http://HOST[:PORT][/PATH] (TLS is the sidecar's work)")
        }
        rest = rest.dropFirst("http://".count)
        let slash = rest.firstIndex { $0 == "/" || $0 == "{" } ?? rest.endIndex
        let authority = rest[..<slash]
        pathTemplate = slash == rest.endIndex ? "/" : String(rest[slash...])
        if let colon = authority.lastIndex(of: ":") {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65535).contains(number) else {
                throw .invalid("upstream \"\(text)\" has no port from 1 to 65535 after the colon")
            }
            port = number
            host = String(authority[..<colon])
        } else {
            port = 80
            host = String(authority)
        }
        guard !host.isEmpty else { throw .invalid("upstream \"\(text)\" names no host") }
    }

    /// The Host header of the call.
    package var authority: String { port == 80 ? host : "\(host):\(port)" }

    /// Whether a request for `target` (path and query) makes this call.
    package func applies(to target: String) -> Bool {
        guard let pathPrefix else { return true }
        let path = target.prefix { $0 != "?" }
        guard path.hasPrefix(pathPrefix) else { return false }
        return path.count == pathPrefix.count || pathPrefix.hasSuffix("/")
            || path.dropFirst(pathPrefix.count).first == "/"
    }

    /// The path and query to ask for.
    package func target(for received: String) -> String {
        guard let mark = pathTemplate.range(of: "{path}") else { return pathTemplate }
        return pathTemplate[..<mark.lowerBound] + received + pathTemplate[mark.upperBound...]
    }
}

extension String {
    /// First occurrence of `needle`; Foundation is not linked for this alone.
    fileprivate func range(of needle: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
            start = index(after: start)
        }
        return nil
    }
}
