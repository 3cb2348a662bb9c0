package import HeaderBlock

extension RouteProgram {
    /// Finds the route of a request. Allocates nothing, unless a header that a route tests occurs several times.
    ///
    /// - Parameters:
    ///   - random: 64 fresh random bits; they choose among weighted clusters and runtime fractions.
    ///   - rejected: the route of an earlier decision about the same head, whose `condition` does not hold: it and those
    ///     before it are not looked at; .max = none.
    func decide(_ head: borrowing HeadView, random: UInt64, after rejected: UInt32) -> RouteDecision {
        let authority = head.bytes.extracting(head.authority.lowerBound..<head.authority.upperBound)
        let hostNumber = authorities.find(authority)
        guard hostNumber != .max else { return RouteDecision(outcome: .noVirtualHost) }
        let host = virtualHosts.span[Int(hostNumber)]
        if host.requiresTLS, head.scheme == .http {
            var decision = RouteDecision(outcome: .requireTLS)
            decision.virtualHost = hostNumber
            decision.origin = host.origin
            return decision
        }
        let whole = head.pathWithoutQuery
        let path = head.bytes.extracting(whole.lowerBound..<whole.upperBound)
        let routes = routes.span
        var number = rejected == .max ? Int(host.routes.start) : Int(rejected) &+ 1
        while number < Int(host.routes.end) {
            if matches(routes[number], path: path, head, random: random) {
                return decision(for: number, host: hostNumber, random: random)
            }
            number &+= 1
        }
        var decision = RouteDecision(outcome: .noRoute)
        decision.virtualHost = hostNumber
        decision.origin = host.origin
        return decision
    }

    private func decision(for number: Int, host: UInt32, random: UInt64) -> RouteDecision {
        let route = routes.span[number]
        var decision = RouteDecision(outcome: .forward)
        decision.virtualHost = host
        decision.route = UInt32(number)
        decision.cluster = route.cluster
        decision.requestMutations = route.requestMutations
        decision.responseMutations = route.responseMutations
        decision.hostRewrite = route.hostRewrite
        decision.attachment = route.attachment
        decision.metadataMatch = route.metadataMatch
        decision.origin = route.origin
        switch route.action {
        case .cluster: break
        case .clusterHeader: decision.outcome = .forwardByHeader
        case .redirect: decision.outcome = .redirect
        case .directResponse: decision.outcome = .directResponse
        case .weightedClusters:
            let ticket = random.multipliedFullWidth(by: route.totalWeight).high
            var index = Int(route.weights.start)
            let weights = weights.span
            while weights[index].upTo <= ticket { index += 1 }
            let target = weights[index]
            decision.weighted = UInt32(index) - route.weights.start
            decision.cluster = target.cluster
            decision.requestMutations = target.requestMutations
            decision.responseMutations = target.responseMutations
            decision.hostRewrite = target.hostRewrite
            if target.attachment != .max { decision.attachment = target.attachment }
            if target.metadataMatch != .max { decision.metadataMatch = target.metadataMatch }
        }
        return decision
    }

    @inline(__always)
    private func matches(
        _ route: borrowing RouteEntry, path: borrowing Span<UInt8>, _ head: borrowing HeadView, random: UInt64
    ) -> Bool {
        guard matchesPath(route, path, head) else { return false }
        if route.fraction < 1_000_000 {
            // Other bits than those that choose the weighted cluster, so that the two draws are independent.
            let draw = (random.byteSwapped &* 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: 1_000_000).high
            guard draw < UInt64(route.fraction) else { return false }
        }
        if route.grpcOnly, !RequestKind.isGRPC(head) { return false }
        let headerMatches = headerMatches.span
        var index = Int(route.headers.start)
        while index < Int(route.headers.end) {
            if !headerMatches[index].matches(head, pool: pool, texts: texts) { return false }
            index &+= 1
        }
        if route.query.isEmpty { return true }
        return matchesQuery(route.query, head)
    }

    @inline(__always)
    private func matchesPath(
        _ route: borrowing RouteEntry, _ path: borrowing Span<UInt8>, _ head: borrowing HeadView
    ) -> Bool {
        switch route.pathTest {
        case .prefix:
            return route.foldsCase
                ? ByteString.hasPrefixFolded(path, pool.span(route.path))
                : ByteString.hasPrefix(path, pool.span(route.path))
        case .exact:
            return route.foldsCase
                ? ByteString.equalFolded(path, pool.span(route.path))
                : ByteString.equal(path, pool.span(route.path))
        case .segmentPrefix:
            let length = Int(route.path.count)
            guard path.count == length || (path.count > length && path[length] == 0x2F) else { return false }
            return route.foldsCase
                ? ByteString.hasPrefixFolded(path, pool.span(route.path))
                : ByteString.hasPrefix(path, pool.span(route.path))
        case .regex: return pool.program(route.path.offset).matches(path)
        case .connect: return head.knownMethod == .connect
        }
    }

    private func matchesQuery(_ range: IndexRange, _ head: borrowing HeadView) -> Bool {
        guard let place = head.query else { return false }
        let query = head.bytes.extracting(place.lowerBound..<place.upperBound)
        for index in range.indices {
            let match = queryMatches[index]
            guard let value = QueryString.value(of: pool.span(match.name), in: query) else { return false }
            if !match.presence, !pool.matches(match.pattern, query.extracting(value)) { return false }
        }
        return true
    }
}

/// What kind of request a head announces.
package enum RequestKind {
    /// Whether the content type is `application/grpc`, alone or with a `+format` or parameter.
    package static func isGRPC(_ head: borrowing HeadView) -> Bool {
        guard let value = head.first(.contentType) else { return false }
        let name: StaticString = "application/grpc"
        let length = name.utf8CodeUnitCount
        guard value.count >= length, head.bytes.equalsIgnoringCase(value.prefix(length), name) else { return false }
        if value.count == length { return true }
        let next = head.bytes[value.lowerBound + length]
        return next == 0x2B || next == 0x3B
    }
}
