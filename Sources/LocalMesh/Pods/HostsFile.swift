/// The text of a pod's /etc/hosts and /etc/resolv.conf.
package struct HostsFile: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package var address: String
        package var names: [String]

        package init(address: String, names: [String]) {
            self.address = address
            self.names = names
        }
    }

    package var entries: [Entry]

    package init(entries: [Entry] = []) {
        self.entries = entries
    }

    package func text(pod: String, address: String) -> String {
        var lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "\(address)\t\(pod)"]
        lines += entries.map { "\($0.address)\t\($0.names.joined(separator: " "))" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The names of a service that a pod of `namespace` may use without a DNS server.
    package static func names(of service: String, in serviceNamespace: String, seenFrom namespace: String) -> [String] {
        let long = [
            "\(service).\(serviceNamespace).svc.cluster.local", "\(service).\(serviceNamespace).svc",
            "\(service).\(serviceNamespace)",
        ]
        return serviceNamespace == namespace ? long + [service] : long
    }

    /// With a sidecar every query is caught, whatever its address; without one the bridge's address leads to the host's resolver.
    package static func resolver(namespace: String, sidecar: Bool) -> String {
        """
        nameserver \(sidecar ? "10.96.0.10" : AddressPool.bridge.description)
        search \(namespace).svc.cluster.local svc.cluster.local cluster.local
        options ndots:5

        """
    }
}
