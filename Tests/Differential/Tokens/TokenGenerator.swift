import Foundation

/// Makes tokens: good ones, and ones with something odd about them, which `tags` names.
struct TokenGenerator {
    var random: Generator
    let now: Int
    let ring: KeyRing

    /// What is odd about the last token.
    private(set) var tags: [String] = []

    init(seed: UInt64, ring: KeyRing) {
        random = Generator(seed: seed)
        now = Int(Date().timeIntervalSince1970)
        self.ring = ring
    }

    mutating func pick<Element>(_ list: [Element]) -> Element {
        list[Int.random(in: 0..<list.count, using: &random)]
    }

    /// Once in `count` times.
    mutating func chance(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    /// - Parameter isOther: what the second issuer would issue.
    mutating func token(other isOther: Bool) throws -> String {
        tags = []
        let (algorithm, name) = pick(KeyRing.algorithms)
        let header =
            chance(3)
            ? oddHeader(algorithm, name)
            : pick([
                #"{"alg":"\#(algorithm)","kid":"\#(name)","typ":"JWT"}"#, #"{"alg":"\#(algorithm)"}"#,
            ])
        let payload = payload(isOther)
        let message = KeyRing.encode(header.utf8) + "." + KeyRing.encode(payload.utf8)
        let signs = chance(12) ? pick(["RS256", "PS256", "ES256", "HS256", "EdDSA"]) : algorithm
        if signs != algorithm { tags.append("signed by \(signs)") }
        let signsOther = chance(15) ? !isOther : isOther
        if signsOther != isOther { tags.append("signed by the wrong issuer") }
        var signature = try ring.sign(message, signs, other: signsOther)
        if chance(20) { signature = damaged(signature) }
        let text = message + "." + KeyRing.encode(signature)
        return chance(6) ? malformed(text) : text
    }

    // MARK: Parts

    private mutating func oddHeader(_ algorithm: String, _ name: String) -> String {
        let odd: [(String, String)] = [
            ("alg none", #"{"alg":"none"}"#), ("alg None", #"{"alg":"None","kid":"\#(name)"}"#),
            ("alg empty", #"{"alg":""}"#), ("alg of lower case", #"{"alg":"\#(algorithm.lowercased())"}"#),
            ("alg missing", #"{"typ":"JWT"}"#), ("alg a number", #"{"alg":1}"#), ("alg null", #"{"alg":null}"#),
            ("alg HS256", #"{"alg":"HS256","kid":"\#(name)"}"#), ("alg ES256K", #"{"alg":"ES256K"}"#),
            ("alg of another key", #"{"alg":"\#(pick(KeyRing.algorithms).0)","kid":"\#(name)"}"#),
            ("kid unknown", #"{"alg":"\#(algorithm)","kid":"nobody"}"#),
            ("kid empty", #"{"alg":"\#(algorithm)","kid":""}"#),
            ("kid of another key", #"{"alg":"\#(algorithm)","kid":"\#(pick(KeyRing.algorithms).1)"}"#),
            ("kid a number", #"{"alg":"\#(algorithm)","kid":7}"#),
            ("kid null", #"{"alg":"\#(algorithm)","kid":null}"#),
            ("kid a path", #"{"alg":"\#(algorithm)","kid":"../../dev/null"}"#),
            ("key inside", #"{"alg":"\#(algorithm)","jwk":{"kty":"oct","k":"AA"},"jku":"https://evil.test/"}"#),
            ("[crit]", #"{"alg":"\#(algorithm)","crit":["exp"]}"#),
            ("[crit]", #"{"alg":"\#(algorithm)","crit":["b64"],"b64":false}"#),
            ("[double name]", #"{"alg":"\#(algorithm)","alg":"none"}"#),
            ("[double name]", #"{"kid":"nobody","alg":"\#(algorithm)","kid":"\#(name)"}"#),
            ("header cut off", #"{"alg":"\#(algorithm)""#), ("header a text", #""\#(algorithm)""#),
            ("header a list", #"["\#(algorithm)"]"#), ("[loose JSON]", #"{"alg":"\#(algorithm)",}"#),
            ("[loose JSON]", #"{"alg":"\#(algorithm)"/**/}"#),
            ("header with spaces", " {\n\"alg\" : \"\(algorithm)\"\t} "),
            ("header with an escape", #"{"\u0061lg":"\#(algorithm)"}"#),
            ("[loose JSON]", #"{"alg":"\#(algorithm)"} {}"#), ("header empty object", "{}"),
        ]
        let (tag, text) = pick(odd)
        tags.append(tag)
        return text
    }

    private mutating func payload(_ isOther: Bool) -> String {
        let issuer = isOther ? "https://other.test" : "https://issuer.test"
        var members = [#""iss":"\#(issuer)""#, #""sub":"alice""#]
        if chance(2) { members.append(#""exp":\#(now + 1800)"#) }
        if chance(2) { members.append(pick([#""role":"admin""#, #""role":7"#, #""deep":{"er":"x"}"#])) }
        if chance(3) { members.append(#""aud":"api""#) }
        if chance(3) {
            let (tag, name, value) = pick(oddMembers)
            tags.append(tag)
            members.removeAll { $0.hasPrefix("\"\(name)\":") }
            if !value.isEmpty { members.append(#""\#(name)":\#(value)"#) }
        }
        if chance(30) {
            tags.append("[double name]")
            members.append(pick([#""iss":"https://issuer.test""#, #""sub":"bob""#, #""x":1,"x":2"#]))
        }
        members.shuffle(using: &random)
        let text = "{" + members.joined(separator: ",") + "}"
        guard chance(25) else { return text }
        let odd = [
            ("payload cut off", String(text.dropLast())), ("payload a list", "[]"), ("payload empty", "{}"),
            ("payload a number", "1"), ("[loose JSON]", String(text.dropLast()) + ",}"),
            ("[loose JSON]", text + "x"), ("payload with spaces", " " + text + "\n"),
            ("[loose JSON]", String(text.dropLast()) + #","n":NaN}"#),
        ]
        let (tag, changed) = pick(odd)
        tags.append(tag)
        return changed
    }

    /// What is odd, the claim, and its value; empty is without it.
    private var oddMembers: [(String, String, String)] {
        [
            ("iss evil", "iss", #""https://evil.test""#), ("iss missing", "iss", ""), ("iss a number", "iss", "7"),
            ("iss empty", "iss", #""""#), ("iss null", "iss", "null"),
            ("iss with a slash", "iss", #""https://issuer.test/""#),
            ("iss escaped", "iss", #""https:\/\/issuer.test""#), ("sub a number", "sub", "7"),
            ("sub missing", "sub", ""),
            ("sub null", "sub", "null"),
            ("aud of a list", "aud", #"["x","api"]"#), ("aud with a scheme", "aud", #""http://api.example.com""#),
            ("aud with scheme and slash", "aud", #"["https://api.example.com/","y"]"#),
            ("aud empty list", "aud", "[]"), ("aud numbers", "aud", "[1]"), ("aud an object", "aud", #"{"api":1}"#),
            ("aud other", "aud", #""elsewhere""#), ("aud other list", "aud", #"["elsewhere","API"]"#),
            ("aud empty", "aud", #""""#), ("aud null", "aud", "null"),
            ("expired", "exp", "\(now - 3600)"), ("expired a little", "exp", "\(now - 30)"),
            ("expired with skew", "exp", "\(now - 90)"), ("exp a text", "exp", #""soon""#),
            ("exp negative", "exp", "-1"),
            ("exp huge", "exp", "1e300"), ("exp zero", "exp", "0"), ("exp with a point", "exp", "\(now + 600).5"),
            ("exp with an exponent", "exp", "4e9"), ("exp true", "exp", "true"), ("exp null", "exp", "null"),
            ("exp far", "exp", "\(now + 100_000)"), ("exp of milliseconds", "exp", "\(now)000"),
            ("exp beyond", "exp", "18446744073709551616"), ("exp at the end", "exp", "9223372036854775807"),
            ("exp negative with a point", "exp", "-0.5"),
            ("nbf past", "nbf", "\(now - 3600)"), ("nbf soon", "nbf", "\(now + 30)"),
            ("nbf later", "nbf", "\(now + 120)"),
            ("nbf a text", "nbf", #""x""#), ("nbf negative", "nbf", "-5"), ("nbf zero", "nbf", "0"),
            ("iat now", "iat", "\(now)"), ("iat old", "iat", "\(now - 7200)"), ("iat future", "iat", "\(now + 7200)"),
            ("iat a list", "iat", "[]"), ("iat negative", "iat", "-1"), ("jti a number", "jti", "1"),
            ("jti", "jti", #""a""#), ("role true", "role", "true"), ("role null", "role", "null"),
            ("role a list", "role", #"["admin"]"#), ("role an object", "role", #"{"a":"b"}"#),
            ("role with a point", "role", "1.5"), ("role negative", "role", "-3"), ("role empty", "role", #""""#),
            ("role large", "role", "123456789012345678"), ("role tiny", "role", "1e-9"),
            ("role with letters of others", "role", #""Zoë ☃""#), ("role escaped", "role", #""\u00e9\t""#),
            ("[line break]", "role", #""x\r\nx-injected: 1""#), ("[line break]", "role", #""x\u0000y""#),
            ("deep number", "deep", #"{"er":2}"#), ("deep text", "deep", #""er""#), ("deep dotted", "deep.er", #""y""#),
        ]
    }

    private mutating func damaged(_ signature: Data) -> Data {
        var bytes = Array(signature)
        let kind = Int.random(in: 0..<5, using: &random)
        tags.append("signature damaged in way \(kind)")
        switch kind {
        case 0: bytes = []
        case 1: bytes.removeLast(min(1, bytes.count))
        case 2: bytes.append(0)
        case 3: bytes = [UInt8](repeating: 0, count: bytes.count)
        default: if !bytes.isEmpty { bytes[bytes.count / 2] ^= 1 }
        }
        return Data(bytes)
    }

    private mutating func malformed(_ text: String) -> String {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let ways: [(String, String)] = [
            ("two sections", "\(parts[0]).\(parts[1])"), ("one section", parts[0]), ("four sections", text + ".x"),
            ("[empty section]", "\(parts[0]).\(parts[1])."), ("[empty section]", "\(parts[0])..\(parts[2])"),
            ("[empty section]", ".\(parts[1]).\(parts[2])"), ("[empty section]", text + "."), ("[empty section]", ".."),
            ("[padding]", "\(padded(parts[0])).\(parts[1]).\(parts[2])"),
            ("[padding]", "\(parts[0]).\(parts[1]).\(padded(parts[2]))"),
            ("[padding]", "\(parts[0]).\(padded(parts[1])).\(parts[2])"),
            ("[odd character]", "\(parts[0]).\(parts[1]).\(parts[2])!"),
            ("[odd character]", "!\(text)"), ("[odd character]", "\(parts[0]).!\(parts[1]).\(parts[2])"),
            ("[odd character]", "\(parts[0]).\(parts[1]).\(parts[2].dropLast(4))+/+/"),
            ("[loose bits]", "\(parts[0]).\(parts[1]).\(loose(parts[2]))"),
            ("[loose bits]", "\(parts[0]).\(loose(parts[1])).\(parts[2])"),
            ("a character less", String(text.dropLast())), ("a character more", text + "A"),
            ("upper case", text.uppercased()), ("swapped", "\(parts[1]).\(parts[0]).\(parts[2])"),
        ]
        let (tag, changed) = pick(ways)
        tags.append(tag)
        return changed
    }

    private func padded(_ text: String) -> String {
        text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    }

    /// The last character with another one of the same bytes, where there is one.
    private func loose(_ text: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        guard text.utf8.count % 4 != 0, let last = text.last, let index = alphabet.firstIndex(of: last), index < 63
        else { return text }
        return text.dropLast() + String(alphabet[index + 1])
    }
}
