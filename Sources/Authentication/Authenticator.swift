package import HeaderBlock

/// One compiled jwt_authn filter: finds the tokens of a request, verifies them and says what follows.
///
/// A pure decision: time comes in, what was verified before is in the caller's `TokenCache`. With a cached token a decision
/// costs no allocation and no cryptography.
package struct Authenticator: Sendable {
    private indirect enum Requirement: Sendable {
        case none
        case provider(Int)
        case any([Requirement], allowMissing: Bool, allowFailed: Bool)
        case all([Requirement])
        case allowMissing
        case allowMissingOrFailed
    }

    private let providers: [Provider]
    /// By provider: where its tokens are.
    private let locations: [[TokenLocation]]
    /// Where tokens of all providers of the configuration are.
    private let everywhere: [TokenLocation]
    private let requirements: [Requirement]
    /// Headers that only this filter may set: to be removed from every request that comes to it, whatever is required.
    package let ownHeaders: [HeaderName]

    /// Compiles `spec`; fails for a provider that is not there, or when tokens may be in more than 64 places.
    package init(_ spec: AuthenticationSpec) throws(AuthenticationError) {
        var compiler = Compiler(spec.providers)
        var compiled: [Requirement] = []
        for requirement in spec.requirements { compiled.append(try compiler.compile(requirement)) }
        requirements = compiled
        providers = compiler.providers
        var slots = SlotTable()
        var byProvider: [[TokenLocation]] = []
        for (number, provider) in compiler.providers.enumerated() {
            byProvider.append(try slots.locations([(number, provider.spec)]))
        }
        locations = byProvider
        everywhere = try slots.locations(
            spec.providers.enumerated().map { ($0, $1) }.sorted { $0.1.name < $1.1.name })
        var own: [HeaderName] = []
        for header in compiler.providers[..<spec.providers.count].flatMap(\.ownHeaders)
        where !own.contains(where: { $0.bytes == header.bytes }) {
            own.append(header)
        }
        ownHeaders = own
    }

    /// What is wrong with the keys of a provider: tokens of it are refused until that is mended. For logs and admin output.
    package var keyFaults: [(provider: String, reason: String)] {
        providers.flatMap { provider in
            (provider.keyFault.map { [$0.description] } ?? provider.keys?.skipped ?? []).map {
                (provider.spec.name, $0)
            }
        }
    }

    package var requirementCount: Int { requirements.count }

    /// The provider of an accepted token.
    package func provider(_ token: AcceptedToken) -> ProviderSpec { providers[token.provider].spec }

    /// Decides whether a request meets requirement number `requirement`, at `now` seconds since 1970.
    package func decide(
        _ head: borrowing HeadView, requirement: Int, now: UInt64, cache: inout TokenCache
    ) -> AuthenticationVerdict {
        decide(head, requirement: requirement, VerificationContext(now: now), cache: &cache)
    }

    /// The same with keys that were fetched. Those that are missing, or too old, are named in the verdict: it is the one that
    /// holds if they cannot be had.
    package func decide(
        _ head: borrowing HeadView, requirement: Int, _ context: VerificationContext, cache: inout TokenCache
    ) -> AuthenticationVerdict {
        var verdict = AuthenticationVerdict()
        verdict.fault = evaluate(requirements[requirement], head, context, &cache, &verdict)
        return verdict
    }

    private func evaluate(
        _ requirement: Requirement, _ head: borrowing HeadView, _ context: VerificationContext,
        _ cache: inout TokenCache,
        _ verdict: inout AuthenticationVerdict
    ) -> TokenFault? {
        switch requirement {
        case .none: return nil
        case .provider(let number): return check(number, head, context, &cache, &verdict)
        case .all(let parts):
            for part in parts {
                if let fault = evaluate(part, head, context, &cache, &verdict) { return fault }
            }
            return nil
        case .any(let parts, let allowMissing, let allowFailed):
            // A fault that concerns the token says more than that there is none, or one of another issuer.
            var final = TokenFault.missing
            let wanted = verdict.wantedKeys.count
            for part in parts {
                guard let fault = evaluate(part, head, context, &cache, &verdict) else {
                    // Keys for the others would change nothing.
                    verdict.wantedKeys.removeLast(verdict.wantedKeys.count - wanted)
                    return nil
                }
                if fault != .missing && fault != .unknownIssuer || final == .missing { final = fault }
            }
            return allowFailed || allowMissing && final == .missing ? nil : final
        case .allowMissing: return checkAll(head, context, &cache, &verdict)
        case .allowMissingOrFailed:
            _ = checkAll(head, context, &cache, &verdict)
            return nil
        }
    }

    /// All tokens where this provider looks must be valid, and there must be one: a good token beside a bad one could
    /// otherwise lead the application to the bad one.
    private func check(
        _ number: Int, _ head: borrowing HeadView, _ context: VerificationContext, _ cache: inout TokenCache,
        _ verdict: inout AuthenticationVerdict
    ) -> TokenFault? {
        let locations = locations[number]
        var search = TokenSearch(locations)
        var found = false
        while let candidate = search.next(in: head, locations, removed: verdict.removed) {
            found = true
            switch verify(candidate, by: number, head, context, &cache, &verdict) {
            case .success(let token): accept(token, number, locations[candidate.location], &verdict)
            case .failure(let fault): return fault
            }
        }
        return found ? nil : .missing
    }

    private func checkAll(
        _ head: borrowing HeadView, _ context: VerificationContext, _ cache: inout TokenCache,
        _ verdict: inout AuthenticationVerdict
    ) -> TokenFault? {
        var search = TokenSearch(everywhere)
        var first: TokenFault?
        while let candidate = search.next(in: head, everywhere, removed: verdict.removed) {
            var fault = TokenFault.unknownIssuer
            var accepted = false
            for number in everywhere[candidate.location].providers {
                switch verify(candidate, by: number, head, context, &cache, &verdict) {
                case .success(let token):
                    accept(token, number, everywhere[candidate.location], &verdict)
                    accepted = true
                case .failure(let reason): if reason != .unknownIssuer { fault = reason }
                }
                if accepted { break }
            }
            if !accepted, first == nil { first = fault }
        }
        return first
    }

    private func accept(
        _ token: VerifiedToken, _ provider: Int, _ location: TokenLocation, _ verdict: inout AuthenticationVerdict
    ) {
        let accepted = AcceptedToken(provider: provider, token: token, location: location)
        if verdict.first == nil { verdict.first = accepted } else { verdict.others.append(accepted) }
        if !providers[provider].spec.forwards { verdict.removed |= 1 &<< UInt64(location.slot) }
    }

    private func verify(
        _ candidate: TokenCandidate, by number: Int, _ head: borrowing HeadView, _ context: VerificationContext,
        _ cache: inout TokenCache, _ verdict: inout AuthenticationVerdict
    ) -> Result<VerifiedToken, TokenFault> {
        if candidate.decoded.isEmpty {
            let range = candidate.range
            return verify(
                head.bytes.extracting(range.lowerBound..<range.upperBound), by: number, context, &cache, &verdict)
        }
        return verify(candidate.decoded.span, by: number, context, &cache, &verdict)
    }

    private func verify(
        _ text: Span<UInt8>, by number: Int, _ context: VerificationContext, _ cache: inout TokenCache,
        _ verdict: inout AuthenticationVerdict
    ) -> Result<VerifiedToken, TokenFault> {
        let hash = TokenCache.hash(text)
        var fingerprint = providers[number].fingerprint
        var fetched: RemoteKeys.Entry?
        let source = providers[number].spec.remoteKeys
        if let source {
            fetched = context.remoteKeys.fresh(source, at: context.clock)
            if let fetched { fingerprint = fingerprint.with(fetched.version) }
        }
        if source == nil || fetched != nil,
            let known = cache.find(text, hash: hash, fingerprint: fingerprint)
        {
            if let fault = known.fault(now: context.now, clockSkew: providers[number].spec.clockSkewSeconds) {
                return .failure(fault)
            }
            return .success(known)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        for index in text.indices { bytes.append(text[index]) }
        do throws(TokenFault) {
            let token = try providers[number].verify(SignedToken(parsing: bytes), now: context.now, fetched?.keys)
            cache.insert(bytes, hash: hash, fingerprint: fingerprint, token)
            return .success(token)
        } catch {
            guard let source, fetched == nil, error == .noValidKey else { return .failure(error) }
            // All that can be said without keys is in its favour.
            if !verdict.wantedKeys.contains(source) { verdict.wantedKeys.append(source) }
            return .failure(.keysNotFetched)
        }
    }

    private struct Compiler {
        /// The configured ones, then those with replaced audiences.
        var providers: [Provider]
        private let numbers: [String: Int]

        init(_ specs: [ProviderSpec]) {
            providers = specs.map(Provider.init)
            numbers = Dictionary(specs.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        }

        mutating func compile(_ spec: RequirementSpec) throws(AuthenticationError) -> Requirement {
            switch spec {
            case .none: return .none
            case .provider(let name, let audiences):
                guard let number = numbers[name] else {
                    throw AuthenticationError("Required provider ['\(name)'] is not configured.")
                }
                guard !audiences.isEmpty else { return .provider(number) }
                var replaced = providers[number].spec
                replaced.audiences = audiences
                providers.append(Provider(replaced))
                return .provider(providers.count - 1)
            case .all(let parts): return .all(try compile(parts))
            case .any(let parts):
                let failed = parts.contains { if case .allowMissingOrFailed = $0 { true } else { false } }
                let missing = parts.contains { if case .allowMissing = $0 { true } else { false } }
                let regular = parts.filter {
                    switch $0 {
                    case .allowMissing, .allowMissingOrFailed: false
                    default: true
                    }
                }
                if regular.isEmpty, failed || missing { return failed ? .allowMissingOrFailed : .allowMissing }
                return .any(try compile(regular), allowMissing: missing, allowFailed: failed)
            case .allowMissing: return .allowMissing
            case .allowMissingOrFailed: return .allowMissingOrFailed
            }
        }

        private mutating func compile(_ parts: [RequirementSpec]) throws(AuthenticationError) -> [Requirement] {
            var result: [Requirement] = []
            for part in parts { result.append(try compile(part)) }
            return result
        }
    }
}

/// What an `Authenticator` decided.
package struct AuthenticationVerdict: Sendable {
    /// nil: the request goes on.
    package var fault: TokenFault?
    /// A token that was found valid; the tokens behind it are in `others`. Their claims count only when `fault` is nil.
    package var first: AcceptedToken?
    package var others: [AcceptedToken] = []
    /// Where keys would have to be fetched from, to know better (`ProviderSpec.remoteKeys`).
    package var wantedKeys: [String] = []
    /// Slots of tokens that are taken out of the request.
    var removed: UInt64 = 0
}

/// A valid token, and what to do with the request because of it.
package struct AcceptedToken: Sendable {
    /// For `Authenticator.provider`.
    let provider: Int
    package let token: VerifiedToken
    /// Where the token was; unless the provider forwards tokens, that header or parameter is removed.
    package let location: TokenLocation
}
