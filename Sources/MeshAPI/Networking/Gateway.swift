/// `networking.istio.io` Gateway: what a gateway workload listens for.
package struct Gateway: Sendable, Equatable {
    package var metadata: ObjectMeta
    /// Labels of the gateway pods, in every namespace; empty selects all gateways.
    package var selector: [String: String]
    package var servers: [Server]
}

/// One port of a gateway with the hosts it serves.
package struct Server: ObjectDecodable {
    package struct Port: ObjectDecodable {
        package enum Transport: String, CaseIterable, Sendable {
            case http = "HTTP"
            case https = "HTTPS"
            case grpc = "GRPC"
            case grpcWeb = "GRPC-WEB"
            case http2 = "HTTP2"
            case mongo = "MONGO"
            case tcp = "TCP"
            case tls = "TLS"

            /// Requests are read in clear after the port's own TLS, if any.
            package var isHTTP: Bool { [.http, .https, .grpc, .grpcWeb, .http2].contains(self) }
            /// TLS settings are needed.
            package var needsTLS: Bool { self == .https || self == .tls }
        }

        package var location: SourceLocation
        package var number: Int
        package var name: String
        package var transport: Transport

        package init(_ reader: ObjectReader) {
            location = reader.location
            // A listener on a Unix socket has port 0, which the server checks.
            number = reader.int("number", in: 0...65535) ?? 0
            name = reader.requiredString("name")
            let text = reader.requiredString("protocol")
            let names = Transport.allCases.map(\.rawValue)
            transport = Transport(rawValue: text.uppercased()) ?? .tcp
            if !text.isEmpty, Transport(rawValue: text.uppercased()) == nil {
                reader.error(
                    "protocol",
                    "unsupported protocol \"\(text)\": expected one of \(names.joined(separator: ", "))"
                        + Suggestion.clause(for: text, among: names)
                )
            }
            if reader.has("targetPort") {
                reader.warning("targetPort", "deprecated field, ignored: the gateway's Service maps the port")
            }
        }
    }

    package var location: SourceLocation
    package var name: String?
    package var port: Port?
    /// Address or Unix socket; nil means all addresses.
    package var bind: String?
    /// `namespace/dnsName` or `dnsName`.
    package var hosts: [Located<String>]
    package var tls: ServerTLSSettings?

    package init(_ reader: ObjectReader) {
        location = reader.location
        name = reader.string("name")
        port = reader.object("port")
        bind = reader.string("bind")
        hosts = reader.locatedStrings("hosts")
        tls = reader.object("tls")
        GatewayRules.check(self, reader)
    }
}
