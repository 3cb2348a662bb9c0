/// Answers with a redirect instead of routing.
package struct HTTPRedirect: ObjectDecodable {
    package enum PortSelection: String, CaseIterable, Sendable {
        case fromProtocolDefault = "FROM_PROTOCOL_DEFAULT"
        case fromRequestPort = "FROM_REQUEST_PORT"
    }

    package var location: SourceLocation
    /// Replaces the whole path.
    package var uri: String?
    /// Replaces the matched prefix of the path.
    package var prefixRewrite: String?
    package var authority: String?
    package var port: Int?
    package var derivePort: PortSelection?
    package var scheme: String?
    package var code: Int

    package init(_ reader: ObjectReader) {
        location = reader.location
        uri = reader.string("uri")
        prefixRewrite = reader.string("prefixRewrite")
        authority = reader.string("authority")
        port = reader.int("port", in: 0...65535)
        derivePort = reader.choice("derivePort")
        scheme = reader.string("scheme")
        let given = reader.int("redirectCode") ?? 0
        code = given == 0 ? 301 : given
        if ![301, 302, 303, 307, 308].contains(code) {
            reader.error("redirectCode", "\(code) is not a redirect code: use 301, 302, 303, 307 or 308")
        }
        let target = [uri, prefixRewrite, authority, scheme].compactMap(\.self).filter { !$0.isEmpty }
        if target.isEmpty, port == nil, derivePort == nil {
            reader.error(nil, "redirect must specify uri, authority, scheme, port or prefixRewrite")
        }
        reader.atMostOne(of: "uri", "prefixRewrite")
        reader.atMostOne(of: "port", "derivePort")
        if let scheme, !["", "http", "https"].contains(scheme) {
            reader.error("scheme", "\"\(scheme)\" is not a redirect scheme: use http or https")
        }
    }
}

/// Answers with a fixed response instead of routing.
package struct HTTPDirectResponse: ObjectDecodable {
    package var location: SourceLocation
    package var status: Int
    package var body: [UInt8]

    package init(_ reader: ObjectReader) {
        location = reader.location
        status = reader.int("status", in: 200...599) ?? 200
        if !reader.has("status") { reader.error(nil, "status is required") }
        body = reader.object("body", Body.self)?.bytes ?? []
        if body.count > 1 << 20 {
            reader.error("body", "the body has \(body.count) bytes; at most 1048576 are allowed")
        } else if body.count > 100 << 10 {
            reader.warning("body", "the body has \(body.count) bytes; above 102400 it costs memory in every proxy")
        }
    }

    private struct Body: ObjectDecodable {
        var bytes: [UInt8]

        init(_ reader: ObjectReader) {
            reader.exactlyOne(of: "string", "bytes")
            if let text = reader.string("string") {
                bytes = Array(text.utf8)
            } else if let text = reader.string("bytes") {
                bytes = Base64.decode(text) ?? Array(text.utf8)
                if Base64.decode(text) == nil { reader.warning("bytes", "not base64: the text itself is the body") }
            } else {
                bytes = []
            }
        }
    }
}

/// Changes path or authority before the request goes upstream.
package struct HTTPRewrite: ObjectDecodable {
    package struct Regex: ObjectDecodable {
        package var location: SourceLocation
        package var match: String
        /// RE2 substitution with `\1`.
        package var rewrite: String

        package init(_ reader: ObjectReader) {
            location = reader.location
            let pattern = reader.requiredLocated("match")
            match = pattern.value
            rewrite = reader.requiredString("rewrite")
            guard !match.isEmpty else { return }
            RegexRules.check(pattern, key: "match", reader)
            if let fault = RegexSyntax.fault(inRewrite: rewrite, of: match) { reader.error("rewrite", fault) }
        }
    }

    package var location: SourceLocation
    /// Replaces the matched prefix after a prefix match, the whole path after an exact or regex match.
    package var uri: String?
    package var authority: String?
    package var uriRegexRewrite: Regex?

    package init(_ reader: ObjectReader) {
        location = reader.location
        uri = reader.string("uri")
        authority = reader.string("authority")
        uriRegexRewrite = reader.object("uriRegexRewrite")
        reader.atMostOne(of: "uri", "uriRegexRewrite")
        if (uri ?? "").isEmpty, (authority ?? "").isEmpty, uriRegexRewrite == nil {
            reader.error(nil, "rewrite must specify uri, uriRegexRewrite or authority")
        }
    }
}

/// Changes headers; `set` overwrites, `add` appends, `remove` deletes.
package struct Headers: ObjectDecodable {
    package struct Operations: ObjectDecodable {
        package var set: [String: String]
        package var add: [String: String]
        package var remove: [String]

        package init(_ reader: ObjectReader) {
            set = reader.stringMap("set")
            add = reader.stringMap("add")
            remove = reader.strings("remove")
            HeaderRules.check(set, key: "set", reader)
            HeaderRules.check(add, key: "add", reader)
            for name in remove { HeaderRules.checkName(name, key: "remove", reader) }
        }
    }

    package var location: SourceLocation
    package var request: Operations?
    package var response: Operations?

    package init(_ reader: ObjectReader) {
        location = reader.location
        request = reader.object("request")
        response = reader.object("response")
    }
}
