/// What the conditions of an HTTP rule must satisfy together.
enum HTTPMatchRules {
    static func check(_ match: HTTPMatchRequest, _ reader: ObjectReader) {
        for (key, value) in [("scheme", match.scheme), ("method", match.method), ("authority", match.authority)] {
            check(value, key, reader)
        }
        check(match.headers, "headers", reader)
        check(match.withoutHeaders, "withoutHeaders", reader)
        for parameter in match.queryParams {
            if parameter.name.isEmpty { reader.error("queryParams", "a query parameter needs a name") }
            check(parameter.match, "queryParams", reader)
        }
        NameRules.checkLabels(match.sourceLabels, key: "sourceLabels", reader)
        if let namespace = match.sourceNamespace, !namespace.isEmpty, !NameRules.isLabel(namespace) {
            reader.error("sourceNamespace", "\"\(namespace)\" is not a namespace name")
        }
        VirtualServiceRules.checkGateways(match.gateways, reader)
    }

    private static func check(_ headers: [HTTPMatchRequest.Named], _ key: String, _ reader: ObjectReader) {
        for header in headers {
            if header.name.isEmpty {
                reader.error(key, "a header name must not be empty")
            } else if ["uri", "scheme", "method", "authority"].contains(header.name) {
                reader.warning(key, "\(header.name) is a field of its own and is ignored as a header")
            } else if !isClaim(header.name), !header.name.hasPrefix(":"), !HeaderRules.isToken(header.name) {
                reader.error(key, "\"\(header.name)\" is not a valid header name")
            }
            check(header.match, key, reader)
        }
    }

    private static func check(_ match: StringMatch?, _ key: String, _ reader: ObjectReader) {
        if case .prefix("", _)? = match { reader.error(key, "a prefix must not be empty") }
    }

    /// Routing by a claim of a verified token.
    static func isClaim(_ header: String) -> Bool { RoutingClaim.path(header) != nil }
}
