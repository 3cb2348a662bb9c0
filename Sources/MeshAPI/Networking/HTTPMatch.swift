/// Conditions on a request; all that are given must hold.
package struct HTTPMatchRequest: ObjectDecodable {
    package struct Named: Sendable, Equatable {
        package var name: String
        /// Nil means that the name must be present, with any value.
        package var match: StringMatch?

        package init(name: String, match: StringMatch?) {
            self.name = name
            self.match = match
        }
    }

    package var location: SourceLocation
    package var name: String?
    package var uri: StringMatch?
    package var scheme: StringMatch?
    package var method: StringMatch?
    package var authority: StringMatch?
    package var headers: [Named]
    package var withoutHeaders: [Named]
    package var queryParams: [Named]
    /// Port that the request was addressed to; nil or 0 is any.
    package var port: Int?
    package var sourceLabels: [String: String]
    package var sourceNamespace: String?
    /// Overrides the gateways of the VirtualService when not empty.
    package var gateways: [Located<String>]
    package var ignoreURICase: Bool
    package var statPrefix: String?

    package init(_ reader: ObjectReader) {
        location = reader.location
        name = reader.string("name")
        uri = reader.object("uri")
        scheme = reader.object("scheme")
        method = reader.object("method")
        authority = reader.object("authority")
        headers = Self.named("headers", reader)
        withoutHeaders = Self.named("withoutHeaders", reader)
        queryParams = Self.named("queryParams", reader)
        port = reader.int("port", in: 0...65535)
        sourceLabels = reader.stringMap("sourceLabels")
        sourceNamespace = reader.string("sourceNamespace")
        gateways = reader.locatedStrings("gateways")
        ignoreURICase = reader.bool("ignoreUriCase") ?? false
        statPrefix = reader.string("statPrefix")
        HTTPMatchRules.check(self, reader)
    }

    private static func named(_ key: String, _ reader: ObjectReader) -> [Named] {
        reader.objectMap(key, StringMatch.Optional.self).map { Named(name: $0.key, match: $0.value.match) }
    }

    /// Whether every request matches: no condition but `prefix: /` or `regex: .*` on the path.
    package var isCatchAll: Bool {
        let anyPath =
            switch uri {
            case nil: true
            case .prefix("/", _)?, .regex(".*", _)?, .regex("*", _)?: true
            default: false
            }
        return anyPath && headers.isEmpty && queryParams.isEmpty && withoutHeaders.isEmpty && scheme == nil
            && method == nil && authority == nil && (port ?? 0) == 0 && sourceLabels.isEmpty
            && sourceNamespace == nil && gateways.isEmpty
    }
}

/// How a text is compared. Comparison is case-sensitive; regular expressions are RE2 and must match the whole text.
package enum StringMatch: ObjectDecodable {
    case exact(String, SourceLocation)
    case prefix(String, SourceLocation)
    case regex(String, SourceLocation)

    package init(_ reader: ObjectReader) {
        self = Optional(reader).match ?? .exact("", reader.location)
        if !reader.has("exact"), !reader.has("prefix"), !reader.has("regex") {
            reader.error(nil, "one of exact, prefix, regex must be set")
        }
    }

    /// A match where `{}` is allowed and means "present".
    package struct Optional: ObjectDecodable {
        package var match: StringMatch?

        package init(_ reader: ObjectReader) {
            reader.atMostOne(of: "exact", "prefix", "regex")
            let exact = reader.located("exact")
            let prefix = reader.located("prefix")
            let regex = reader.located("regex")
            if let exact {
                match = .exact(exact.value, exact.location)
            } else if let prefix {
                match = .prefix(prefix.value, prefix.location)
            } else if let regex {
                match = .regex(regex.value, regex.location)
                RegexRules.check(regex, key: "regex", reader)
            }
        }
    }

    package var text: String {
        switch self {
        case .exact(let text, _), .prefix(let text, _), .regex(let text, _): text
        }
    }

    package var location: SourceLocation {
        switch self {
        case .exact(_, let location), .prefix(_, let location), .regex(_, let location): location
        }
    }
}
