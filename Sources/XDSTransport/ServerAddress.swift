package import GRPCNIOTransportHTTP2Posix

/// Where a control plane listens: a Unix socket on this machine, or TCP.
package enum ServerAddress: Sendable, Hashable, CustomStringConvertible {
    case unixSocket(path: String)
    case tcp(host: String, port: Int)

    package var description: String {
        switch self {
        case .unixSocket(let path): "unix:\(path)"
        case .tcp(let host, let port): "\(host):\(port)"
        }
    }

    package var target: any ResolvableTarget {
        switch self {
        case .unixSocket(let path):
            .unixDomainSocket(path: path, authority: "localhost")
        case .tcp(let host, let port):
            if host.contains(":") {
                .ipv6(address: host, port: port)
            } else if host.allSatisfy({ $0.isNumber || $0 == "." }) {
                .ipv4(address: host, port: port)
            } else {
                .dns(host: host, port: port)
            }
        }
    }

    package var socketAddress: GRPCNIOTransportHTTP2Posix.SocketAddress {
        switch self {
        case .unixSocket(let path): .unixDomainSocket(path: path)
        case .tcp(let host, let port):
            host.contains(":") ? .ipv6(host: host, port: port) : .ipv4(host: host, port: port)
        }
    }
}
