internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// envoy.filters.http.cors.
extension Worker where Wire: ~Copyable {
    mutating func startCORS(_ exchange: Handle, _ policy: CORSPolicy?) -> FilterStep {
        guard let policy else { return .next }
        // As Envoy's: routes that answer themselves have no say in who may read the answer.
        switch exchanges[exchange].decision?.outcome {
        case .directResponse, .redirect, .requireTLS: return .next
        default: break
        }
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
        exchanges[exchange].allowOrigin(withCredentials: policy.spec.allowsCredentials)
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

    /// Says in the response that its request's origin may see it.
    fileprivate mutating func allowOrigin(withCredentials: Bool) {
        let name: StaticString = "access-control-allow-origin"
        var mark = replaceResponseField(name)
        arena.appendOwn(offset: filters.corsOrigin.lowerBound, count: filters.corsOrigin.count)
        endResponseField(name, mark)
        guard withCredentials else { return }
        let credentials: StaticString = "access-control-allow-credentials"
        mark = replaceResponseField(credentials)
        arena.append("true")
        endResponseField(credentials, mark)
    }

    /// Takes a field out of the response and begins its new line; where that begins.
    private mutating func replaceResponseField(_ name: StaticString) -> Int {
        for index in 0..<response.count where arena.storage.equalsIgnoringCase(response[index].name, name) {
            response.remove(at: index)
        }
        let mark = arena.end
        arena.append(name)
        arena.append(": ")
        return mark
    }

    private mutating func endResponseField(_ name: StaticString, _ mark: Int) {
        let start = mark &+ name.utf8CodeUnitCount &+ 2
        let value = ByteRange(start: start, length: arena.end &- start)
        arena.append("\r\n")
        _ = response.append(
            HeaderField(name: ByteRange(start: mark, length: name.utf8CodeUnitCount), value: value, id: .other))
    }

    fileprivate var asksForPrivateNetwork: Bool {
        CORSPolicy.asksForPrivateNetwork(HeadView(request, bytes: arena.storage))
    }
}
