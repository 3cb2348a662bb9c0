package import MeshAPI

/// A VirtualService in force: hosts and destinations are fully qualified, gateways are `mesh` or `namespace/name`, delegates
/// are merged in.
package struct ResolvedVirtualService: Sendable, Equatable {
    package var key: ResourceKey
    package var namespace: String
    package var hosts: [Located<String>]
    /// `mesh` and `namespace/name`; never empty.
    package var gateways: [String]
    package var http: [HTTPRoute]
    package var tls: [TLSRoute]
    package var tcp: [TCPRoute]
    package var exportTo: [String]
    package var location: SourceLocation
    /// Origins of rules that came out of a delegate, by the place of the rule.
    package var delegates: [SourceLocation: ResourceKey] = [:]

    /// The resource and line that a rule (by its `location`) comes from.
    package func origin(of rule: SourceLocation) -> Origin { Origin(delegates[rule] ?? key, at: rule) }

    package func isVisible(in namespace: String) -> Bool {
        Visibility.includes(namespace, exportTo: exportTo, owner: self.namespace)
    }
}

/// The client whose routes are computed: match conditions on it are decided while configuring.
package struct RouteClient: Sendable, Hashable {
    package var namespace: String
    package var labels: [String: String]
    /// `mesh` for sidecars, `namespace/name` of the Gateways that a gateway workload serves.
    package var gateways: Set<String>

    package init(namespace: String, labels: [String: String], gateways: Set<String> = ["mesh"]) {
        self.namespace = namespace
        self.labels = labels
        self.gateways = gateways
    }
}

extension ResolvedVirtualService {
    /// The HTTP rules that can apply to `client` on `port`, with match entries about the client and the port taken out. Rules
    /// after one that takes every request are left out.
    package func httpRules(for client: RouteClient, port: Int?) -> [HTTPRoute] {
        var rules: [HTTPRoute] = []
        for rule in http {
            guard !rule.match.isEmpty else {
                if admits(client, gateways: []) { rules.append(rule) }
                break
            }
            var applicable = rule
            applicable.match = rule.match.compactMap { match in
                guard
                    admits(
                        client, gateways: match.gateways, namespace: match.sourceNamespace, labels: match.sourceLabels),
                    admits(port, match.port)
                else { return nil }
                var rest = match
                rest.gateways = []
                rest.sourceNamespace = nil
                rest.sourceLabels = [:]
                rest.port = nil
                return rest
            }
            guard !applicable.match.isEmpty else { continue }
            rules.append(applicable)
            if applicable.match.contains(where: \.isCatchAll) { break }
        }
        return rules
    }

    /// The TCP rules that can apply to `client` on `port`.
    package func tcpRules(for client: RouteClient, port: Int?) -> [TCPRoute] {
        tcp.compactMap { rule in
            guard !rule.match.isEmpty else { return admits(client, gateways: []) ? rule : nil }
            var applicable = rule
            applicable.match = rule.match.filter {
                admits(client, gateways: $0.gateways, namespace: $0.sourceNamespace, labels: $0.sourceLabels)
                    && admits(port, $0.port)
            }
            return applicable.match.isEmpty ? nil : applicable
        }
    }

    /// The rules for TLS passed through that can apply to `client` on `port`.
    package func tlsRules(for client: RouteClient, port: Int?) -> [TLSRoute] {
        tls.compactMap { rule in
            var applicable = rule
            applicable.match = rule.match.filter {
                admits(client, gateways: $0.gateways, namespace: $0.sourceNamespace, labels: $0.sourceLabels)
                    && admits(port, $0.port)
            }
            return applicable.match.isEmpty ? nil : applicable
        }
    }

    private func admits(_ port: Int?, _ wanted: Int?) -> Bool {
        guard let wanted, wanted != 0, let port else { return true }
        return wanted == port
    }

    private func admits(
        _ client: RouteClient,
        gateways wanted: [Located<String>],
        namespace: String? = nil,
        labels: [String: String] = [:]
    ) -> Bool {
        let names = wanted.isEmpty ? gateways : wanted.map(\.value)
        guard names.contains(where: client.gateways.contains) else { return false }
        if let namespace, !namespace.isEmpty, namespace != client.namespace { return false }
        return labels.allSatisfy { client.labels[$0.key] == $0.value }
    }
}
