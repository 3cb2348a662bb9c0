internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing

/// Consistent hashing: the route says what of a request is hashed, the cluster's balancer uses it.
extension Worker where Wire: ~Copyable {
    /// Evaluates the route's hash policies.
    mutating func hashRequest(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision) {
        let fresh = transport.random()
        let downstream = exchanges[exchange].downstream
        let client = exchanges[exchange].remoteAddress?.ip ?? connections[downstream].remote.ip ?? .anyIPv4
        // Envoy hashes the text of the address.
        scratch.removeAll(keepingCapacity: true)
        client.write(to: &scratch)
        let result = exchanges[exchange].requestHash(table, decision, client: scratch, fresh: fresh)
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
        _ table: RouteTable, _ decision: RouteDecision, client: [UInt8], fresh: UInt64
    ) -> RequestHash {
        table.hash(for: decision, HeadView(request, bytes: arena.storage), source: client.span, fresh: fresh)
    }
}
