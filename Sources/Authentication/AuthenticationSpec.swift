/// What one jwt_authn filter does, as a plain value: the input of `Authenticator`
/// (envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication).
package struct AuthenticationSpec: Sendable {
    package var providers: [ProviderSpec]
    /// The requirements that the filter's rules, or routes, refer to by number. Which of them a request must meet is
    /// decided by the caller, who has the route matches.
    package var requirements: [RequirementSpec]

    package init(providers: [ProviderSpec], requirements: [RequirementSpec]) {
        self.providers = providers
        self.requirements = requirements
    }
}

/// An issuer of tokens (JwtProvider).
package struct ProviderSpec: Sendable, Hashable {
    package struct Header: Sendable, Hashable {
        package var name: String
        package var valuePrefix: String

        package init(name: String, valuePrefix: String) {
            self.name = name
            self.valuePrefix = valuePrefix
        }
    }

    package struct ClaimHeader: Sendable, Hashable {
        package var header: String
        /// Nested claims with dots; a name that holds dots itself is found too.
        package var claim: String

        package init(header: String, claim: String) {
            self.header = header
            self.claim = claim
        }
    }

    package var name: String
    /// Empty allows every issuer.
    package var issuer: String
    /// One of them must be among the token's; empty allows every audience.
    package var audiences: [String] = []
    /// The JSON text of the key set (local_jwks).
    package var keySet: String
    /// Names the place that keys are fetched from (remote_jwks), for `RemoteKeys`; `keySet` says nothing then.
    package var remoteKeys: String?
    /// Where tokens are; when all three are empty: `Authorization: Bearer `, then the parameter `access_token`.
    package var headers: [Header] = []
    package var parameters: [String] = []
    package var cookies: [String] = []
    /// The token stays in the request.
    package var forwards = false
    /// Empty is none.
    package var forwardPayloadHeader = ""
    package var padsForwardedPayload = false
    package var claimHeaders: [ClaimHeader] = []
    package var spaceDelimitedClaims: [String] = []
    package var clockSkewSeconds: UInt64 = 60
    /// A token without `exp` is refused (require_expiration).
    package var requiresExpiration = false
    /// The longest time from now to `exp`, seconds; 0 is unlimited (max_lifetime).
    package var maxLifetimeSeconds: UInt64 = 0

    package init(name: String, issuer: String, keySet: String) {
        self.name = name
        self.issuer = issuer
        self.keySet = keySet
    }
}

/// What a request must prove (JwtRequirement).
package indirect enum RequirementSpec: Sendable {
    /// Nothing.
    case none
    /// Valid tokens of this provider; `audiences`, if not empty, replace the provider's.
    case provider(String, audiences: [String])
    case any([RequirementSpec])
    case all([RequirementSpec])
    /// No token, or valid ones, of any provider.
    case allowMissing
    /// Anything; what is valid is used.
    case allowMissingOrFailed
}

/// Why a specification cannot be compiled.
package struct AuthenticationError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
