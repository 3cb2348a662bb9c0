import MeshAPI
import SwiftProtobuf
import XDS
import XDSTransport

/// A route table in pieces, each encoded once: a change of one virtual host encodes that one and strings the pieces together
/// again.
struct EncodedRouteTable {
    /// Which filters of the connection manager some route of a virtual host needs.
    struct Filters: OptionSet, Hashable {
        let rawValue: UInt8

        static let faults = Filters(rawValue: 1)
        static let cors = Filters(rawValue: 2)

        init(rawValue: UInt8) { self.rawValue = rawValue }

        init(_ routes: [Route]) {
            self = []
            for route in routes {
                if route.typedPerFilterConfig[FilterOverrides.faultFilter] != nil { insert(.faults) }
                if route.typedPerFilterConfig[FilterOverrides.corsFilter] != nil { insert(.cors) }
            }
        }
    }

    private struct Host {
        var domains: [String]
        var filters: Filters
        var bytes: [UInt8]
    }

    let name: String
    /// The table without virtual hosts.
    private let head: [UInt8]
    private var hosts: [Host] = []
    private var places: [String: Int] = [:]

    init(_ table: RouteTable) {
        name = table.name
        var bare = table
        bare.virtualHosts = []
        head = Self.encode(bare)
        for host in table.virtualHosts {
            places[host.name] = hosts.count
            hosts.append(Host(domains: host.domains, filters: Filters(host.routes), bytes: Self.encode(host)))
        }
    }

    /// The domains of a virtual host; nil when the table has none of that name.
    func domains(_ host: String) -> [String]? { places[host].map { hosts[$0].domains } }

    /// Puts a virtual host in the place of the one with its name.
    /// - Returns: false when there is none, or when the listeners would need other filters: then nothing has changed.
    mutating func replace(_ host: VirtualHost) -> Bool {
        guard let place = places[host.name] else { return false }
        let filters = Filters(host.routes)
        if filters != hosts[place].filters {
            let before = hosts.reduce(into: Filters()) { $0.formUnion($1.filters) }
            var after = filters
            for index in hosts.indices where index != place { after.formUnion(hosts[index].filters) }
            guard before == after else { return false }
        }
        hosts[place] = Host(domains: host.domains, filters: filters, bytes: Self.encode(host))
        return true
    }

    /// The whole table. Cost: a copy of its bytes.
    var resource: VersionedResource {
        var bytes = head
        bytes.reserveCapacity(hosts.reduce(head.count) { $0 + $1.bytes.count + 6 })
        for host in hosts {
            // Field 2 of RouteConfiguration, length-delimited.
            bytes.append(0x12)
            var length = host.bytes.count
            while length > 0x7f {
                bytes.append(UInt8(length & 0x7f | 0x80))
                length >>= 7
            }
            bytes.append(UInt8(length))
            bytes.append(contentsOf: host.bytes)
        }
        return VersionedResource(type: TypeURL.route, bytes: bytes)
    }

    private static func encode(_ message: some Message) -> [UInt8] {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        return (try? message.serializedBytes(partial: true, options: options)) ?? []
    }
}
