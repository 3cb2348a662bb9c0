/// Lays a `RouteConfigurationSpec` out in the flat arrays of a `RouteTable`.
struct RouteTableBuilder {
    let spec: RouteConfigurationSpec
    var virtualHosts: [RouteProgram.VirtualHost] = []
    var routes: [RouteEntry] = []
    var headerMatches: [CompiledHeaderMatch] = []
    var queryMatches: [CompiledQueryMatch] = []
    var weights: [WeightedTarget] = []
    var mutations: [HeaderMutation] = []
    var mirrors: [CompiledMirror] = []
    var upgrades: [RouteUpgrade] = []
    var hashPolicies: [CompiledHashPolicy] = []
    var redirects: [CompiledRedirect] = []
    var pool = PatternPoolBuilder()

    let texts: CommonTexts

    init(_ spec: RouteConfigurationSpec) {
        self.spec = spec
        texts = CommonTexts(pool: &pool)
    }

    mutating func build() throws(RouteTableError) {
        for (hostNumber, host) in spec.virtualHosts.enumerated() {
            let start = UInt32(routes.count)
            for (routeNumber, route) in host.routes.enumerated() {
                let path = "virtual_hosts[\(hostNumber)].routes[\(routeNumber)]"
                routes.append(try entry(route, host, path))
            }
            virtualHosts.append(
                RouteProgram.VirtualHost(
                    routes: IndexRange(start: start, end: UInt32(routes.count)), name: pool.add(host.name),
                    requiresTLS: host.requiresTLS, origin: host.origin))
        }
    }

    private mutating func entry(
        _ route: RouteSpec, _ host: VirtualHostSpec, _ path: String
    ) throws(RouteTableError) -> RouteEntry {
        var entry = try matching(route.match, path + ".match")
        entry.name = pool.add(route.name)
        entry.origin = route.origin == .none ? host.origin : route.origin
        entry.attachment = route.attachment
        entry.sendsAttemptCount = host.sendsAttemptCount
        entry.returnsAttemptCount = host.returnsAttemptCount
        let request = [route.requestHeaders, host.requestHeaders, spec.requestHeaders]
        let response = [route.responseHeaders, host.responseHeaders, spec.responseHeaders]
        entry.requestMutations = add(levels: request)
        entry.responseMutations = add(levels: response)
        switch route.action {
        case .forward(let forward):
            try add(forward, to: &entry, request: request, response: response, path + ".route")
        case .redirect(let redirect):
            entry.action = .redirect
            entry.status = redirect.status
            entry.redirect = UInt32(redirects.count)
            redirects.append(try compiled(redirect, path + ".redirect"))
        case .respond(let response):
            entry.action = .directResponse
            entry.status = response.status
            entry.body = pool.add(bytes: response.body)
        }
        return entry
    }

    private mutating func matching(_ match: RouteMatchSpec, _ path: String) throws(RouteTableError) -> RouteEntry {
        let folds = !match.caseSensitive
        let text: PooledBytes
        let test: RouteEntry.PathTest
        switch match.path {
        case .prefix(let prefix): (test, text) = (.prefix, add(prefix, folded: folds))
        case .exact(let exact): (test, text) = (.exact, add(exact, folded: folds))
        case .segmentPrefix(let prefix): (test, text) = (.segmentPrefix, add(prefix, folded: folds))
        case .connect: (test, text) = (.connect, PooledBytes())
        case .regex(let regex):
            (test, text) = (.regex, PooledBytes(offset: try program(regex, path + ".safe_regex"), count: 0))
        }
        var entry = RouteEntry(
            pathTest: test, foldsCase: folds, grpcOnly: match.grpcOnly, path: text, action: .cluster)
        entry.headers.start = UInt32(headerMatches.count)
        for (number, header) in match.headers.enumerated() {
            headerMatches.append(try compiled(header, path + ".headers[\(number)]"))
        }
        entry.headers.end = UInt32(headerMatches.count)
        entry.query.start = UInt32(queryMatches.count)
        for (number, query) in match.queryParameters.enumerated() {
            let pattern = try pooled(query.pattern ?? .any, path + ".query_parameters[\(number)]")
            queryMatches.append(
                CompiledQueryMatch(name: pool.add(query.name), presence: query.pattern == nil, pattern: pattern))
        }
        entry.query.end = UInt32(queryMatches.count)
        entry.fraction = match.runtimeFraction ?? 1_000_000
        entry.condition = match.condition
        return entry
    }

