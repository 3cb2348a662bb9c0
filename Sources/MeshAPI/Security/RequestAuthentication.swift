/// `security.istio.io` RequestAuthentication: which tokens of requests are checked, and how.
package struct RequestAuthentication: Sendable, Equatable {
    package var metadata: ObjectMeta
    package var selector: [String: String]?
    package var targets: [PolicyTarget]
    package var rules: [JWTRule]

    init(_ metadata: ObjectMeta, _ document: ObjectReader) {
        self.metadata = metadata
        let spec = document.child("spec")
        selector = spec.object("selector", LabelSelector.self)?.matchLabels
        targets = PolicyTarget.all(in: spec)
        rules = spec.objects("jwtRules")
        if spec.has("selector"), (selector ?? [:]).isEmpty {
            spec.warning("selector", "an empty selector takes every workload of the namespace")
        }
    }
}

/// An issuer of tokens, where its keys are and where its tokens are in a request.
package struct JWTRule: ObjectDecodable {
    package struct Header: ObjectDecodable {
        package var name: String
        package var prefix: String?

        package init(_ reader: ObjectReader) {
            name = reader.requiredString("name")
            prefix = reader.string("prefix")
        }
    }

    package struct ClaimHeader: ObjectDecodable {
        package var header: String
        package var claim: String

        package init(_ reader: ObjectReader) {
            header = reader.requiredString("header")
            claim = reader.requiredString("claim")
            if !header.isEmpty, !HeaderRules.isToken(header) {
                reader.error("header", "\"\(header)\" is not a valid header name")
            }
        }
    }

    package var location: SourceLocation
    package var issuer: String
    package var audiences: [String]
    package var jwksURI: String?
    package var jwks: String?
    package var fromHeaders: [Header]
    package var fromParams: [String]
    package var fromCookies: [String]
    package var forwardOriginalToken: Bool
    package var outputPayloadToHeader: String?
    package var outputClaimToHeaders: [ClaimHeader]
    package var timeout: Duration?
    package var spaceDelimitedClaims: [String]

    package init(_ reader: ObjectReader) {
        location = reader.location
        issuer = reader.requiredString("issuer")
        audiences = reader.strings("audiences")
        jwksURI = reader.string("jwksUri") ?? reader.string("jwks_uri")
        jwks = reader.string("jwks")
        fromHeaders = reader.objects("fromHeaders")
        fromParams = reader.strings("fromParams")
        fromCookies = reader.strings("fromCookies")
        forwardOriginalToken = reader.bool("forwardOriginalToken") ?? false
        outputPayloadToHeader = reader.string("outputPayloadToHeader")
        outputClaimToHeaders = reader.objects("outputClaimToHeaders")
        timeout = reader.duration("timeout", positive: true)
        spaceDelimitedClaims = reader.strings("spaceDelimitedClaims")
        reader.atMostOne(of: "jwks", "jwksUri")
        for (key, list) in [("audiences", audiences), ("fromParams", fromParams), ("fromCookies", fromCookies)]
        where list.contains("") {
            reader.error(key, "a value must not be empty")
        }
        if let jwksURI, !Self.isURL(jwksURI) {
            reader.error("jwksUri", "\"\(jwksURI)\" is not a URL: it must begin with http:// or https://")
        }
        if let jwks { checkKeys(jwks, reader) }
        var headers: Set<String> = []
        for output in outputClaimToHeaders where !headers.insert(output.header.lowercased()).inserted {
            reader.error("outputClaimToHeaders", "header \"\(output.header)\" is given twice")
        }
    }

    private static func isURL(_ text: String) -> Bool {
        ["http://", "https://"].contains { text.lowercased().hasPrefix($0) && text.utf8.count > $0.utf8.count }
    }

    /// A JSON Web Key Set is an object with a list of keys (RFC 7517 section 5).
    private func checkKeys(_ text: String, _ reader: ObjectReader) {
        let parsed = try? DocumentComposer.compose(Substring(text), firstLine: 1, limits: reader.context.limits)
        guard let keys = parsed?.root?["keys"], case .sequence(let elements) = keys.content else {
            reader.error("jwks", "not a JSON Web Key Set: expected {\"keys\": […]}")
            return
        }
        if elements.contains(where: { $0["d"] != nil }) {
            reader.warning("jwks", "holds a private key: only the public part belongs here")
        }
    }
}
