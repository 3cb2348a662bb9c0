/// Why a request's token is not accepted. The texts are Envoy's (source/common/jwt/status.cc): clients and operators know
/// them, they are the response body and, with underscores, part of the response code details.
package enum TokenFault: UInt8, Error, Sendable, CaseIterable {
    case missing
    case notYetValid
    case expired
    case badFormat
    case headerNotBase64
    case headerNotJSON
    case algorithmMissing
    case algorithmUnsupported
    case keyIDNotString
    case payloadNotBase64
    case payloadNotJSON
    case issuerNotString
    case subjectNotString
    case issuedAtNotInteger
    case issuedAtOutOfRange
    case notBeforeNotInteger
    case notBeforeOutOfRange
    case expiryNotInteger
    case expiryOutOfRange
    case identifierNotString
    case audienceNotString
    case signatureNotBase64
    case signatureWrongLength
    case unknownIssuer
    case audienceNotAllowed
    case verificationFailed
    case noMatchingKey
    case noValidKey
    case keysNotFetched

    package var text: String {
        switch self {
        case .missing: "Jwt is missing"
        case .notYetValid: "Jwt not yet valid"
        case .expired: "Jwt is expired"
        case .badFormat: "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
        case .headerNotBase64: "Jwt header is an invalid Base64url encoded"
        case .headerNotJSON: "Jwt header is an invalid JSON"
        case .algorithmMissing: "Jwt header [alg] field is required and must be a string"
        case .algorithmUnsupported: "Jwt header [alg] is not supported"
        case .keyIDNotString: "Jwt header [kid] field is not a string"
        case .payloadNotBase64: "Jwt payload is an invalid Base64url encoded"
        case .payloadNotJSON: "Jwt payload is an invalid JSON"
        case .issuerNotString: "Jwt payload [iss] field is not a string"
        case .subjectNotString: "Jwt payload [sub] field is not a string"
        case .issuedAtNotInteger: "Jwt payload [iat] field is not an integer"
        case .issuedAtOutOfRange: "Jwt payload [iat] field is not a positive 64 bit integer"
        case .notBeforeNotInteger: "Jwt payload [nbf] field is not an integer"
        case .notBeforeOutOfRange: "Jwt payload [nbf] field is not a positive 64 bit integer"
        case .expiryNotInteger: "Jwt payload [exp] field is not an integer"
        case .expiryOutOfRange: "Jwt payload [exp] field is not a positive 64 bit integer"
        case .identifierNotString: "Jwt payload [jti] field is not a string"
        case .audienceNotString: "Jwt payload [aud] field is not a string or string list"
        case .signatureNotBase64: "Jwt signature is an invalid Base64url encoded"
        case .signatureWrongLength: "Jwt ED25519 signature is wrong length"
        case .unknownIssuer: "Jwt issuer is not configured"
        case .audienceNotAllowed: "Audiences in Jwt are not allowed"
        case .verificationFailed: "Jwt verification fails"
        case .noMatchingKey: "Jwks doesn't have key to match kid or alg from Jwt"
        case .noValidKey: "Jwks doesn't have any valid public key"
        case .keysNotFetched: "Jwks remote fetch is failed"
        }
    }

    /// 401, but 403 for a genuine token that is meant for others.
    package var status: UInt16 { self == .audienceNotAllowed ? 403 : 401 }

    /// Envoy's response code details, `jwt_authn_access_denied{…}`.
    package var details: String {
        "jwt_authn_access_denied{" + text.map { $0 == " " ? "_" : String($0) }.joined() + "}"
    }

    /// The value of `www-authenticate` (RFC 6750 section 3); `uri` is the request's URL without its query, as
    /// `originalURI` makes it.
    package func challenge(uri: String) -> String {
        self == .missing ? "Bearer realm=\"\(uri)\"" : "Bearer realm=\"\(uri)\", error=\"invalid_token\""
    }
}
