/// Which port of the host's loopback stands for a port of a gateway.
package struct PortMapping: Equatable, Sendable, Codable {
    /// Chosen by the user: gateway port -> host port.
    package var chosen: [UInt16: UInt16]

    package init(chosen: [UInt16: UInt16] = [:]) {
        self.chosen = chosen
    }

    /// The first port to try, and whether the next free one may stand in for it: not for a port that the user chose.
    package func wanted(for port: UInt16) -> (port: UInt16, exact: Bool) {
        if let host = chosen[port] { return (host, true) }
        switch port {
        case 80: return (8080, false)
        case 443: return (8443, false)
        // An ordinary user may not bind the low ports.
        case 1..<1024: return (port + 8000, false)
        default: return (port, false)
        }
    }

    /// `GATEWAY=HOST`, as in `80=9000`.
    package static func parse(_ text: String) throws(LocalMeshError) -> (gateway: UInt16, host: UInt16) {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, let gateway = UInt16(parts[0]), gateway > 0, let host = UInt16(parts[1]), host > 0
        else {
            throw .invalid(what: "port map '\(text)'", reason: "expected GATEWAYPORT=HOSTPORT, as in 80=9000")
        }
        return (gateway, host)
    }
}
