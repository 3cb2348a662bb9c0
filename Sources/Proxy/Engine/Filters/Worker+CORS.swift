internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// envoy.filters.http.cors.
extension Worker where Wire: ~Copyable {
    mutating func startCORS(_ exchange: Handle, _ policy: CORSPolicy?) -> FilterStep {
        guard let policy else { return .next }
        let verdict = exchanges[exchange].decide(policy, random: transport.random())
        switch verdict {
        case .notCrossOrigin, .foreign: return .next
        case .permitted:
            exchanges[exchange].filters.cors = policy
            exchanges[exchange].filters.corsIsPermitted = true
            return .next
        case .permittedPreflight, .foreignPreflight:
            exchanges[exchange].filters.cors = policy
            exchanges[exchange].filters.corsIsPermitted = verdict == .permittedPreflight
            exchanges[exchange].details = "cors_response"
            replyToPreflight(exchange, policy)
            return .answered
        }
    }

    private mutating func replyToPreflight(_ exchange: Handle, _ policy: CORSPolicy) {
        buffers.lend(&exchanges[exchange].arena)
        exchanges[exchange].response.reset()
        let spec = policy.spec
        for (name, value) in [
            ("access-control-allow-methods", spec.allowMethods), ("access-control-allow-headers", spec.allowHeaders),
            ("access-control-max-age", spec.maxAge),
        ] where !value.isEmpty { exchanges[exchange].setResponseField(name, Array(value.utf8)) }
        if spec.allowsPrivateNetwork, exchanges[exchange].asksForPrivateNetwork {
            exchanges[exchange].setResponseField("access-control-allow-private-network", Array("true".utf8))
        }
        replyKeepingFields(exchange, 200, [])
    }

    /// The response to a permitted request: tells the browser so.
    mutating func permitOrigin(_ exchange: Handle) {
        guard let policy = exchanges[exchange].filters.cors, exchanges[exchange].filters.corsIsPermitted else { return }
        let origin = exchanges[exchange].bytes(exchanges[exchange].filters.corsOrigin)
        exchanges[exchange].setResponseField("access-control-allow-origin", origin)
        if policy.spec.allowsCredentials {
            exchanges[exchange].setResponseField("access-control-allow-credentials", Array("true".utf8))
        }
        if !policy.spec.exposeHeaders.isEmpty {
            exchanges[exchange].setResponseField(
                "access-control-expose-headers", Array(policy.spec.exposeHeaders.utf8))
        }
    }
}

extension Exchange {
    fileprivate mutating func decide(_ policy: CORSPolicy, random: UInt64) -> CORSVerdict {
        let origin = CORSPolicy.origin(of: HeadView(request, bytes: arena.storage)) ?? .empty
        filters.corsOrigin = origin
        return policy.decide(HeadView(request, bytes: arena.storage), random: random)
    }

    fileprivate var asksForPrivateNetwork: Bool {
        CORSPolicy.asksForPrivateNetwork(HeadView(request, bytes: arena.storage))
    }
}
