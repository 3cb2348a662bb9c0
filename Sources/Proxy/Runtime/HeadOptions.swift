/// What a connection manager does with request heads before anything looks at them, beside normalising paths.
package struct HeadOptions: Sendable, Hashable {
    /// What becomes of `%2F` and `%5C` in paths (path_with_escaped_slashes_action).
    package enum EscapedSlashes: UInt8, Sendable { case keep, reject, redirect, unescape }
    /// What becomes of names with underscores (headers_with_underscores_action).
    package enum Underscores: UInt8, Sendable { case allow, reject, drop }
    /// Which ports of hosts are taken off here (strip_matching_host_port).
    package enum StrippedPort: UInt8, Sendable { case none, matching }
    package enum Scheme: UInt8, Sendable { case asReceived, http, https }

    package var escapedSlashes = EscapedSlashes.keep
    package var underscores = Underscores.allow
    package var strippedPort = StrippedPort.none
    /// `example.com.` is `example.com` (strip_trailing_host_dot).
    package var stripsTrailingDot = false
    /// scheme_header_transformation.scheme_to_overwrite.
    package var scheme = Scheme.asReceived
    /// Appended to `via` of requests and responses; empty is nothing.
    package var via: [UInt8] = []

    package init() {}

    /// Nothing is asked for: heads go on as they are.
    var isDefault: Bool { self == HeadOptions() }
}
