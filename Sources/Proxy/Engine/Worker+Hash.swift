internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing

/// Consistent hashing: the route says what of a request is hashed, the cluster's balancer uses it.
extension Worker where Wire: ~Copyable {
    /// Evaluates the route's hash policies.
    mutating func hashRequest(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision) {
        let fresh = transport.random()
        let client = connections[exchanges[exchange].downstream].remote.ip ?? .anyIPv4
        let result = exchanges[exchange].requestHash(table, decision, client: client, fresh: fresh)
        exchanges[exchange].hash = result.value
        exchanges[exchange].cookiePolicy = result.cookieToSet
        exchanges[exchange].cookieValue = fresh
    }

    /// The response tells the client the cookie that was made for it, which brings it to the same endpoint again.
    mutating func setHashCookie(_ exchange: Handle) {
        let table = exchanges[exchange].routeTable
        guard let routes = generations[exchanges[exchange].generation].snapshot.routeTables[table] else { return }
        scratch.removeAll(keepingCapacity: true)
        routes.writeCookie(
            policy: exchanges[exchange].cookiePolicy, fresh: exchanges[exchange].cookieValue, into: &scratch)
        exchanges[exchange].addResponseField("set-cookie", scratch)
    }
}

extension Exchange {
    fileprivate func requestHash(
        _ table: RouteTable, _ decision: RouteDecision, client: IPAddress, fresh: UInt64
    ) -> RequestHash {
        let address = InlineArray<16, UInt8> { index in
            let half: UInt64 = index < 8 ? client.high : client.low
            let shift = UInt64(56 - (index & 7) * 8)
            return UInt8(truncatingIfNeeded: half >> shift)
        }
        return table.hash(
            for: decision, HeadView(request, bytes: arena.storage), source: address.span, fresh: fresh)
    }
}
