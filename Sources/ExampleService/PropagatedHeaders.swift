import NIOHTTP1

/// Which request headers travel on to the upstreams. An application in a mesh must pass the tracing headers on itself: the
/// sidecar sees requests come and go, not which one caused which.
struct PropagatedHeaders: Sendable {
    /// Istio's list for distributed tracing, the W3C's trace context and baggage, and what Istio's bookinfo passes on.
    static let standard: [String] = [
        "x-request-id", "x-ot-span-context", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled",
        "x-b3-flags", "b3", "traceparent", "tracestate", "baggage", "x-datadog-trace-id", "x-datadog-parent-id",
        "x-datadog-sampling-priority", "grpc-trace-bin", "x-cloud-trace-context", "sw8", "end-user", "user-agent",
        "cookie", "authorization", "jwt",
    ]

    let names: [String]

    init(further: [String]) { names = Self.standard + further.map { $0.lowercased() } }

    /// The headers to add to an upstream call. `x-example-*` travels only when `x-example-for` says whom it is meant for.
    func select(from received: HTTPHeaders) -> HTTPHeaders {
        var result = HTTPHeaders()
        let targeted = received.contains(name: "x-example-for")
        for (name, value) in received {
            let lower = name.lowercased()
            if names.contains(lower) || (targeted && lower.hasPrefix("x-example-")) {
                result.add(name: lower, value: value)
            }
        }
        // Bookinfo's product page turns its session into an end-user header: here the cookie `user=NAME` is the session.
        if !result.contains(name: "end-user"), let user = cookie("user", in: received) {
            result.add(name: "end-user", value: user)
        }
        return result
    }

    private func cookie(_ name: String, in headers: HTTPHeaders) -> String? {
        for header in headers["cookie"] {
            for pair in header.split(separator: ";") {
                let trimmed = pair.drop { $0 == " " }
                guard trimmed.hasPrefix(name + "=") else { continue }
                let value = trimmed.dropFirst(name.count + 1)
                // It becomes a header value: control characters have no place there.
                guard !value.isEmpty, value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { continue }
                return String(value)
            }
        }
        return nil
    }
}
