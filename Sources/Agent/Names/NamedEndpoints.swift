import XDS

/// Clusters of type STRICT_DNS and LOGICAL_DNS name their endpoints; the data plane knows addresses only. These functions
/// find the names, and put addresses in their place. Pure.
package enum NamedEndpoints {
    /// What a cluster needs resolved.
    package static func questions(in cluster: ResourceStore.Cluster) -> Set<NameQuestion> {
        guard isNamed(cluster) else { return [] }
        var questions: Set<NameQuestion> = []
        for locality in cluster.loadAssignment.endpoints {
            for endpoint in locality.lbEndpoints {
                if let name = name(of: endpoint) {
                    questions.insert(NameQuestion(name: name, family: family(cluster)))
                }
            }
        }
        return questions
    }

    private static func family(_ cluster: ResourceStore.Cluster) -> NameQuestion.Family {
        switch cluster.dnsLookupFamily {
        case .v4Only: .onlyV4
        case .v6Only: .onlyV6
        case .v4Preferred: .preferV4
        case .all: .all
        default: .preferV6
        }
    }

    /// The cluster with an endpoint for each address of each name: all of them for STRICT_DNS, the first for LOGICAL_DNS.
    /// A name without addresses has no endpoint: requests are answered with 503 UH, not sent astray.
    package static func resolved(_ cluster: ResourceStore.Cluster, _ addresses: [NameQuestion: [String]])
        -> ResourceStore.Cluster
    {
        guard isNamed(cluster) else { return cluster }
        var cluster = cluster
        for group in cluster.loadAssignment.endpoints.indices {
            let endpoints = cluster.loadAssignment.endpoints[group].lbEndpoints
            cluster.loadAssignment.endpoints[group].lbEndpoints = endpoints.flatMap { endpoint in
                guard let name = name(of: endpoint) else { return [endpoint] }
                let found = addresses[NameQuestion(name: name, family: family(cluster))] ?? []
                return (cluster.type == .strictDns ? found[...] : found.prefix(1)).map { address in
                    var copy = endpoint
                    if copy.endpoint.hostname.isEmpty { copy.endpoint.hostname = name }
                    copy.endpoint.address.socketAddress.address = address
                    return copy
                }
            }
        }
        return cluster
    }

    private static func isNamed(_ cluster: ResourceStore.Cluster) -> Bool {
        cluster.type == .strictDns || cluster.type == .logicalDns
    }

    /// Nil when the endpoint has a literal address.
    private static func name(of endpoint: Envoy_Config_Endpoint_V3_LbEndpoint) -> String? {
        guard case .socketAddress(let socket)? = endpoint.endpoint.address.address else { return nil }
        let isLiteral = AddressText.v4(socket.address) != nil || AddressText.v6(socket.address) != nil
        return isLiteral || socket.address.isEmpty ? nil : socket.address
    }
}