    private mutating func add(
        _ forward: ForwardSpec, to entry: inout RouteEntry, request: [HeaderMutationSpec],
        response: [HeaderMutationSpec], _ path: String
    ) throws(RouteTableError) {
        entry.hostRewrite = compiled(forward.hostRewrite)
        switch forward.target {
        case .cluster(let cluster):
            entry.action = .cluster
            entry.cluster = cluster
        case .header(let name):
            entry.action = .clusterHeader
            entry.clusterHeader = key(name)
        case .weighted(let targets):
            entry.action = .weightedClusters
            try add(targets, to: &entry, request: request, response: response, path + ".weighted_clusters")
        }
        entry.rewrite = try rewrite(forward, path)
        if let timeout = forward.timeoutNanoseconds { entry.timeoutNanoseconds = timeout }
        if let idle = forward.idleTimeoutNanoseconds { entry.idleTimeoutNanoseconds = idle }
        if let limit = forward.maxGRPCTimeoutNanoseconds { entry.maxGRPCTimeoutNanoseconds = limit }
        entry.duration = forward.duration
        entry.retryPolicy = forward.retryPolicy
        entry.hedges = forward.hedges
        entry.status = forward.clusterNotFoundStatus
        entry.highPriority = forward.highPriority
        entry.metadataMatch = forward.metadataMatch
        entry.upgrades.start = UInt32(upgrades.count)
        upgrades += forward.upgrades
        entry.upgrades.end = UInt32(upgrades.count)
        entry.hashPolicies.start = UInt32(hashPolicies.count)
        for policy in forward.hashPolicies { hashPolicies.append(compiled(policy)) }
        entry.hashPolicies.end = UInt32(hashPolicies.count)
        entry.mirrors.start = UInt32(mirrors.count)
        for mirror in forward.mirrors {
            mirrors.append(
                CompiledMirror(
                    cluster: mirror.cluster, fraction: mirror.fraction, appendsSuffix: mirror.appendsSuffix))
        }
        entry.mirrors.end = UInt32(mirrors.count)
    }

    private mutating func add(
        _ targets: [WeightedTargetSpec], to entry: inout RouteEntry, request: [HeaderMutationSpec],
        response: [HeaderMutationSpec], _ path: String
    ) throws(RouteTableError) {
        entry.weights.start = UInt32(weights.count)
        for target in targets where target.weight > 0 {
            entry.totalWeight += UInt64(target.weight)
            weights.append(
                WeightedTarget(
                    cluster: target.cluster, upTo: entry.totalWeight,
                    requestMutations: target.requestHeaders.isEmpty
                        ? entry.requestMutations : add(levels: [target.requestHeaders] + request),
                    responseMutations: target.responseHeaders.isEmpty
                        ? entry.responseMutations : add(levels: [target.responseHeaders] + response),
                    hostRewrite: target.hostRewrite == .none ? entry.hostRewrite : compiled(target.hostRewrite),
                    attachment: target.attachment, metadataMatch: target.metadataMatch))
        }
        entry.weights.end = UInt32(weights.count)
        if entry.totalWeight == 0 { throw RouteTableError(path: path, reason: "the sum of the weights is 0") }
        if entry.totalWeight > UInt64(UInt32.max) {
            throw RouteTableError(path: path, reason: "the sum of the weights is larger than 4294967295")
        }
    }

    private mutating func rewrite(_ forward: ForwardSpec, _ path: String) throws(RouteTableError) -> PathRewrite {
        if let prefix = forward.prefixRewrite {
            return PathRewrite(kind: .prefix, text: pool.add(prefix))
        }
        guard let regex = forward.regexRewrite else { return PathRewrite() }
        return try PathRewrite(
            kind: .regex, text: pool.add(regex.substitution), regex: substitution(regex, path + ".regex_rewrite"))
    }

