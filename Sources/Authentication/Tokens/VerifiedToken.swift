/// A token whose signature, issuer and audience were found good for one provider. Immutable and shared: the cache and the
/// requests that brought it hold the same object.
package final class VerifiedToken: Sendable {
    /// The claims; those that the provider lists as space-delimited are arrays here (`normalize_payload_in_metadata`).
    package let payload: JSONDocument
    /// The payload section as it was sent (base64url, padded if the provider wants it): `forward_payload_header`.
    package let encodedPayload: [UInt8]
    /// What the provider's `claim_to_headers` yield: lower-case name, value. Claims that are absent, or no text, number
    /// or truth value, yield nothing.
    package let claimHeaders: [(name: [UInt8], value: [UInt8])]
    /// Seconds since 1970; 0 is unlimited.
    let notBefore: UInt64
    let expiry: UInt64

    init(
        payload: JSONDocument, encodedPayload: [UInt8], claimHeaders: [(name: [UInt8], value: [UInt8])],
        notBefore: UInt64, expiry: UInt64
    ) {
        self.payload = payload
        self.encodedPayload = encodedPayload
        self.claimHeaders = claimHeaders
        self.notBefore = notBefore
        self.expiry = expiry
    }

    /// nil when the token is valid at `now` with this tolerance, both in seconds.
    func fault(now: UInt64, clockSkew: UInt64) -> TokenFault? {
        if now &+ clockSkew < notBefore { return .notYetValid }
        if expiry != 0, now > expiry &+ clockSkew { return .expired }
        return nil
    }
}
