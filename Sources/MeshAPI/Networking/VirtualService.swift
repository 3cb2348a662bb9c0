/// `networking.istio.io` VirtualService: how requests addressed to `hosts` are routed.
package struct VirtualService: Sendable, Equatable {
    package var metadata: ObjectMeta
    /// As written: short names are resolved in the resource's namespace by the mesh state. Empty for a delegate.
    package var hosts: [Located<String>]
    /// As written; empty means the sidecars of the mesh (`mesh`).
    package var gateways: [Located<String>]
    package var http: [HTTPRoute]
    package var tls: [TLSRoute]
    package var tcp: [TCPRoute]
    package var exportTo: [Located<String>]

    /// A delegate has no hosts of its own: a root VirtualService refers to it by name.
    package var isDelegate: Bool { hosts.isEmpty }

    /// Whether the routes hold for sidecars (no gateways listed, or `mesh` among them).
    package var appliesToSidecars: Bool { gateways.isEmpty || gateways.contains { $0.value == "mesh" } }
}

/// A weighted, named place to send traffic to.
package struct Destination: ObjectDecodable {
    package var location: SourceLocation
    package var host: Located<String>
    package var subset: Located<String>?
    package var port: Int?

    package init(_ reader: ObjectReader) {
        location = reader.location
        host = reader.requiredLocated("host")
        subset = reader.located("subset")
        port = reader.object("port", PortSelector.self)?.number
        HostRules.checkDestination(host, reader)
        if let subset, !NameRules.isLabel(subset.value) {
            reader.error("subset", "\"\(subset.value)\" is not a subset name: lower case letters, digits and -")
        }
    }
}

/// `port: {number: N}`.
package struct PortSelector: ObjectDecodable {
    package var number: Int

    package init(_ reader: ObjectReader) {
        number = reader.int("number", in: 1...65535) ?? 0
        if !reader.has("number") { reader.error(nil, "number is required") }
    }
}

/// `{value: P}`, a share of 0 to 100.
package struct Percent: ObjectDecodable {
    package var value: Double

    package init(_ reader: ObjectReader) {
        value = reader.double("value", in: 0...100) ?? 0
    }
}
