package import XDS

/// What the mesh says about names: which it knows, and their addresses. Immutable.
///
/// A pod's resolver asks for `reviews` as `reviews.default.svc.cluster.local`, then for shorter forms, according to the
/// search list; so beside the full name the forms `reviews` (own namespace), `reviews.ns` and `reviews.ns.svc` are known, as
/// Istio's agent has them, and each of them followed by a search suffix.
package struct NameTable: Sendable {
    package enum Lookup: Sendable, Equatable {
        /// 4 bytes each; empty when the name is known and has no address of this type (NODATA).
        case known([[UInt8]])
        case unknown
    }

    private struct Addresses: Sendable {
        var v4: [[UInt8]] = []
        var v6: [[UInt8]] = []
    }

    private var names: [String: Addresses] = [:]
    /// `*.example.com`, keyed by `example.com`.
    private var wildcards: [String: Addresses] = [:]
    private let suffixes: [String]

    package init() { suffixes = [] }

    /// - Parameters:
    ///   - namespace: the proxy's own: short names are of it.
    ///   - domain: `cluster.local`.
    package init(_ table: Istio_Networking_Nds_V1_NameTable, namespace: String, domain: String) {
        suffixes = ["\(namespace).svc.\(domain)", "svc.\(domain)", domain].map { ".\($0)" }
        for (host, info) in table.table {
            var addresses = Addresses()
            for ip in info.ips {
                if let v4 = AddressText.v4(ip) {
                    addresses.v4.append(v4)
                } else if let v6 = AddressText.v6(ip) {
                    addresses.v6.append(v6)
                }
            }
            let host = host.lowercased()
            if host.hasPrefix("*.") {
                wildcards[String(host.dropFirst(2))] = addresses
                continue
            }
            names[host] = addresses
            let short = info.shortname.lowercased()
            guard !short.isEmpty, !info.namespace.isEmpty else { continue }
            let full = "\(short).\(info.namespace)"
            guard host == "\(full).svc.\(domain)" else { continue }
            for form in [full, "\(full).svc"] where names[form] == nil { names[form] = addresses }
            if info.namespace == namespace, names[short] == nil { names[short] = addresses }
        }
    }

    package var count: Int { names.count }

    /// - Parameter name: lower case, without the final dot.
    package func lookup(_ name: String, type: UInt16) -> Lookup {
        guard let addresses = addresses(name) else { return .unknown }
        switch type {
        case DNSMessage.RecordType.a, DNSMessage.RecordType.any: return .known(addresses.v4)
        case DNSMessage.RecordType.aaaa: return .known(addresses.v6)
        default: return .known([])
        }
    }

    private func addresses(_ name: String) -> Addresses? {
        if let found = exactOrWildcard(name) { return found }
        // The resolver appended a search suffix to a name that was complete: api.example.com.default.svc.cluster.local.
        for suffix in suffixes where name.hasSuffix(suffix) {
            if let found = exactOrWildcard(String(name.dropLast(suffix.count))) { return found }
        }
        return nil
    }

    private func exactOrWildcard(_ name: String) -> Addresses? {
        if let found = names[name] { return found }
        guard !wildcards.isEmpty else { return nil }
        var rest = name[...]
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            if let found = wildcards[String(rest)] { return found }
        }
        return nil
    }
}
