internal import Memory
internal import Telemetry

extension Worker where Wire: ~Copyable {
    /// Counters of clusters, listeners and managers that are in no configuration any more are given up, as Envoy does.
    /// What still counts holds its generation, or its pool.
    mutating func forgetStatistics() {
        var clusters: Set<Int> = []
        var listeners: Set<Int> = []
        var http: Set<Int> = []
        var tcp: Set<Int> = []
        var policies: Set<Int> = []
        for index in generations.indices where !generations[index].isFree {
            for cluster in generations[index].clusters where cluster.exists { clusters.insert(cluster.statistics) }
            listeners.formUnion(generations[index].listenerStatistics)
            policies.formUnion(generations[index].policyNumbers)
            for chain in generations[index].chains {
                if chain.http != nil { http.insert(chain.statistics) } else { tcp.insert(chain.statistics) }
            }
        }
        for index in pools.indices where !pools[index].isFree { clusters.insert(pools[index].statistics) }
        for slot in 0..<connections.capacity {
            guard let handle = connections.occupant(at: slot), connections[handle].role == .downstream,
                !connections[handle].isInternal
            else { continue }
            // Counted where it was accepted, whatever generation serves it now.
            if connections[handle].listener >= 0 { listeners.insert(connections[handle].listenerStatistics) }
            if connections[handle].countsAsHTTP { http.insert(connections[handle].statistics) }
            if connections[handle].countsAsTCP { tcp.insert(connections[handle].statistics) }
        }
        metrics.clusters.keep(clusters)
        metrics.listeners.keep(listeners)
        metrics.http.keep(http)
        metrics.tcp.keep(tcp)
        metrics.policies.keep(policies)
    }
}