    private mutating func compiled(_ redirect: RedirectSpec, _ path: String) throws(RouteTableError)
        -> CompiledRedirect
    {
        var compiled = CompiledRedirect(
            scheme: pool.add(redirect.scheme ?? ""), host: pool.add(redirect.host ?? ""), port: redirect.port ?? 0,
            path: .keep, text: PooledBytes(), regex: 0, stripsQuery: redirect.stripsQuery)
        switch redirect.path {
        case .keep: break
        case .whole(let text): (compiled.path, compiled.text) = (.whole, pool.add(text))
        case .prefix(let text): (compiled.path, compiled.text) = (.prefix, pool.add(text))
        case .regex(let regex):
            compiled.path = .regex
            compiled.text = pool.add(regex.substitution)
            compiled.regex = try substitution(regex, path + ".regex_rewrite")
        }
        return compiled
    }

    private mutating func substitution(_ regex: RegexRewriteSpec, _ path: String) throws(RouteTableError) -> UInt32 {
        let number = try program(regex.pattern, path + ".pattern")
        do throws(RegexProgram.Invalid) {
            try pool.program(number).check(rewrite: regex.substitution)
        } catch {
            throw RouteTableError(path: path + ".substitution", reason: error.reason)
        }
        return number
    }

    private mutating func compiled(_ match: HeaderMatchSpec, _ path: String) throws(RouteTableError)
        -> CompiledHeaderMatch
    {
        do throws(RegexProgram.Invalid) {
            return try CompiledHeaderMatch(match, pool: &pool)
        } catch {
            throw RouteTableError(path: path, reason: error.description)
        }
    }

    private mutating func compiled(_ policy: HashPolicySpec) -> CompiledHashPolicy {
        var compiled = CompiledHashPolicy(
            source: .sourceAddress, terminal: policy.terminal, name: PooledBytes(), header: .none,
            cookiePath: PooledBytes(), cookieAttributes: PooledBytes(), ttlSeconds: .max)
        switch policy.source {
        case .sourceAddress: break
        case .header(let name): (compiled.source, compiled.header) = (.header, key(name))
        case .queryParameter(let name): (compiled.source, compiled.name) = (.queryParameter, pool.add(name))
        case .cookie(let name, let path, let ttl, let attributes):
            (compiled.source, compiled.name) = (.cookie, pool.add(name))
            compiled.cookiePath = pool.add(path)
            compiled.cookieAttributes = pool.add(attributes)
            compiled.ttlSeconds = ttl ?? .max
        }
        return compiled
    }

    private mutating func compiled(_ rewrite: HostRewrite) -> CompiledHostRewrite {
        switch rewrite {
        case .none: CompiledHostRewrite()
        case .literal(let host): CompiledHostRewrite(kind: .literal, text: pool.add(host))
        case .endpointName: CompiledHostRewrite(kind: .endpointName)
        case .header(let name): CompiledHostRewrite(kind: .header, header: key(name))
        }
    }

    /// `levels` from the most to the least specific; Envoy applies them in that order, so the least specific wins.
    private mutating func add(levels: [HeaderMutationSpec]) -> IndexRange {
        let start = UInt32(mutations.count)
        for level in spec.mostSpecificHeadersWin ? levels.reversed() : levels { mutations += pool.add(level) }
        return IndexRange(start: start, end: UInt32(mutations.count))
    }

    private mutating func key(_ name: String) -> HeaderKey { pool.add(header: name) }

    private mutating func add(_ text: String, folded: Bool) -> PooledBytes {
        folded ? pool.add(bytes: text.utf8.map(ByteString.lower)) : pool.add(text)
    }

    private mutating func program(_ regex: String, _ path: String) throws(RouteTableError) -> UInt32 {
        do throws(RegexProgram.Invalid) {
            return try pool.add(regex: regex)
        } catch {
            throw RouteTableError(path: path, reason: error.description)
        }
    }

    private mutating func pooled(_ pattern: StringPattern, _ path: String) throws(RouteTableError) -> PooledPattern {
        do throws(RegexProgram.Invalid) {
            return try pool.add(pattern)
        } catch {
            throw RouteTableError(path: path, reason: error.description)
        }
    }
}
