package import MeshAPI

/// What is spoken on a Service port, chosen as Istio chooses it: `appProtocol`, then the port's name up to the first `-`, then
/// well-known server-first ports, else it is found out from the bytes.
package enum ApplicationProtocol: String, Sendable, Hashable {
    case http, http2, grpc, grpcWeb = "grpc-web", https, tls, tcp, mongo, redis, mysql, udp
    case unknown = "auto"

    /// Requests can be routed one by one.
    package var isHTTP: Bool { [.http, .http2, .grpc, .grpcWeb].contains(self) }
    /// Clients speak HTTP/2 without negotiation.
    package var isHTTP2: Bool { self == .http2 || self == .grpc }
    /// Clients begin with a TLS handshake of their own.
    package var isTLS: Bool { self == .https || self == .tls }

    package init(_ port: Service.Port) {
        guard port.transport != "UDP" else {
            self = .udp
            return
        }
        if let given = port.appProtocol, let chosen = Self.byAppProtocol(given) {
            self = chosen
        } else if let chosen = Self.byName(port.name ?? "") {
            self = chosen
        } else {
            self = [25, 53, 3306, 27017].contains(port.number) ? .tcp : .unknown
        }
    }

    /// The protocol of a ServiceEntry's or Sidecar's port (`HTTP`, `TLS` ...); empty is found out from the bytes.
    package init(transport: String) {
        self = Self.byPrefix(transport.lowercased()) ?? .unknown
    }

    private static func byAppProtocol(_ name: String) -> ApplicationProtocol? {
        switch name.lowercased() {
        case "kubernetes.io/h2c": .http2
        case "kubernetes.io/ws": .http
        case "kubernetes.io/wss": .https
        default: byPrefix(name.lowercased())
        }
    }

    private static func byName(_ name: String) -> ApplicationProtocol? {
        // "grpc-web" is the one protocol whose name has the separator in it.
        let name = name.lowercased()
        if name == "grpc-web" || name.hasPrefix("grpc-web-") { return .grpcWeb }
        return byPrefix(String(name.prefix { $0 != "-" }))
    }

    private static func byPrefix(_ name: String) -> ApplicationProtocol? {
        switch name {
        case "http", "http_proxy": .http
        case "auto", "": nil
        default: ApplicationProtocol(rawValue: name)
        }
    }
}
