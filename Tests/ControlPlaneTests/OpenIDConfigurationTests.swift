import ControlPlane
import Testing

@Suite("What issuers say about themselves")
struct OpenIDConfigurationTests {
    private static let path = "/.well-known/openid-configuration"

    @Test(
        "Keys of an HTTPS issuer are never fetched in the clear",
        arguments: [
            ("https://a.example", "https://keys.example/jwks", true),
            ("https://a.example", "http://a.example/jwks", false),
            ("https://a.example", "ftp://a.example/jwks", false),
            ("http://a.production", "http://a.production/jwks", true),
            ("http://a.production", "https://keys.example/jwks", true),
        ])
    func schemes(_ issuer: String, _ keys: String, _ isTaken: Bool) {
        let text = #"{"issuer": "\#(issuer)", "jwks_uri": "\#(keys)"}"#
        let found = try? OpenIDConfiguration(text, of: issuer, at: issuer + Self.path)
        #expect(found?.keySetURL == (isTaken ? keys : nil))
    }

    @Test(
        "A document of someone else, or without keys, is refused",
        arguments: [
            #"{"issuer": "https://b.example", "jwks_uri": "https://a.example/jwks"}"#,
            #"{"issuer": "https://a.example"}"#,
            "[]", "",
        ])
    func refused(_ text: String) {
        #expect(throws: (any Error).self) {
            try OpenIDConfiguration(text, of: "https://a.example", at: "https://a.example" + Self.path)
        }
    }
}
