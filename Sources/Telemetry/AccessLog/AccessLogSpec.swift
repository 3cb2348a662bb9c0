/// An access log's line format as a plain value (envoy.config.core.v3.SubstitutionFormatString).
package struct AccessLogFormatSpec: Sendable, Hashable {
    package indirect enum Template: Sendable, Hashable {
        /// Literal text with `%OPERATOR%`s.
        case text(String)
        case number(Double)
        case bool(Bool)
        case null
        /// Members in the order in which they are written.
        case object([Member])
        case array([Template])
    }

    package struct Member: Sendable, Hashable {
        package var key: String
        package var value: Template

        package init(_ key: String, _ value: Template) {
            self.key = key
            self.value = value
        }
    }

    package enum Body: Sendable, Hashable {
        /// One line of text, written as it is: the format holds its own newline.
        case text(String)
        /// One JSON object a line, values typed.
        case json([Member])
    }

    package var body: Body
    /// Missing values: nothing instead of `-` in text, no member instead of `null` in JSON.
    package var omitsEmptyValues: Bool

    package init(_ body: Body, omitsEmptyValues: Bool = false) {
        self.body = body
        self.omitsEmptyValues = omitsEmptyValues
    }
}
