import Crypto
import Foundation

/// An issuer `https://fields.test` whose tokens the cases of `Fields` send.
enum FieldTokens {
    private static let key = P256.Signing.PrivateKey()

    private static func encode(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Its public key as a key set.
    static var keySet: String {
        let point = key.publicKey.x963Representation
        let (x, y) = (encode(point.dropFirst().prefix(32)), encode(point.suffix(32)))
        return #"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"field","x":"\#(x)","y":"\#(y)"}]}"#
    }

    /// `claims` are the members of a JSON object without its braces.
    static func token(_ claims: String) throws -> String {
        let payload =
            #"{"iss":"https://fields.test","sub":"somebody","exp":4102444800"# + (claims.isEmpty ? "}" : ",\(claims)}")
        let message = encode(Data(#"{"alg":"ES256","kid":"field"}"#.utf8)) + "." + encode(Data(payload.utf8))
        return message + "." + encode(try key.signature(for: Data(message.utf8)).rawRepresentation)
    }

    /// A text in which `KEYS` is the key set and `TOKEN<CLAIMS>` a token with these claims.
    static func filledIn(_ text: String) throws -> String {
        var result = text.replacing("KEYS", with: keySet)
        while let start = result.range(of: "TOKEN<"),
            let end = result.range(of: ">", range: start.upperBound..<result.endIndex)
        {
            let token = try token(String(result[start.upperBound..<end.lowerBound]))
            result.replaceSubrange(start.lowerBound..<end.upperBound, with: token)
        }
        return result
    }
}
