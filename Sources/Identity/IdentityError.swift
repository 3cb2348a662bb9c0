/// Why an identity, token, key or certificate request was not accepted.
package enum IdentityError: Error, Equatable, CustomStringConvertible {
    case malformedIdentity(String)
    case malformedToken
    case wrongSignature
    case wrongAudience(expected: String, actual: String)
    case expired
    /// A one-time token was presented a second time.
    case replayed
    case malformedRequest(String)
    /// The certificate request names an identity that the token does not grant.
    case foreignIdentity(requested: String, granted: String)
    case file(path: String, reason: String)

    package var description: String {
        switch self {
        case .malformedIdentity(let text):
            "\"\(text)\" is not a SPIFFE id of the form spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT"
        case .malformedToken: "the workload token is malformed"
        case .wrongSignature: "the workload token is not signed by this mesh's key"
        case .wrongAudience(let expected, let actual):
            "the workload token is for \"\(actual)\", not for \"\(expected)\""
        case .expired: "the workload token has expired"
        case .replayed: "the one-time workload token was used before; ask for a new one"
        case .malformedRequest(let reason): "the certificate request is not acceptable: \(reason)"
        case .foreignIdentity(let requested, let granted):
            "the certificate request asks for \(requested), but the token is for \(granted)"
        case .file(let path, let reason): "\(path): \(reason)"
        }
    }
}
