import Authentication
import Crypto
import CryptoExtras
import Foundation
import HeaderBlock
import Testing

@Suite("Authentication of requests")
struct AuthenticatorTests {
    static let maker = TokenMaker()
    static let now: UInt64 = 1_700_000_000
    static let good = #"{"iss":"https://issuer.test","sub":"alice","aud":"api","exp":1700003600}"#

    static func provider(_ name: String = "p", change: (inout ProviderSpec) -> Void = { _ in }) throws -> ProviderSpec {
        var spec = ProviderSpec(name: name, issuer: "https://issuer.test", keySet: try maker.keySet())
        change(&spec)
        return spec
    }

    static func authenticator(change: (inout ProviderSpec) -> Void = { _ in }) throws -> Authenticator {
        try Authenticator(
            AuthenticationSpec(
                providers: [try provider(change: change)],
                requirements: [.any([.provider("p", audiences: []), .allowMissing])]))
    }

    static func verdict(
        _ token: String, now: UInt64 = now, change: (inout ProviderSpec) -> Void = { _ in }
    ) throws -> AuthenticationVerdict {
        var cache = TokenCache()
        return TokenRequest(fields: [("authorization", "Bearer \(token)")])
            .ask(try authenticator(change: change), now: now, cache: &cache)
    }

    @Test(
        "Every algorithm verifies what its key signed, with and without kid",
        arguments: [
            ("RS256", "rsa"), ("RS384", "rsa"), ("RS512", "rsa"), ("PS256", "rsa"), ("PS384", "rsa"), ("PS512", "rsa"),
            ("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521"), ("EdDSA", "ed"),
        ])
    func algorithms(_ algorithm: String, _ kid: String) throws {
        for kid in [kid, nil] {
            let verdict = try Self.verdict(try Self.maker.token(algorithm, kid: kid, Self.good))
            #expect(verdict.fault == nil)
            let payload = try #require(verdict.first?.token.payload)
            #expect(payload.value(at: [Array("sub".utf8)]).map(payload.string) == "alice")
        }
    }

    @Test("No token passes where none is required")
    func missing() throws {
        var cache = TokenCache()
        let verdict = TokenRequest().ask(try Self.authenticator(), cache: &cache)
        #expect(verdict.fault == nil)
        #expect(verdict.first == nil)
    }

