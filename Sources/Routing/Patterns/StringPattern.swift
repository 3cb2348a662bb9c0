/// How one string is compared: Envoy's `StringMatcher` (envoy/type/matcher/v3/string.proto) as a plain value.
package struct StringPattern: Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable {
        case exact, prefix, suffix, contains
        /// RE2, the whole text has to match.
        case regex
        /// Any text at all.
        case any
    }

    package var kind: Kind
    package var text: String
    /// ASCII letters compare equal in either case. Not for `regex`, which has `(?i)`.
    package var ignoresCase: Bool

    package init(_ kind: Kind, _ text: String = "", ignoresCase: Bool = false) {
        self.kind = kind
        self.text = text
        self.ignoresCase = ignoresCase
    }

    package static func exact(_ text: String) -> StringPattern { StringPattern(.exact, text) }
    package static func prefix(_ text: String) -> StringPattern { StringPattern(.prefix, text) }
    package static func suffix(_ text: String) -> StringPattern { StringPattern(.suffix, text) }
    package static func contains(_ text: String) -> StringPattern { StringPattern(.contains, text) }
    package static func regex(_ text: String) -> StringPattern { StringPattern(.regex, text) }
    package static var any: StringPattern { StringPattern(.any) }
}
