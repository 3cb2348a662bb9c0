/// Cross-origin resource sharing of a route.
package struct CORSPolicy: ObjectDecodable {
    package enum UnmatchedPreflights: String, CaseIterable, Sendable {
        case unspecified = "UNSPECIFIED"
        case forward = "FORWARD"
        case ignore = "IGNORE"
    }

    package var location: SourceLocation
    /// Alternatives.
    package var allowOrigins: [StringMatch]
    package var allowMethods: [String]
    package var allowHeaders: [String]
    package var exposeHeaders: [String]
    package var maxAge: Duration?
    package var allowCredentials: Bool?
    package var unmatchedPreflights: UnmatchedPreflights

    package init(_ reader: ObjectReader) {
        location = reader.location
        allowOrigins = reader.objects("allowOrigins")
        for origin in reader.locatedStrings("allowOrigin") {
            allowOrigins.append(.exact(origin.value, origin.location))
        }
        if reader.has("allowOrigin") {
            reader.warning("allowOrigin", "using deprecated field allowOrigin: use allowOrigins")
        }
        allowMethods = reader.strings("allowMethods")
        allowHeaders = reader.strings("allowHeaders")
        exposeHeaders = reader.strings("exposeHeaders")
        maxAge = reader.duration("maxAge")
        allowCredentials = reader.bool("allowCredentials")
        unmatchedPreflights = reader.choice("unmatchedPreflights") ?? .unspecified

        for method in allowMethods where !Self.methods.contains(method) {
            reader.error(
                "allowMethods",
                "\"\(method)\" is not an HTTP method" + Suggestion.clause(for: method, among: Self.methods)
            )
        }
        for name in allowHeaders { HeaderRules.checkName(name, key: "allowHeaders", reader) }
        for name in exposeHeaders { HeaderRules.checkName(name, key: "exposeHeaders", reader) }
        if let maxAge, maxAge.components.attoseconds != 0 {
            reader.error("maxAge", "must be whole seconds, found \(DurationText.format(maxAge))")
        }
    }

    private static let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*",
    ]
}
