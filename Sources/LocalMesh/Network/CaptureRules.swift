/// The firewall rules of a pod with a sidecar: its TCP and DNS traffic goes through the proxy, the proxy's own does not.
///
/// The proxy's traffic is told by its mark, because only one user id exists in an unprivileged user namespace. What the
/// proxy sends to its own pod for a caller in that pod (a service that is balanced to the caller itself) comes in like
/// anybody's traffic; what it hands to the application bears the next higher mark and goes straight there.
package struct CaptureRules: Equatable, Sendable {
    package static let mark: UInt32 = 1337
    /// Of traffic that goes straight to the application: what the proxy hands over, and readiness probes.
    package static let applicationMark: UInt32 = 1338
    package static let outboundPort: UInt16 = 15001
    package static let inboundPort: UInt16 = 15006
    package static let dnsPort: UInt16 = 15053
    /// Ports of the proxy itself.
    package static let ownPorts: [UInt16] = [15020, 15021, 15090]

    /// traffic.sidecar.istio.io/includeInboundPorts; nil is all.
    package var includedInboundPorts: [UInt16]?
    package var excludedInboundPorts: [UInt16] = []
    package var excludedOutboundPorts: [UInt16] = []
    /// traffic.sidecar.istio.io/includeOutboundIPRanges; nil is all.
    package var includedOutboundRanges: [String]?
    package var excludedOutboundRanges: [String] = []

    package init() {}

    /// Reads Istio's annotations. A value that is not a list of ports or ranges is an error that names the annotation.
    package init(annotations: [String: String]) throws(LocalMeshError) {
        let family = "traffic.sidecar.istio.io/"
        includedInboundPorts = try Self.ports(annotations, family + "includeInboundPorts")
        excludedInboundPorts = try Self.ports(annotations, family + "excludeInboundPorts") ?? []
        excludedOutboundPorts = try Self.ports(annotations, family + "excludeOutboundPorts") ?? []
        includedOutboundRanges = try Self.ranges(annotations, family + "includeOutboundIPRanges")
        excludedOutboundRanges = try Self.ranges(annotations, family + "excludeOutboundIPRanges") ?? []
    }

    /// The text for `nft -f`.
    package var text: String {
        var output = [
            "type nat hook output priority -100; policy accept;",
            "meta mark \(Self.applicationMark) return",
            "meta mark \(Self.mark) oifname \"lo\" ip daddr != 127.0.0.0/8 jump own",
            "meta mark \(Self.mark) return",
            "udp dport 53 redirect to :\(Self.dnsPort)",
            "ip daddr 127.0.0.0/8 return",
        ]
        if !excludedOutboundRanges.isEmpty { output.append("ip daddr \(Self.set(excludedOutboundRanges)) return") }
        if !excludedOutboundPorts.isEmpty { output.append("tcp dport \(Self.set(excludedOutboundPorts)) return") }
        switch includedOutboundRanges {
        case .none: output.append("meta l4proto tcp redirect to :\(Self.outboundPort)")
        case .some([]): break
        case .some(let ranges):
            output.append("meta l4proto tcp ip daddr \(Self.set(ranges)) redirect to :\(Self.outboundPort)")
        }

        var captured = ["tcp dport \(Self.set(Self.ownPorts + excludedInboundPorts)) return"]
        switch includedInboundPorts {
        case .none: captured.append("meta l4proto tcp redirect to :\(Self.inboundPort)")
        case .some([]): break
        case .some(let ports): captured.append("tcp dport \(Self.set(ports)) redirect to :\(Self.inboundPort)")
        }
        let input = ["type nat hook prerouting priority -100; policy accept;", "iifname \"lo\" return"] + captured
        return """
            table ip martlet {
              chain own {
                \(captured.joined(separator: "\n    "))
              }
              chain output {
                \(output.joined(separator: "\n    "))
              }
              chain prerouting {
                \(input.joined(separator: "\n    "))
              }
            }

            """
    }

    private static func set(_ elements: [some CustomStringConvertible]) -> String {
        "{ " + elements.map(\.description).joined(separator: ", ") + " }"
    }

    /// `*` means all, which is nil; an empty value means none.
    private static func entries(_ annotations: [String: String], _ name: String) -> [String]? {
        guard let text = annotations[name], text != "*" else { return nil }
        return text.split(separator: ",").map { String($0.filter { $0 != " " }) }
    }

    private static func ports(_ annotations: [String: String], _ name: String) throws(LocalMeshError) -> [UInt16]? {
        guard let entries = entries(annotations, name) else { return nil }
        var ports: [UInt16] = []
        for entry in entries {
            guard let port = UInt16(entry), port > 0 else {
                throw .invalid(what: "annotation \(name)", reason: "'\(entry)' is not a port number")
            }
            ports.append(port)
        }
        return ports
    }

    private static func ranges(_ annotations: [String: String], _ name: String) throws(LocalMeshError) -> [String]? {
        guard let entries = entries(annotations, name) else { return nil }
        for entry in entries {
            let parts = entry.split(separator: "/", omittingEmptySubsequences: false)
            let length = parts.count == 2 ? UInt8(parts[1]) : (parts.count == 1 ? 32 : nil)
            guard let first = parts.first, IPv4Address(String(first)) != nil, let length, length <= 32 else {
                throw .invalid(what: "annotation \(name)", reason: "'\(entry)' is not an IPv4 range such as 10.0.0.0/8")
            }
        }
        return entries
    }
}
