/// What holds for the mesh as a whole; the defaults are Istio's.
package struct MeshSettings: Sendable, Equatable {
    package var trustDomain = "cluster.local"
    package var domainSuffix = "cluster.local"
    /// Namespace whose policies hold for every namespace.
    package var rootNamespace = "istio-system"
    /// Addresses of Services that name none: prefix of a /16.
    package var serviceNetwork: (UInt8, UInt8) = (10, 96)
    /// Addresses of names outside that have none (ServiceEntries, ExternalName Services): prefix of a /16.
    package var entryNetwork: (UInt8, UInt8) = (240, 240)

    package init() {}

    package static func == (left: MeshSettings, right: MeshSettings) -> Bool {
        left.trustDomain == right.trustDomain && left.domainSuffix == right.domainSuffix
            && left.rootNamespace == right.rootNamespace && left.serviceNetwork == right.serviceNetwork
            && left.entryNetwork == right.entryNetwork
    }

    /// `NAME.NAMESPACE.svc.SUFFIX`
    package func host(service: String, namespace: String) -> String { "\(service).\(namespace).svc.\(domainSuffix)" }

    /// A host as written in a resource of `namespace`: without a dot it is a Service of that namespace, otherwise it stands for
    /// itself. Wildcards and addresses are left alone.
    package func resolve(_ host: String, in namespace: String) -> String {
        if host.isEmpty || host == "*" || host.contains(".") || host.contains(":") { return host }
        return self.host(service: host, namespace: namespace)
    }

    package func spiffeID(namespace: String, serviceAccount: String) -> String {
        "spiffe://\(trustDomain)/ns/\(namespace)/sa/\(serviceAccount)"
    }
}
