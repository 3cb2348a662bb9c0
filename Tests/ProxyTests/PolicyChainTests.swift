import Proxy
import SwiftProtobuf
import Testing
import XDS

/// Security filters asked without traffic decide as they do with it.
@Suite("Policies asked beforehand")
struct PolicyChainTests {
    private static func chain(_ rules: String) throws -> PolicyChain {
        MessageTypes.register()
        let keys = #"{\"keys\":[]}"#
        let filter = try Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter(
            jsonString: #"""
                {"name":"jwt","typedConfig":{
                "@type":"type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers":{"p":{"issuer":"i","localJwks":{"inlineString":"\#(keys)"}}}\#(rules)}}
                """#)
        return try PolicyChain(http: [filter])
    }

    private static let rules =
        #","rules":[{"match":{"prefix":"/open"}},{"match":{"prefix":"/closed"},"requires":{"providerName":"p"}}]"#

    @Test(
        "a token is wanted where a rule that fits wants one",
        arguments: [
            ("", "/closed", true), (rules, "/open", true), (rules, "/closed", false), (rules, "/elsewhere", true),
            (#","requirementMap":{"r":{"providerName":"p"}}"#, "/closed", true),
        ])
    func tokens(rules: String, path: String, isAllowed: Bool) throws {
        var question = PolicyQuestion()
        question.path = path
        #expect(try Self.chain(rules).decide(question).isAllowed == isAllowed)
    }
}
