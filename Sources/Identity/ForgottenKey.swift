import Crypto
import FoundationEssentials

/// A public key whose private half was thrown away as soon as it was made: nobody can sign for it.
///
/// It stands where a key set is wanted and none is known yet. Proxies (Envoy refuses a listener whose key set is empty)
/// take it, and believe no token.
package enum ForgottenKey {
    /// As a JSON Web Key Set (RFC 7517), the same for the life of the process.
    package static let keySet: String = {
        let point = P256.Signing.PrivateKey().publicKey.rawRepresentation
        func text(_ bytes: Data) -> String {
            bytes.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }
        return #"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"not fetched yet","#
            + #""x":"\#(text(point.prefix(32)))","y":"\#(text(point.suffix(32)))"}]}"#
    }()
}