    static let payloads: [(String, TokenFault)] = [
        (#"{"iss":"https://evil.test","sub":"a","exp":1700003600}"#, .unknownIssuer),
        (#"{"sub":"a","exp":1700003600}"#, .unknownIssuer),
        (#"{"iss":"https://issuer.test","exp":1699999939}"#, .expired),
        (#"{"iss":"https://issuer.test","nbf":1700000061}"#, .notYetValid),
        (#"{"iss":7}"#, .issuerNotString),
        (#"{"iss":"https://issuer.test","sub":7}"#, .subjectNotString),
        (#"{"iss":"https://issuer.test","exp":"soon"}"#, .expiryNotInteger),
        (#"{"iss":"https://issuer.test","exp":-1}"#, .expiryOutOfRange),
        (#"{"iss":"https://issuer.test","exp":1e300}"#, .expiryOutOfRange),
        (#"{"iss":"https://issuer.test","nbf":"x"}"#, .notBeforeNotInteger),
        (#"{"iss":"https://issuer.test","iat":[]}"#, .issuedAtNotInteger),
        (#"{"iss":"https://issuer.test","jti":1}"#, .identifierNotString),
        (#"{"iss":"https://issuer.test","aud":[1]}"#, .audienceNotString),
        (#"{"iss":"https://issuer.test","iss":"https://evil.test"}"#, .payloadNotJSON),
        (#"{"iss":"https://issuer.test",}"#, .payloadNotJSON),
        (#"[]"#, .payloadNotJSON),
    ]

    @Test("A token with wrong claims is refused with Envoy's reason", arguments: payloads)
    func claims(_ payload: String, _ fault: TokenFault) throws {
        #expect(try Self.verdict(try Self.maker.token("ES256", kid: "P-256", payload)).fault == fault)
    }

    @Test(
        "Clock skew is tolerated up to sixty seconds",
        arguments: [
            (#"{"iss":"https://issuer.test","exp":1699999940}"#, true),
            (#"{"iss":"https://issuer.test","exp":1699999939}"#, false),
            (#"{"iss":"https://issuer.test","nbf":1700000060}"#, true),
            (#"{"iss":"https://issuer.test","nbf":1700000061}"#, false),
        ])
    func skew(_ payload: String, _ passes: Bool) throws {
        let verdict = try Self.verdict(try Self.maker.token("ES256", payload))
        #expect((verdict.fault == nil) == passes)
    }

    @Test(
        "Audiences are compared without scheme and last slash; a token for others is 403",
        arguments: [
            (#""api.example.com""#, true), (#"["x","https://api.example.com/"]"#, true), (#""other""#, false),
            ("[]", false),
        ])
    func audiences(_ audience: String, _ passes: Bool) throws {
        let token = try Self.maker.token("ES256", #"{"iss":"https://issuer.test","aud":\#(audience)}"#)
        let fault = try Self.verdict(token) { $0.audiences = ["api.example.com"] }.fault
        #expect((fault == nil) == passes)
        if !passes { #expect(fault == .audienceNotAllowed && fault?.status == 403) }
    }

    @Test("The algorithm of a token cannot change what a key is used for")
    func confusion() throws {
        let maker = Self.maker
        // HS256 with the text of the public key as its secret.
        let keys = try maker.keySet(withAlgorithms: false)
        let message = TokenMaker.encode(#"{"alg":"HS256","kid":"rsa"}"#.utf8) + "." + TokenMaker.encode(Self.good.utf8)
        for secret in [keys, String(decoding: try JSONEncoder().encode(keys), as: UTF8.self)] {
            let code = HMAC<SHA256>.authenticationCode(
                for: Data(message.utf8), using: SymmetricKey(data: Data(secret.utf8)))
            let fault = try Self.verdict(message + "." + TokenMaker.encode(code)) { $0.keySet = keys }.fault
            #expect(fault == .verificationFailed)
        }
        // A signature of one key with the name of an algorithm, or of a key, of another type.
        for (claimed, actual) in [("RS256", "ES256"), ("ES256", "RS256"), ("EdDSA", "ES256"), ("PS256", "RS256")] {
            let token = try maker.token(
                header: #"{"alg":"\#(claimed)"}"#, payload: Self.good, algorithm: actual)
            let fault = try Self.verdict(token) { $0.keySet = keys }.fault
            #expect(fault == .verificationFailed || fault == .signatureWrongLength)
        }
    }

    static let headers: [(String, TokenFault)] = [
        (#"{"alg":"none"}"#, .algorithmUnsupported), (#"{"alg":"None"}"#, .algorithmUnsupported),
        (#"{"alg":""}"#, .algorithmUnsupported), (#"{"alg":"es256"}"#, .algorithmUnsupported),
        (#"{"typ":"JWT"}"#, .algorithmMissing), (#"{"alg":1}"#, .algorithmMissing),
        (#"{"alg":"ES256","kid":1}"#, .keyIDNotString), (#"{"alg":"ES256","kid":"nobody"}"#, .noMatchingKey),
        (#"{"alg":"ES256","kid":"rsa"}"#, .noMatchingKey),
        (#"{"alg":"ES256","crit":["exp"]}"#, .algorithmUnsupported),
        (#"{"alg":"ES256""#, .headerNotJSON), ("\"ES256\"", .headerNotJSON),
    ]

    @Test("A token with a wrong header is refused", arguments: headers)
    func wrongHeaders(_ header: String, _ fault: TokenFault) throws {
        let token = try Self.maker.token(header: header, payload: Self.good, algorithm: "ES256")
        #expect(try Self.verdict(token).fault == fault)
    }

    @Test("What is no token is refused")
    func malformed() throws {
        let token = try Self.maker.token("ES256", Self.good)
        let parts = token.split(separator: ".").map(String.init)
        let cases: [(String, TokenFault)] = [
            ("", .badFormat), ("a", .badFormat), ("a.b", .badFormat), ("..", .badFormat), ("a.b.c.d", .badFormat),
            ("\(parts[0]).\(parts[1])", .badFormat), ("\(parts[0]).\(parts[1]).", .badFormat),
            ("\(parts[0])..\(parts[2])", .badFormat),
            ("!\(parts[0]).\(parts[1]).\(parts[2])", .headerNotBase64),
            ("\(parts[0]).\(parts[1])!.\(parts[2])", .payloadNotBase64),
            ("\(parts[0]).\(parts[1]).\(parts[2])!", .signatureNotBase64),
            ("\(parts[0]).\(parts[1]).AAAA", .verificationFailed),
            (token + ".", .badFormat), (String(repeating: "a", count: 70_000), .badFormat),
            (TokenMaker.encode(String(repeating: "[", count: 5000).utf8) + ".e30.AA", .headerNotJSON),
        ]
        for (text, fault) in cases {
            var cache = TokenCache()
            let spec = AuthenticationSpec(
                providers: [try Self.provider { $0.headers = [.init(name: "x-token", valuePrefix: "")] }],
                requirements: [.provider("p", audiences: [])])
            let verdict = TokenRequest(fields: [("x-token", text)]).ask(try Authenticator(spec), cache: &cache)
            #expect(verdict.fault == fault, "\(text.prefix(40))")
        }
    }

    @Test("Every truncation and every changed character of a token is refused")
    func tampering() throws {
        let token = Array(try Self.maker.token("EdDSA", kid: "ed", Self.good).utf8)
        let authenticator = try Self.authenticator()
        var cache = TokenCache()
        func passes(_ text: [UInt8]) -> Bool {
            let head = TokenRequest(fields: [("authorization", "Bearer " + String(decoding: text, as: UTF8.self))])
            return head.ask(authenticator, cache: &cache).fault == nil
        }
        #expect(passes(token))
        for length in stride(from: 1, to: token.count, by: 3) { #expect(!passes(Array(token[..<length]))) }
        for index in stride(from: 0, to: token.count, by: 2) {
            var changed = token
            changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(!passes(changed), "character \(index)")
        }
    }

    @Test("A repeated token is found in the cache, and expires there")
    func caching() throws {
        let token = try Self.maker.token("RS256", kid: "rsa", Self.good)
        let authenticator = try Self.authenticator()
        let head = TokenRequest(fields: [("authorization", "Bearer \(token)")])
        var cache = TokenCache()
        for _ in 0..<3 { #expect(head.ask(authenticator, cache: &cache).fault == nil) }
        #expect(cache.hits == 2)
        #expect(head.ask(authenticator, now: 1_700_003_661, cache: &cache).fault == .expired)
        // Another configuration does not believe what this one does.
        let stranger = try Self.authenticator { $0.audiences = ["elsewhere"] }
        #expect(head.ask(stranger, cache: &cache).fault == .audienceNotAllowed)
    }

    @Test("The cache stays within its bounds")
    func cacheBounds() throws {
        let authenticator = try Self.authenticator()
        var cache = TokenCache(maxEntries: 16, maxBytes: 40_000)
        for number in 0..<200 {
            let token = try Self.maker.token("EdDSA", #"{"iss":"https://issuer.test","n":\#(number)}"#)
            let verdict = TokenRequest(fields: [("authorization", "Bearer \(token)")]).ask(authenticator, cache: &cache)
            #expect(verdict.fault == nil)
        }
        #expect(cache.count <= 16)
    }

    @Test("Tokens are found in headers, parameters and cookies, and elsewhere ignored")
    func places() throws {
        let token = try Self.maker.token("EdDSA", Self.good)
        let requirement = RequirementSpec.provider("p", audiences: [])
        func fault(_ head: TokenRequest, _ change: (inout ProviderSpec) -> Void) throws -> TokenFault? {
            var cache = TokenCache()
            let spec = AuthenticationSpec(providers: [try Self.provider(change: change)], requirements: [requirement])
            return head.ask(try Authenticator(spec), cache: &cache).fault
        }
        #expect(try fault(TokenRequest(path: "/?a=1&access_token=\(token)&b=2")) { _ in } == nil)
        #expect(try fault(TokenRequest(path: "/?xaccess_token=\(token)")) { _ in } == .missing)
        #expect(try fault(TokenRequest(path: "/?t=\(token)")) { $0.parameters = ["t"] } == nil)
        #expect(try fault(TokenRequest(path: "/?a%5F%74=\(token)")) { $0.parameters = ["a_t"] } == nil)
        #expect(try fault(TokenRequest(path: "/?a%5F=\(token)")) { $0.parameters = ["a_t"] } == .missing)
        #expect(TokenLocation.isParameter(Array("x&a%5F%74=1".utf8)[2...], named: Array("a_t".utf8)))
        let encoded = token.split(separator: ".").joined(separator: "%2E")
        #expect(try fault(TokenRequest(path: "/?t=\(encoded)#x")) { $0.parameters = ["t"] } == nil)
        #expect(
            try fault(TokenRequest(fields: [("cookie", "a=b; t=\(token); c=d")])) { $0.cookies = ["t"] } == nil)
        #expect(try fault(TokenRequest(fields: [("cookie", "at=\(token)")])) { $0.cookies = ["t"] } == .missing)
        #expect(
            try fault(TokenRequest(fields: [("X-Jwt", "Token \(token)")])) {
                $0.headers = [.init(name: "x-jwt", valuePrefix: "Token ")]
            } == nil)
        #expect(
            try fault(TokenRequest(fields: [("authorization", "Bearer \(token)")])) {
                $0.headers = [.init(name: "x-jwt", valuePrefix: "")]
            } == .missing)
        // Two tokens at one place: the bad one counts.
        #expect(
            try fault(TokenRequest(fields: [("authorization", "Bearer a.b.c"), ("authorization", "Bearer \(token)")])) {
                _ in
            } != nil)
    }

    @Test("Claims become headers and lists")
    func claimOutputs() throws {
        let payload = #"""
            {"iss":"https://issuer.test","scope":"read write","n":1.5,"i":7,"b":true,"a":{"b":"deep"},"a.c":"dotted",
             "bad":"x\r\ny","list":["z"]}
            """#
        let verdict = try Self.verdict(try Self.maker.token("ES256", payload)) { spec in
            spec.spaceDelimitedClaims = ["scope"]
            spec.claimHeaders = ["scope", "n", "i", "b", "a.b", "a.c", "bad", "list", "none"].map {
                .init(header: "X-\($0)", claim: $0)
            }
        }
        let token = try #require(verdict.first?.token)
        let headers = token.claimHeaders.map {
            String(decoding: $0.name, as: UTF8.self) + ": " + String(decoding: $0.value, as: UTF8.self)
        }
        #expect(
            headers == [
                "x-scope: read write", "x-n: 1.500000", "x-i: 7", "x-b: true", "x-a.b: deep", "x-a.c: dotted",
            ])
        let scope = try #require(token.payload.value(at: [Array("scope".utf8)]))
        #expect(token.payload.kind(scope) == .array)
    }

    @Test("A token must satisfy one of several issuers; another's token alone is refused")
    func severalIssuers() throws {
        let second = TokenMaker()
        var other = ProviderSpec(name: "q", issuer: "https://second.test", keySet: try second.keySet())
        other.claimHeaders = [.init(header: "x-sub", claim: "sub")]
        let each: [RequirementSpec] = ["p", "q"].map { .any([.provider($0, audiences: []), .allowMissing]) }
        let spec = AuthenticationSpec(
            providers: [try Self.provider(), other],
            requirements: [.any([.provider("p", audiences: []), .provider("q", audiences: []), .all(each)])])
        let authenticator = try Authenticator(spec)
        var cache = TokenCache()
        func fault(_ token: String?) -> TokenFault? {
            TokenRequest(fields: token.map { [("authorization", "Bearer \($0)")] } ?? [])
                .ask(authenticator, cache: &cache).fault
        }
        #expect(fault(nil) == nil)
        #expect(fault(try Self.maker.token("ES256", Self.good)) == nil)
        #expect(fault(try second.token("ES256", #"{"iss":"https://second.test","sub":"b"}"#)) == nil)
        #expect(fault(try second.token("ES256", Self.good)) == .verificationFailed)
        #expect(fault(try second.token("ES256", #"{"iss":"https://third.test"}"#)) == .unknownIssuer)
        #expect(authenticator.ownHeaders.map(\.text) == ["x-sub"])
    }

    @Test("A key set without usable keys refuses every token, and says why")
    func keySets() throws {
        for text in ["", "{}", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#] {
            let authenticator = try Self.authenticator { $0.keySet = text }
            #expect(authenticator.keyFaults.count == 1, "\(text)")
            #expect(
                try Self.verdict(try Self.maker.token("ES256", Self.good)) { $0.keySet = text }.fault == .noValidKey)
        }
    }

    @Test("A repeated token is good from the cache; what that costs is printed")
    func cost() throws {
        let token = try Self.maker.token("RS256", kid: "rsa", Self.good)
        let text = Array("Bearer \(token)".utf8)
        let name = Array("authorization".utf8)
        let authenticator = try Self.authenticator()
        var cache = TokenCache()
        var table = HeaderTable()
        let bytes = name + text
        let names = ByteRange(start: 0, length: name.count)
        _ = table.append(
            HeaderField(
                name: names, value: ByteRange(start: name.count, length: text.count),
                id: KnownHeader.classify(bytes.span, names)))
        let clock = ContinuousClock()
        var best = Duration.seconds(1)
        for _ in 0..<20 {
            let time = clock.measure {
                for _ in 0..<1000 {
                    let head = HeadView(table, bytes: bytes.span)
                    let verdict = authenticator.decide(head, requirement: 0, now: Self.now, cache: &cache)
                    if verdict.fault != nil { Issue.record("refused") }
                }
            }
            best = min(best, time / 1000)
        }
        print("a cached token of \(token.utf8.count) bytes: \(best) per request")
    }
}
