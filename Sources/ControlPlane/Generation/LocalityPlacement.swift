import MeshAPI
import MeshState

/// In which order and shares the localities of a host are used by one client (Istio's locality load balancing).
struct LocalityPlacement {
    struct Group: Equatable {
        var locality: Locality
        var priority: Int
        var weight: Int
        var endpoints: [MeshEndpoint]
    }

    private enum Mode {
        case even
        case distribute([String: Int])
        case failover([LocalityLoadBalancing.Failover])
        case labels([String])
    }

    private let mode: Mode
    private let client: MeshWorkload
    private let place: Locality

    /// - Parameter ejects: whether the policy has outlier detection; without it nothing would ever fail over.
    init(settings: LocalityLoadBalancing?, ejects: Bool, prefersNearby: Bool, client: MeshWorkload) {
        self.client = client
        let place = client.place
        self.place = place
        if settings?.enabled == false {
            mode = .even
        } else if let rule = settings?.distribute.first(where: { place.isPart(of: $0.from) }), !place.isEmpty {
            mode = .distribute(rule.to)
        } else if let labels = settings?.failoverPriority, !labels.isEmpty, ejects {
            mode = .labels(labels)
        } else if (ejects || prefersNearby) && !place.isEmpty && settings?.distribute.isEmpty ?? true {
            mode = .failover(settings?.failover ?? [])
        } else {
            mode = .even
        }
    }

    /// Shares hold between the localities of one priority.
    var isWeighted: Bool { if case .distribute = mode { true } else { false } }

    /// Endpoints by locality and priority; priorities count from 0 without gaps.
    func groups(_ endpoints: [MeshEndpoint]) -> [Group] {
        var order: [Group] = []
        for endpoint in endpoints {
            let locality = endpoint.workload.place
            let priority = priority(of: endpoint.workload, at: locality)
            if let found = order.firstIndex(where: { $0.locality == locality && $0.priority == priority }) {
                order[found].endpoints.append(endpoint)
            } else {
                order.append(Group(locality: locality, priority: priority, weight: 0, endpoints: [endpoint]))
            }
        }
        for index in order.indices {
            order[index].weight = order[index].endpoints.reduce(0) { $0 + max(1, $1.workload.weight ?? 1) }
        }
        if case .distribute(let shares) = mode { order = distribute(order, shares) }
        let used = Set(order.map(\.priority)).sorted()
        for index in order.indices { order[index].priority = used.firstIndex(of: order[index].priority) ?? 0 }
        return order.sorted { ($0.priority, "\($0.locality)") < ($1.priority, "\($1.locality)") }
    }

    /// A share is divided among the localities it names by their size; a locality that no share names gets nothing.
    private func distribute(_ groups: [Group], _ shares: [String: Int]) -> [Group] {
        // The most specific pattern that takes a locality is its share.
        let patterns = shares.keys.sorted { ($1.utf8.count, $0) < ($0.utf8.count, $1) }
        let owner = groups.map { group in patterns.first { group.locality.isPart(of: $0) } }
        var result: [Group] = []
        for (group, pattern) in zip(groups, owner) {
            guard let pattern, let share = shares[pattern] else { continue }
            let total = zip(groups, owner).reduce(0) { $1.1 == pattern ? $0 + $1.0.weight : $0 }
            var weighted = group
            weighted.weight = max(1, share * 1000 * group.weight / max(1, total))
            result.append(weighted)
        }
        return result
    }

    private func priority(of workload: MeshWorkload, at locality: Locality) -> Int {
        switch mode {
        case .even, .distribute:
            return 0
        case .failover(let rules):
            if locality.region == place.region {
                guard locality.zone == place.zone else { return 2 }
                return locality.subzone == place.subzone ? 0 : 1
            }
            // A rule for the client's region puts every other target than its own behind.
            guard let rule = rules.first(where: { $0.from == place.region }) else { return 3 }
            return rule.to == locality.region ? 3 : 4
        case .labels(let labels):
            // The nth label counts only when those before it are equal as well.
            let equal = labels.prefix { label in
                let parts = label.split(separator: "=", maxSplits: 1).map(String.init)
                let wanted = parts.count == 2 ? parts[1] : Self.label(parts[0], of: client, at: place)
                return Self.label(parts[0], of: workload, at: locality) == wanted
            }
            return labels.count - equal.count
        }
    }

    private static func label(_ name: String, of workload: MeshWorkload, at locality: Locality) -> String {
        if let value = workload.labels[name] { return value }
        switch name {
        case "topology.kubernetes.io/region": return locality.region
        case "topology.kubernetes.io/zone": return locality.zone
        case "topology.istio.io/subzone": return locality.subzone
        default: return ""
        }
    }
}
