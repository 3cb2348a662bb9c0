package import MeshAPI

/// A Service with its names, its address and the protocols of its ports.
package struct MeshService: Sendable, Equatable {
    package struct Port: Sendable, Equatable {
        package var number: Int
        package var name: String
        package var target: Service.Port.Target
        package var applicationProtocol: ApplicationProtocol
        package var location: SourceLocation
    }

    package enum Resolution: Sendable, Equatable {
        /// One virtual address for all endpoints.
        case clusterIP(String)
        /// Clients address the endpoints themselves.
        case headless
        /// An alias of a name outside.
        case externalName(String)
        /// Hosts of a ServiceEntry.
        case entry(ServiceEntry.Resolution)
    }

    /// What a ServiceEntry says beyond a Service.
    package struct Entry: Sendable, Equatable {
        /// Outside of the mesh: no mutual TLS unless a DestinationRule asks for it.
        package var isExternal: Bool
        package var endpoints: [WorkloadEntry.Spec]
        /// Names that the server's certificate must hold.
        package var subjectAltNames: [String]
    }

    package var name: String
    package var namespace: String
    /// Fully qualified host name; the key of the service.
    package var host: String
    package var resolution: Resolution
    /// Virtual addresses; of a ServiceEntry also ranges (`10.1.0.0/16`).
    package var addresses: [String]
    package var ports: [Port]
    package var selector: [String: String]
    package var publishNotReadyAddresses: Bool
    package var labels: [String: String]
    /// Namespaces that see the service (`networking.istio.io/exportTo`): nil means all.
    package var exportTo: [String]?
    package var origin: Origin
    package var entry: Entry?
    /// A client's connections go to one pod (`sessionAffinity: ClientIP`).
    package var hasClientAffinity = false
    /// Endpoints nearby are preferred (`trafficDistribution`, topology hints).
    package var prefersNearby = false

    /// The virtual address, when there is one.
    package var address: String? { addresses.first { !$0.contains("/") } }

    /// Unique in a mesh: two namespaces may have ServiceEntries of one host.
    package var key: String { "\(namespace)/\(host)" }

    package func port(_ number: Int) -> Port? { ports.first { $0.number == number } }

    package func isVisible(in namespace: String) -> Bool {
        Visibility.includes(namespace, exportTo: exportTo ?? [], owner: self.namespace)
    }
}

/// The `exportTo` rule shared by all kinds.
package enum Visibility {
    /// An empty list means everybody.
    package static func includes(_ namespace: String, exportTo: [String], owner: String) -> Bool {
        if exportTo.isEmpty || exportTo == ["*"] { return true }
        return exportTo.contains { $0 == "*" || $0 == namespace || ($0 == "." && owner == namespace) }
    }
}
