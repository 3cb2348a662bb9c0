/// HTTP filters that a request passes, for `AllocationTests`.
enum FilterRows {
    static let rows: [AllocationTests.Row] = [
        row("local rate limit", limit),
        row(
            "cross-origin requests", filter("cors", "cors.v3.Cors", ""),
            per: ("cors", "cors.v3.CorsPolicy", "allow_origin_string_match: [{exact: https://here.example.com}]"),
            fields: "origin: https://here.example.com\r\n"),
        row("a fault that is not hit", fault),
        row("a token seen before", tokens, fields: "authorization: Bearer \(AuthenticationFilterTests.token)\r\n"),
        row("all of them", [limit, fault, Rows.rbac("action: ALLOW", "any: true")].joined(separator: "\n")),
    ]

    private static let limit = filter(
        "limit", "local_ratelimit.v3.LocalRateLimit",
        """
        stat_prefix: l
        token_bucket: {max_tokens: 1000000, tokens_per_fill: 1000000, fill_interval: 1s}
        filter_enabled: {default_value: {numerator: 100}}
        filter_enforced: {default_value: {numerator: 100}}
        """)
    private static let fault = filter(
        "fault", "fault.v3.HTTPFault",
        """
        abort: {http_status: 503, percentage: {numerator: 100}}
        headers: [{name: x-fault, string_match: {exact: please}}]
        """)
    private static let tokens = filter(
        "jwt", "jwt_authn.v3.JwtAuthentication",
        """
        providers: {p: {issuer: testing@secure.istio.io, forward: true, local_jwks: {inline_string: "\(AuthenticationFilterTests.keys)"}}}
        rules: [{match: {prefix: /}, requires: {provider_name: p}}]
        """)

    private static func row(
        _ name: String, _ filters: String, per: (name: String, type: String, fields: String)? = nil,
        fields: String = ""
    ) -> AllocationTests.Row {
        var row = AllocationTests.Row(name: name, filters: filters)
        row.request = { _ in Rows.get(fields) }
        if let per {
            row.route =
                "typed_per_filter_config: {\(per.name): {\"@type\": \(type(per.type)), \(per.fields)}}"
        }
        return row
    }

    private static func type(_ name: String) -> String { "type.googleapis.com/envoy.extensions.filters.http.\(name)" }

    private static func filter(_ name: String, _ type: String, _ fields: String) -> String {
        let lines = fields.split(separator: "\n").map { "    \($0)" }
        return (["- name: \(name)", "  typed_config:", "    \"@type\": \(Self.type(type))"] + lines)
            .joined(separator: "\n")
    }
}
