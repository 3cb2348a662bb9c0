internal import Authentication
internal import Authorization
internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// envoy.filters.http.jwt_authn: the decision is `Authentication`'s; here its verdict is carried out.
extension Worker where Wire: ~Copyable {
    private static var metadataName: [UInt8] { Array("envoy.filters.http.jwt_authn".utf8) }

    mutating func authenticate(_ exchange: Handle, _ filter: JWTFilter, _ route: RouteFilters.Entry?) -> FilterStep {
        // First of all, also where nothing is required: what the application takes for this filter's word must be it.
        for name in filter.authenticator.ownHeaders { exchanges[exchange].removeRequestField(name.bytes) }
        if filter.bypassesPreflights, exchanges[exchange].isPreflight { return .next }
        var requirement = -1
        switch route?.configuration {
        case .off(.jwt)?: return .next
        case .jwtRequirement(let name)?:
            guard let number = filter.requirementNumbers[name] else {
                exchanges[exchange].longDetails = Array("jwt_authn_access_denied{Wrong_requirement_name}".utf8)
                reply(exchange, 403, Array("Failed JWT authentication: wrong requirement_name: \(name)".utf8), [])
                return .answered
            }
            requirement = number
        default:
            if let rules = filter.rules {
                let rule = exchanges[exchange].decide(rules, random: exchanges[exchange].filters.random).route
                if rule != .max { requirement = filter.ruleRequirements[Int(rule)] }
            }
        }
        if requirement < 0 { return .next }
        let now = transport.wallMicroseconds / 1_000_000
        var cache = TokenCache()
        swap(&cache, &tokens)
        let verdict = exchanges[exchange].decide(
            filter.authenticator, requirement: requirement,
            VerificationContext(now: now, remoteKeys: remoteKeys, clock: self.now), cache: &cache)
        swap(&cache, &tokens)
        if !verdict.wantedKeys.isEmpty, fetchKeys(verdict.wantedKeys, filter, for: exchange) { return .waiting }
        if let fault = verdict.fault {
            refuseToken(exchange, filter, fault)
            return .answered
        }
        var clearsRoute = false
        if let first = verdict.first { apply(exchange, filter, first, &clearsRoute) }
        for token in verdict.others { apply(exchange, filter, token, &clearsRoute) }
        if clearsRoute { findRoute(exchange, httpManager(exchange)) }
        return .next
    }

    /// What an accepted token changes in the request.
    private mutating func apply(
        _ exchange: Handle, _ filter: JWTFilter, _ accepted: AcceptedToken, _ clearsRoute: inout Bool
    ) {
        let provider = filter.authenticator.provider(accepted)
        if !provider.forwardPayloadHeader.isEmpty {
            exchanges[exchange].addRequestField(
                Array(provider.forwardPayloadHeader.lowercased().utf8), accepted.token.encodedPayload)
        }
        for header in accepted.token.claimHeaders { exchanges[exchange].addRequestField(header.name, header.value) }
        if !provider.forwards { exchanges[exchange].removeToken(at: accepted.location.place) }
        if let key = filter.payloadKeys[provider.name] {
            exchanges[exchange].filters.metadata.set(filter: Self.metadataName, key: key, accepted.token.payload)
        }
        if filter.clearsRoute.contains(provider.name) { clearsRoute = true }
    }

    private mutating func refuseToken(_ exchange: Handle, _ filter: JWTFilter, _ fault: TokenFault) {
        exchanges[exchange].longDetails = Array(fault.details.utf8)
        buffers.lend(&exchanges[exchange].arena)
        exchanges[exchange].response.reset()
        if !filter.stripsFailures {
            exchanges[exchange].addResponseField(
                "www-authenticate", Array(fault.challenge(uri: exchanges[exchange].originalURI).utf8))
        }
        replyKeepingFields(exchange, fault.status, filter.stripsFailures ? [] : Array(fault.text.utf8))
    }
}

extension Exchange {
    private static let requestMethod = HeaderName("access-control-request-method")

    fileprivate var isPreflight: Bool {
        let head = HeadView(request, bytes: arena.storage)
        guard head.knownMethod == .options, CORSPolicy.origin(of: head) != nil else { return false }
        return head.first(Self.requestMethod).map { !$0.isEmpty } ?? false
    }

    fileprivate func decide(
        _ authenticator: Authenticator, requirement: Int, _ context: VerificationContext, cache: inout TokenCache
    ) -> AuthenticationVerdict {
        authenticator.decide(
            HeadView(request, bytes: arena.storage), requirement: requirement, context, cache: &cache)
    }

    /// The request's URL without its query, as the challenge shows it.
    fileprivate var originalURI: String {
        let path = text(HeadView(request, bytes: arena.storage).pathWithoutQuery)
        return (request.scheme == .https ? "https://" : "http://") + text(request.authority) + path
    }

    /// Sets a field of the request, in the place of those with its name. `name` is lower case.
    mutating func setRequestField(_ name: [UInt8], _ value: [UInt8]) {
        Self.mutate(&request, &arena, .overwriteOrAdd, name: name.span, value.span)
    }

    /// Adds a field to the request, beside those with its name. `name` is lower case.
    fileprivate mutating func addRequestField(_ name: [UInt8], _ value: [UInt8]) {
        Self.mutate(&request, &arena, .append, name: name.span, value.span)
    }

    mutating func removeRequestField(_ name: [UInt8]) {
        Self.mutate(&request, &arena, .remove, name: name.span, name.span)
    }

    /// Takes a token out of the request, where others must not find it.
    fileprivate mutating func removeToken(at place: TokenLocation.Place) {
        switch place {
        case .header(let name, _): removeRequestField(name.bytes)
        case .parameter(let name): removeParameter(name)
        // As Envoy: cookies stay, they are the application's.
        case .cookie: break
        }
    }

    private mutating func removeParameter(_ name: [UInt8]) {
        guard let query = HeadView(request, bytes: arena.storage).query else { return }
        let kept = bytes(query).split(separator: 0x26, omittingEmptySubsequences: false)
            .filter { !TokenLocation.isParameter($0, named: name) }
        var path = bytes(HeadView(request, bytes: arena.storage).pathWithoutQuery)
        if !kept.isEmpty { path += [0x3f] + Array(kept.joined(separator: [0x26])) }
        request.path = append(&path)
    }
}
