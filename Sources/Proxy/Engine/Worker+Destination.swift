internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import TLS

/// Where connections of ORIGINAL_DST clusters go, and what connections say before anything else.
extension Worker where Wire: ~Copyable {
    /// The destination of a request: what its header says where the cluster heeds that, else where its client wanted to go.
    /// Nil: the header's value is no address, or the client came for this proxy itself: it would ask itself without end.
    mutating func destination(
        _ exchange: Handle, _ generation: Int, _ cluster: Int, _ original: SocketAddress?
    ) -> SocketAddress? {
        var address = original
        if let options = generations[generation].snapshot.clusters[cluster]?.options,
            let name = options.destinationHeader,
            let value = exchanges[exchange].requestHeader(HeaderName(name))
        {
            guard let named = SocketAddress(String(decoding: value, as: UTF8.self)), named.ip != nil else { return nil }
            address = named
        }
        return address.map { portOverridden(generation, cluster, $0) }
    }

    /// `upstream_port_override`.
    func portOverridden(_ generation: Int, _ cluster: Int, _ address: SocketAddress) -> SocketAddress {
        guard let port = generations[generation].snapshot.clusters[cluster]?.options.destinationPort, port != 0,
            let ip = address.ip
        else { return address }
        return .ip(ip, port: port)
    }

    // MARK: PROXY protocol

    /// Sends the PROXY protocol's header, where the endpoint wants one, ahead of TLS and of everything else.
    mutating func announceClient(_ handle: Handle) {
        let version = pools[connections[handle].pool].key.proxyProtocol
        guard version > 0 else { return }
        var client = connections[handle].peer
        let exchange = connections[handle].exchange
        if exchanges.contains(exchange) { client = exchanges[exchange].downstream }
        var source: SocketAddress?
        var destination: SocketAddress?
        if connections.contains(client) {
            source = connections[client].remote
            destination = connections[client].local
        }
        let header = ProxyHeader.bytes(version: version, source: source, destination: destination)
        if connections[handle].isTLS {
            buffers.lend(&connections[handle].cipherOutput)
            connections[handle].cipherOutput.append(header.span)
        } else {
            buffers.lend(&connections[handle].output)
            connections[handle].output.append(header.span)
        }
    }

    // MARK: auto_san_validation

    /// Whether the certificate is for the name that was sent, where that is asked for.
    func certificateNamesServer(_ handle: Handle) -> Bool {
        let pool = connections[handle].pool
        guard pools[pool].verifiesServerName else { return true }
        guard let certificate = connections[handle].peerCertificate else { return false }
        let name = Array(pools[pool].key.serverName.utf8)
        return certificate.dnsNames.contains { ServerName.matches($0, name) }
    }
}

/// Host names in certificates (RFC 6125, section 6.4.3).
enum ServerName {
    /// Whether a certificate's DNS name, whose first label may be `*`, is for a host.
    static func matches(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
        let folded = name.map(lower)
        if pattern.starts(with: [0x2a, 0x2e]) {
            guard let dot = folded.firstIndex(of: 0x2e), dot > 0 else { return false }
            return folded[dot...].elementsEqual(pattern.dropFirst().map(lower))
        }
        return folded == pattern.map(lower)
    }

    private static func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte }
}

/// The header that tells an endpoint who the client is (haproxy.org, "The PROXY protocol").
enum ProxyHeader {
    /// - Parameters:
    ///   - source: the client; nil when the connection is the proxy's own.
    static func bytes(version: UInt8, source: SocketAddress?, destination: SocketAddress?) -> [UInt8] {
        guard case .ip(let from, let fromPort)? = source, case .ip(let to, let toPort)? = destination,
            from.isIPv6 == to.isIPv6
        else { return version == 1 ? Array("PROXY UNKNOWN\r\n".utf8) : signature + [0x20, 0, 0, 0] }
        if version == 1 {
            let family = from.isIPv6 ? "TCP6" : "TCP4"
            return Array("PROXY \(family) \(from) \(to) \(fromPort) \(toPort)\r\n".utf8)
        }
        let size: UInt8 = from.isIPv6 ? 36 : 12
        return signature + [0x21, from.isIPv6 ? 0x21 : 0x11, 0, size] + octets(from) + octets(to)
            + [UInt8(fromPort >> 8), UInt8(fromPort & 255), UInt8(toPort >> 8), UInt8(toPort & 255)]
    }

    private static let signature: [UInt8] = [
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
    ]

    private static func octets(_ address: IPAddress) -> [UInt8] {
        let low = (0..<8).map { UInt8(truncatingIfNeeded: address.low >> UInt64(56 - 8 * $0)) }
        guard address.isIPv6 else { return Array(low.suffix(4)) }
        return (0..<8).map { UInt8(truncatingIfNeeded: address.high >> UInt64(56 - 8 * $0)) } + low
    }
}
