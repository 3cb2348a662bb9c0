import MeshAPI
import SwiftProtobuf
import XDS

typealias RBACPermission = Envoy_Config_Rbac_V3_Permission
typealias RBACPrincipal = Envoy_Config_Rbac_V3_Principal
typealias WireMetadataMatcher = Envoy_Type_Matcher_V3_MetadataMatcher
typealias WireValueMatcher = Envoy_Type_Matcher_V3_ValueMatcher

/// Values of policies as Envoy matchers: exact, `abc*`, `*abc`, and `*` for anything that is there. A star elsewhere is a
/// star.
enum PolicyMatchers {
    static func regex(_ pattern: String) -> WireStringMatcher {
        var matcher = WireStringMatcher()
        matcher.safeRegex.regex = pattern
        return matcher
    }

    static var anything: WireStringMatcher { regex(".+") }

    static func exact(_ value: String) -> WireStringMatcher {
        var matcher = WireStringMatcher()
        matcher.exact = value
        return matcher
    }

    /// `prefix` stands before the value (`spiffe://`).
    static func string(_ value: String, prefix: String = "") -> WireStringMatcher {
        if value == "*" { return anything }
        var matcher = WireStringMatcher()
        if value.hasPrefix("*") {
            let rest = String(value.dropFirst())
            if prefix.isEmpty { matcher.suffix = rest } else { return regex(prefix + ".*" + quoted(rest)) }
        } else if value.hasSuffix("*") {
            matcher.prefix = prefix + value.dropLast()
        } else {
            matcher.exact = prefix + value
        }
        return matcher
    }

    /// A header is there for `*`, whatever its value; hosts are compared without regard to case.
    static func header(_ name: String, _ value: String, ignoringCase: Bool = false) -> WireHeaderMatcher {
        var matcher = WireHeaderMatcher()
        matcher.name = name
        if value == "*" {
            matcher.presentMatch = true
            return matcher
        }
        var string = string(value)
        string.ignoreCase = ignoringCase
        matcher.stringMatch = string
        return matcher
    }

    /// A claim of the token that was accepted; the path leads through nested claims.
    static func claim(_ path: [String], _ value: WireValueMatcher) -> WireMetadataMatcher {
        var matcher = WireMetadataMatcher()
        matcher.filter = "envoy.filters.http.jwt_authn"
        matcher.path = ([TokenFilter.payloadKey] + path).map {
            var segment = WireMetadataMatcher.PathSegment()
            segment.key = $0
            return segment
        }
        matcher.value = value
        return matcher
    }

    static func value(_ string: WireStringMatcher) -> WireValueMatcher {
        var value = WireValueMatcher()
        value.stringMatch = string
        return value
    }

    static func any(_ values: [WireValueMatcher]) -> WireValueMatcher {
        guard values.count != 1 else { return values[0] }
        var matcher = WireValueMatcher()
        matcher.orMatch.valueMatchers = values
        return matcher
    }

    /// One of the texts, as the value or as an element of it.
    static func textOrElement(_ values: [String]) -> WireValueMatcher {
        textOrElement(any(values.map { value(string($0)) }))
    }

    static func textOrElement(_ text: WireStringMatcher) -> WireValueMatcher { textOrElement(value(text)) }

    private static func textOrElement(_ text: WireValueMatcher) -> WireValueMatcher {
        var list = WireValueMatcher()
        list.listMatch.oneOf = text
        return any([list, text])
    }

    /// RE2 reads the result as the text itself.
    static func quoted(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if "\\.+*?()|[]{}^$".unicodeScalars.contains(scalar) { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
