import MeshAPI

/// DestinationRules of the same host and namespace merged, in order of age.
enum DestinationRuleResolution {
    static func resolve(
        _ rules: [DestinationRule],
        settings: MeshSettings
    ) -> (rules: [ResolvedDestinationRule], diagnostics: [Diagnostic]) {
        var resolved: [ResolvedDestinationRule] = []
        var diagnostics: [Diagnostic] = []
        var places: [String: [Int]] = [:]
        for rule in rules {
            let next = ResolvedDestinationRule(rule, settings: settings)
            let place = "\(next.namespace)/\(next.host)"
            let same = places[place]?.first {
                resolved[$0].exportTo == next.exportTo && resolved[$0].workloadSelector == next.workloadSelector
            }
            if let same {
                diagnostics += resolved[same].merge(next)
            } else {
                places[place, default: []].append(resolved.count)
                resolved.append(next)
            }
        }
        return (resolved, diagnostics)
    }
}

extension ResolvedDestinationRule {
    init(_ rule: DestinationRule, settings: MeshSettings) {
        let key = ResourceKey.networking("DestinationRule", rule.metadata)
        self.init(
            namespace: rule.metadata.namespace,
            host: settings.resolve(rule.host.value, in: rule.metadata.namespace),
            trafficPolicy: rule.trafficPolicy,
            policyOrigin: rule.trafficPolicy.map { Origin(key, at: $0.location) },
            subsets: rule.subsets,
            subsetOrigins: Dictionary(rule.subsets.map { ($0.name, Origin(key, at: $0.location)) }) { first, _ in first
            },
            exportTo: rule.exportTo.map(\.value).sorted(),
            workloadSelector: rule.workloadSelector,
            origin: Origin(key, at: rule.metadata.location)
        )
    }

    /// Adds a younger rule: new subsets are appended; a subset or policy that is there already stays.
    mutating func merge(_ other: ResolvedDestinationRule) -> [Diagnostic] {
        var diagnostics: [Diagnostic] = []
        for subset in other.subsets {
            if let first = subsetOrigins[subset.name] {
                diagnostics.append(
                    Diagnostic(
                        .warning,
                        at: subset.location,
                        resource: other.origin.resource.description,
                        "subset \"\(subset.name)\" of \(host) is ignored: \(first) defines it already"
                    )
                )
            } else {
                subsets.append(subset)
                subsetOrigins[subset.name] = other.subsetOrigins[subset.name]
            }
        }
        if trafficPolicy == nil {
            trafficPolicy = other.trafficPolicy
            policyOrigin = other.policyOrigin
        } else if let ignored = other.trafficPolicy, let origin = policyOrigin {
            diagnostics.append(
                Diagnostic(
                    .warning,
                    at: ignored.location,
                    resource: other.origin.resource.description,
                    path: "spec.trafficPolicy",
                    "is ignored: \(origin) sets the traffic policy of \(host) already"
                )
            )
        }
        return diagnostics
    }
}

extension MeshSnapshot {
    /// The rule for traffic from a client to a host: the client's namespace is asked first, then the host's, then the root
    /// namespace; the first that has a match decides alone. Within one namespace a rule whose workload selector takes the client
    /// comes first, then the most specific host.
    package func destinationRule(
        for host: String,
        clientNamespace: String,
        clientLabels: [String: String] = [:]
    ) -> ResolvedDestinationRule? {
        let candidates =
            ((destinationRuleIndex[host] ?? [])
            + wildcardDestinationRules.filter {
                destinationRules[$0].host != host && HostRules.isSubset(host, of: destinationRules[$0].host)
            }).map { destinationRules[$0] }
        guard !candidates.isEmpty else { return nil }
        let serviceNamespace = service(host: host)?.namespace
        var searched: [(namespace: String, exported: Bool)] = []
        if clientNamespace != settings.rootNamespace { searched.append((clientNamespace, false)) }
        if let serviceNamespace { searched.append((serviceNamespace, true)) }
        searched.append((settings.rootNamespace, true))
        for (namespace, exported) in searched {
            let found = candidates.filter { rule in
                guard rule.namespace == namespace else { return false }
                if exported, !rule.isVisible(in: clientNamespace) { return false }
                guard let selector = rule.workloadSelector else { return true }
                return namespace == clientNamespace && selector.allSatisfy { clientLabels[$0.key] == $0.value }
            }
            // `min` keeps the first of equals, which is the oldest.
            let best = found.min {
                ($0.workloadSelector == nil ? 1 : 0, -$0.host.utf8.count, $0.host.hasPrefix("*") ? 1 : 0)
                    < ($1.workloadSelector == nil ? 1 : 0, -$1.host.utf8.count, $1.host.hasPrefix("*") ? 1 : 0)
            }
            if let best { return best }
        }
        return nil
    }
}
