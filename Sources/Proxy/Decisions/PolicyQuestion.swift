internal import Authentication
internal import Authorization

/// A request, or a connection, as someone describes it who has no traffic at hand. Names and texts are as on the wire.
package struct PolicyQuestion: Sendable, Hashable {
    /// Without a request there is only a connection.
    package var isRequest = true
    package var method = "GET"
    /// With its query; taken as already normalised.
    package var path = "/"
    package var host = ""
    package var headers: [String: String] = [:]
    /// The peer's SPIFFE id with its scheme; nil without mutual TLS.
    package var principal: String?
    package var serverName = ""
    /// Literal IP addresses.
    package var source = "0.0.0.0"
    package var remote = "0.0.0.0"
    package var destination = "0.0.0.0"
    package var port: UInt16 = 0
    /// The claims of a token that was verified, as JSON; nil lets the filters look for tokens in the request.
    package var claims: String?
    /// Seconds since 1970, for tokens.
    package var time: UInt64 = 0

    package init() {}

    /// Its claims, where the filter that verifies tokens leaves them.
    var metadata: RequestMetadata {
        var metadata = RequestMetadata()
        if let claims, let document = try? JSONDocument(parsing: Array(claims.utf8)) {
            metadata.set(filter: Array("envoy.filters.http.jwt_authn".utf8), key: Array("payload".utf8), document)
        }
        return metadata
    }
}

/// What a chain of filters decided.
package struct PolicyVerdict: Sendable, Hashable {
    package enum Outcome: Sendable, Hashable {
        case allowed
        /// 403 to a request, the end of a connection.
        case denied
        /// The status and the reason of a refused token.
        case tokenRefused(status: UInt16, reason: String)
    }

    package var outcome: Outcome
    /// The rule that decided, `ns[NAMESPACE]-policy[NAME]-rule[N]`; empty when none matched.
    package var rule: String
    /// What dry-run policies would have done: the rule, and whether it would have allowed.
    package var dryRuns: [DryRun]
    /// Rules with action AUDIT that matched.
    package var audited: [String]
    /// Rules with action CUSTOM that matched, in order: each one's provider is asked, and the rest holds if all approve.
    package var asked: [String] = []

    package struct DryRun: Sendable, Hashable {
        package var rule: String
        package var allows: Bool
    }

    package var isAllowed: Bool { outcome == .allowed }
}
