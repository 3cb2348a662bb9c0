package import Routing

/// What one RBAC filter does, as a plain value: the input of `Authorizer`
/// (envoy.extensions.filters.{http,network}.rbac.v3.RBAC).
package struct AuthorizationSpec: Sendable {
    /// Decides; nil allows everything.
    package var rules: RuleSetSpec?
    /// Evaluated and reported, never decides.
    package var shadowRules: RuleSetSpec?
    /// In front of the names under which the shadow verdict is put into the metadata (shadow_rules_stat_prefix).
    package var shadowPrefix: String

    package init(rules: RuleSetSpec? = nil, shadowRules: RuleSetSpec? = nil, shadowPrefix: String = "") {
        self.rules = rules
        self.shadowRules = shadowRules
        self.shadowPrefix = shadowPrefix
    }
}

/// Policies under one action (envoy.config.rbac.v3.RBAC).
package struct RuleSetSpec: Sendable {
    package enum Action: UInt8, Sendable, Hashable {
        /// What no policy matches is denied.
        case allow
        /// What some policy matches is denied.
        case deny
        /// Nothing is denied; a match is reported.
        case log
    }

    package var action: Action
    /// Evaluated in this order; the first that matches is named in the verdict.
    package var policies: [PolicySpec]

    package init(action: Action, policies: [PolicySpec]) {
        self.action = action
        self.policies = policies
    }
}

/// One policy: matches when any permission and any principal hold.
package struct PolicySpec: Sendable {
    package var name: String
    package var permissions: [ConditionSpec]
    package var principals: [ConditionSpec]
    package var origin: Origin

    package init(name: String, permissions: [ConditionSpec], principals: [ConditionSpec], origin: Origin = .none) {
        self.name = name
        self.permissions = permissions
        self.principals = principals
        self.origin = origin
    }
}

/// One condition of a permission or principal tree.
package indirect enum ConditionSpec: Sendable {
    case always
    /// Holds when empty.
    case all([ConditionSpec])
    /// Does not hold when empty.
    case any([ConditionSpec])
    case not(ConditionSpec)
    case header(HeaderMatchSpec)
    /// The path without query and fragment.
    case path(StringPattern)
    case destinationAddress(AddressRange)
    case destinationPort(ClosedRange<UInt16>)
    /// The client's side of the connection: the peer, or what its PROXY protocol header says.
    case sourceAddress(AddressRange)
    /// The peer of the connection itself, whatever it says of others.
    case directAddress(AddressRange)
    /// The client, from x-forwarded-for where that is trusted.
    case remoteAddress(AddressRange)
    /// The identity that the peer's certificate proves; nil is any certificate.
    case principal(StringPattern?)
    /// The server name of the ClientHello.
    case serverName(StringPattern)
    /// What filters in front found out about the request (the claims of its token).
    case metadata(MetadataMatchSpec)
}
