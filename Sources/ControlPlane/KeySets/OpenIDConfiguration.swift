import Authentication

/// What an issuer says about itself (OpenID Connect Discovery 1.0 section 4).
package struct OpenIDConfiguration: Sendable {
    /// Where its keys are.
    package let keySetURL: String

    /// - Parameters:
    ///   - issuer: as policies call it; the document must be about this one.
    ///   - url: where the document was found.
    /// - Throws: `HTTPFetch.Failure`, also when keys would be fetched in the clear although the issuer is not: whoever is on
    ///   the way could give keys of his own.
    package init(_ text: String, of issuer: String, at url: String) throws {
        guard let document = try? JSONDocument(parsing: Array(text.utf8)) else {
            throw HTTPFetch.Failure("\(url) answered no JSON object")
        }
        let value = { (name: String) in document.value(at: [Array(name.utf8)]).map(document.string) }
        let names = [issuer, issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer]
        if let named = value("issuer"), !names.contains(named) {
            throw HTTPFetch.Failure("\(url) is the configuration of another issuer, \(named)")
        }
        guard let keys = value("jwks_uri"), !keys.isEmpty else { throw HTTPFetch.Failure("\(url) names no jwks_uri") }
        guard let target = HTTPFetch.Target(keys) else { throw HTTPFetch.Failure("\(url): \"\(keys)\" is not a URL") }
        guard target.isSecure || HTTPFetch.Target(url)?.isSecure == false else {
            throw HTTPFetch.Failure("\(url) leads to \(keys), which is not HTTPS")
        }
        keySetURL = keys
    }
}
