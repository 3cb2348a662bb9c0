import MeshAPI
import SwiftProtobuf
import XDS

/// Match entries of a VirtualService as Envoy route matches (Istio's HTTPMatchRequest).
enum MatchCompiler {
    static func match(_ request: HTTPMatchRequest?) -> Envoy_Config_Route_V3_RouteMatch {
        var match = Envoy_Config_Route_V3_RouteMatch()
        guard let request else {
            match.prefix = "/"
            return match
        }
        switch request.uri {
        case .exact(let text, _)?: match.path = text
        // Istio's prefix is one of characters, not of path segments.
        case .prefix(let text, _)?: match.prefix = text
        case .regex(let text, _)?: match.safeRegex.regex = text == "*" ? ".*" : text
        case nil: match.prefix = "/"
        }
        if request.ignoreURICase { match.caseSensitive = .init(false) }
        // A claim is looked for in what the token's filter found, never among headers: a client cannot send one.
        let wanted = request.headers.map { (named: $0, claim: RoutingClaim.path($0.name)) }
        let unwanted = request.withoutHeaders.map { (named: $0, claim: RoutingClaim.path($0.name)) }
        match.dynamicMetadata = wanted.compactMap { entry in
            entry.claim.map { claim($0, entry.named.match, isWanted: true) }
        }
        match.dynamicMetadata += unwanted.compactMap { entry in
            entry.claim.map { claim($0, entry.named.match, isWanted: false) }
        }
        for entry in wanted where entry.claim == nil && !isReserved(entry.named.name) {
            match.headers.append(header(entry.named.name, entry.named.match))
        }
        for entry in unwanted where entry.claim == nil && !isReserved(entry.named.name) {
            match.headers.append(withoutHeader(entry.named))
        }
        for (name, text) in [
            (":method", request.method), (":authority", request.authority), (":scheme", request.scheme),
        ] {
            if let text { match.headers.append(header(name, text)) }
        }
        match.queryParameters = request.queryParams.map(queryParameter)
        return match
    }

    /// Names that Istio ignores in `headers`, because the request line has its own fields.
    private static func isReserved(_ name: String) -> Bool {
        ["uri", "scheme", "method", "authority"].contains(name)
    }

    static func string(_ match: StringMatch) -> WireStringMatcher {
        var matcher = WireStringMatcher()
        switch match {
        case .exact(let text, _): matcher.exact = text
        case .prefix(let text, _): matcher.prefix = text
        case .regex(let text, _): matcher.safeRegex.regex = text == "*" ? ".*" : text
        }
        return matcher
    }

    /// `{}` and the literal regex `*` ask only for presence.
    private static func isPresence(_ match: StringMatch?) -> Bool {
        switch match {
        case nil, .regex("*", _)?: true
        default: false
        }
    }

    /// The text itself, or an element of a list of texts; `{}` and the literal regex `*` ask only for presence.
    private static func claim(_ path: [String], _ match: StringMatch?, isWanted: Bool) -> WireMetadataMatcher {
        var value = WireValueMatcher()
        if let match, !isPresence(match) {
            value = PolicyMatchers.textOrElement(string(match))
        } else {
            value.presentMatch = true
        }
        var matcher = PolicyMatchers.claim(path, value)
        matcher.invert = !isWanted
        return matcher
    }

    private static func header(_ name: String, _ match: StringMatch?) -> WireHeaderMatcher {
        var matcher = WireHeaderMatcher()
        matcher.name = name
        if isPresence(match) {
            matcher.presentMatch = true
        } else if let match {
            matcher.stringMatch = string(match)
        }
        return matcher
    }

    /// Inverted; a missing header counts as an empty one, so that "without x: a" holds where x is absent.
    private static func withoutHeader(_ named: HTTPMatchRequest.Named) -> WireHeaderMatcher {
        var matcher = header(named.name, named.match)
        matcher.invertMatch = true
        if !isPresence(named.match) { matcher.treatMissingHeaderAsEmpty = true }
        return matcher
    }

    private static func queryParameter(
        _ named: HTTPMatchRequest.Named
    ) -> Envoy_Config_Route_V3_QueryParameterMatcher {
        var matcher = Envoy_Config_Route_V3_QueryParameterMatcher()
        matcher.name = named.name
        if isPresence(named.match) {
            matcher.presentMatch = true
        } else if let match = named.match {
            matcher.stringMatch = string(match)
        }
        return matcher
    }
}
