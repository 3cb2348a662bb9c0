/// The firewall rules of a pod without a sidecar: they do what kube-proxy does, so that it can use cluster addresses.
///
/// The choice of the endpoint is made in the pod's own namespace: the answer then passes through the same connection table,
/// and the bridge needs no routing.
package struct ServiceRules: Equatable, Sendable {
    package struct Port: Equatable, Sendable {
        /// tcp or udp.
        package var transport: String
        package var number: UInt16
        package var endpoints: [Endpoint]

        package init(transport: String, number: UInt16, endpoints: [Endpoint]) {
            self.transport = transport
            self.number = number
            self.endpoints = endpoints
        }
    }

    package struct Endpoint: Equatable, Hashable, Sendable {
        package var address: String
        package var port: UInt16

        package init(address: String, port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    package struct Service: Equatable, Sendable {
        package var address: String
        package var ports: [Port]

        package init(address: String, ports: [Port]) {
            self.address = address
            self.ports = ports
        }
    }

    package var services: [Service]

    package init(services: [Service]) {
        self.services = services
    }

    /// The text for `nft -f`; it replaces what was loaded before. A port without a ready endpoint is refused at once.
    package var text: String {
        var translations: [String] = []
        var refusals: [String] = []
        for service in services where IPv4Address(service.address) != nil {
            for port in service.ports {
                let match = "ip daddr \(service.address) \(port.transport) dport \(port.number)"
                if port.endpoints.isEmpty {
                    refusals.append(port.transport == "tcp" ? "\(match) reject with tcp reset" : "\(match) reject")
                } else if port.endpoints.count == 1, let only = port.endpoints.first {
                    translations.append("\(match) dnat to \(only.address):\(only.port)")
                } else {
                    // Every endpoint has its port, and the target of a map pairs them.
                    let choices = port.endpoints.enumerated().map {
                        "\($0.offset) : \($0.element.address) . \($0.element.port)"
                    }
                    translations.append(
                        "\(match) dnat ip to numgen random mod \(choices.count) map { \(choices.joined(separator: ", ")) }"
                    )
                }
            }
        }
        return """
            table ip martlet
            delete table ip martlet
            table ip martlet {
              chain services {
                type nat hook output priority -100; policy accept;
                \(translations.joined(separator: "\n    "))
              }
              chain absent {
                type filter hook output priority -150; policy accept;
                \(refusals.joined(separator: "\n    "))
              }
            }

            """
    }
}
