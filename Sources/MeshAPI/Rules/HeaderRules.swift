/// Names and values of headers that configuration sets.
enum HeaderRules {
    static func check(_ headers: [String: String], key: String, _ reader: ObjectReader) {
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            checkName(name, key: key, reader)
            if let fault = faultOfFormat(value) { reader.error(key, "value of \(name): \(fault)") }
        }
    }

    static func checkName(_ name: String, key: String, _ reader: ObjectReader) {
        if name.isEmpty {
            reader.error(key, "a header name must not be empty")
        } else if name.hasPrefix(":"), name != ":authority" {
            reader.error(key, "\"\(name)\" cannot be changed: only :authority of the pseudo-headers can")
        } else if name != ":authority", !isToken(name) {
            reader.error(key, "\"\(name)\" is not a valid header name")
        }
    }

    /// RFC 9110 section 5.6.2.
    static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { NameRules.isAlphanumeric($0) || "!#$%&'*+-.^_`|~".utf8.contains($0) }
    }

    /// Envoy's command operators: `%NAME%` or `%NAME(arguments)%`; a percent sign itself is `%%`.
    static func faultOfFormat(_ value: String) -> String? {
        var rest = Substring(value).utf8
        while let percent = rest.firstIndex(of: UInt8(ascii: "%")) {
            rest = rest[rest.index(after: percent)...]
            if rest.first == UInt8(ascii: "%") {
                rest = rest.dropFirst()
                continue
            }
            let name = rest.prefix { NameRules.isAlphanumeric($0) || $0 == UInt8(ascii: "_") }
            rest = rest.dropFirst(name.count)
            if rest.first == UInt8(ascii: "(") {
                guard let close = rest.firstIndex(of: UInt8(ascii: ")")) else {
                    return "an operator's \"(\" is not closed"
                }
                rest = rest[rest.index(after: close)...]
                if rest.first == UInt8(ascii: ":") {
                    rest = rest.dropFirst().drop(while: NameRules.isDigit)
                }
            }
            guard !name.isEmpty, rest.first == UInt8(ascii: "%") else {
                return "\"%\" begins an operator such as %HOSTNAME%; write %% for a percent sign"
            }
            rest = rest.dropFirst()
        }
        return nil
    }
}
