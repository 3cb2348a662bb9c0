/// What an `Authorizer` decided, and because of which policy. Plain bits.
package struct AuthorizationVerdict: Sendable, Hashable {
    package enum Shadow: UInt8, Sendable {
        /// There are no shadow rules.
        case none
        case allowed, denied
    }

    package var isAllowed: Bool
    /// The policy that matched; `none` when none did.
    package var policy: PolicyID
    package var shadow: Shadow
    package var shadowPolicy: PolicyID
    /// A LOG rule set matched (Istio's AUDIT): the request is marked for the access log.
    package var isLogged: Bool
}

/// A policy by its number in an `Authorizer`.
package struct PolicyID: Sendable, Hashable {
    package let index: UInt16

    package init(index: UInt16) { self.index = index }

    package static var none: PolicyID { PolicyID(index: .max) }
}
