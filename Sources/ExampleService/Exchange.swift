import NIOCore
import NIOHTTP1

/// One request as it came in.
struct Exchange {
    var head: HTTPRequestHead
    var body: ByteBuffer
    /// `HTTP/1.1` or `HTTP/2`.
    var transport: String
    var peer: String

    var path: Substring { head.uri.prefix { $0 != "?" } }

    /// Items of the query, percent-decoding left out: no knob needs it.
    var queryItems: [(name: Substring, value: Substring)] {
        guard let mark = head.uri.firstIndex(of: "?") else { return [] }
        return head.uri[head.uri.index(after: mark)...].split(separator: "&").map { item in
            guard let equals = item.firstIndex(of: "=") else { return (item, "") }
            return (item[..<equals], item[item.index(after: equals)...])
        }
    }

    /// The behaviour for this request: the service's own, changed by the query and then by the headers. `x-example-for: NAME`
    /// restricts the headers to the service NAME or NAME-VERSION anywhere in the tree of calls.
    func behaviour(of options: ServiceOptions) throws(ServiceError) -> Behaviour {
        var behaviour = options.behaviour
        if head.uri.utf8.contains(UInt8(ascii: "?")) {
            for item in queryItems {
                guard let knob = Behaviour.Knob(rawValue: String(item.name)) else { continue }
                try behaviour.set(knob, to: String(item.value))
            }
        }
        let target = head.headers.first(name: "x-example-for")
        guard target == nil || target == options.name || target == "\(options.name)-\(options.version)" else {
            return behaviour
        }
        for (name, value) in head.headers where name.count > 10 && name.lowercased().hasPrefix("x-example-") {
            guard let knob = Behaviour.Knob(rawValue: String(name.lowercased().dropFirst(10))) else { continue }
            try behaviour.set(knob, to: value)
        }
        return behaviour
    }
}

/// What became of one upstream call.
struct UpstreamOutcome {
    var url: String
    var duration: Duration
    var result: Result<UpstreamResponse, any Error>

    /// The status that a failed call gives to the answer above it; nil for a call that went well.
    var failureStatus: Int? {
        switch result {
        case .success(let response): response.head.status.code >= 500 ? Int(response.head.status.code) : nil
        case .failure(let error): (error as? ServiceError) == .upstreamTimeout ? 504 : 502
        }
    }
}
