/// A call that somebody makes, or thinks of making.
package struct CallQuestion: Sendable {
    /// The pod or workload that calls, `NAMESPACE/NAME`; nil is somebody without a proxy.
    package var caller: String?
    /// Name or address as the client writes it.
    package var host: String
    package var port: Int
    /// Without a request there is only a connection.
    package var isRequest = true
    package var method = "GET"
    /// With its query.
    package var path = "/"
    package var headers: [String: String] = [:]
    /// Claims of a good token, as JSON.
    package var claims: String?
    /// The client's address, for those who have no pod.
    package var source: String?
    /// Seconds since 1970, for tokens in the headers.
    package var time: UInt64 = 0

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

/// Where a call leads, and whether it gets there: step by step, each with the line of the file that decided it.
package struct CallExplanation: Sendable, Encodable {
    package struct Step: Sendable, Encodable, Hashable {
        package enum Subject: String, Sendable, Encodable { case route, mutualTLS = "mutual TLS", authorization }

        package var subject: Subject
        /// Where it happens; empty is the caller's own proxy.
        package var pods: [String]
        package var isAllowed: Bool
        /// One sentence for people.
        package var text: String
        /// The rule as access logs and metrics name it, `ns[NAMESPACE]-policy[NAME]-rule[N]`; nil when none decided.
        package var rule: String?
    }

    package var steps: [Step] = []

    /// Every step lets the call pass.
    package var isAllowed: Bool { steps.allSatisfy(\.isAllowed) }

    private enum CodingKeys: String, CodingKey { case isAllowed, steps }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(isAllowed, forKey: .isAllowed)
        try container.encode(steps, forKey: .steps)
    }

    package var lines: [String] {
        steps.map { step in
            let place = step.pods.isEmpty ? "" : " [\(step.pods.joined(separator: ", "))]"
            let subject = step.subject.rawValue + String(repeating: " ", count: 15 - step.subject.rawValue.count)
            return "\(subject)\(step.text)\(place)"
        } + ["result         \(isAllowed ? "gets through" : "is refused")"]
    }
}
