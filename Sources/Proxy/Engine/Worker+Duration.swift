internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// How long a request and its response may live in all (max_stream_duration, and grpc-timeout where routes let it count).
extension Worker where Wire: ~Copyable {
    /// The route is known: sets the clock, which began to run with the request.
    mutating func startDuration(_ exchange: Handle, _ manager: HTTPConnectionManager) {
        let fallback = UInt64(manager.timeouts.maxStreamMilliseconds)
        var limit = fallback
        if let decision = exchanges[exchange].decision,
            decision.outcome == .forward || decision.outcome == .forwardByHeader,
            let table = generations[exchanges[exchange].generation].snapshot.routeTables[exchanges[exchange].routeTable]
        {
            let duration = table.route(decision.route).duration
            let asked = duration.grpcLimit == .max ? nil : exchanges[exchange].askedGRPCTimeout
            let nanoseconds = duration.limit(grpcTimeout: asked, fallback: fallback &* 1_000_000)
            limit = (nanoseconds &+ 999_999) / 1_000_000
            // The endpoint is told what is left for it.
            if asked != nil, limit > 0 { exchanges[exchange].setGRPCTimeout(milliseconds: Int(clamping: limit)) }
        }
        exchanges[exchange].durationDeadline = limit == 0 ? .max : now &+ limit
    }

    mutating func durationExpired(_ exchange: Handle) {
        exchanges[exchange].durationDeadline = .max
        exchanges[exchange].details = "max_duration_timeout"
        exchanges[exchange].filters.grpcStatus = 4
        fail(exchange, exchanges[exchange].isRequestReceived ? 504 : 408, "downstream duration timeout", [])
    }
}

extension Exchange {
    /// The client has sent all of its request.
    var isRequestReceived: Bool {
        requestState == .sent || (downstreamStream != 0 ? requestEnded : requestBody.isComplete)
    }
}
