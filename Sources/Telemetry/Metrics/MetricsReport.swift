/// The metrics of all workers together, for one scrape.
package struct MetricsReport: Sendable {
    /// The labels of a series as text, no longer as one worker's numbers.
    struct Labels: Hashable, Sendable {
        var reporter: Reporter
        var source: WorkloadLabels
        var destination: WorkloadLabels
        var service: ServiceLabels
        var requestProtocol: RequestProtocol
        var status: UInt16
        var flags: ResponseFlags
        var grpcStatus: Int16
        var security: ConnectionSecurity
    }

    private(set) var requests: [Labels: MeshMetrics.Requests] = [:]
    private(set) var connections: [Labels: MeshMetrics.Connections] = [:]
    private(set) var clusters = ScopedStatistics<ClusterStatistics>()
    private(set) var listeners = ScopedStatistics<ListenerStatistics>()
    private(set) var http = ScopedStatistics<HTTPStatistics>()
    private(set) var tcp = ScopedStatistics<TCPStatistics>()
    private(set) var policies = ScopedStatistics<PolicyStatistics>()
    /// Observations whose labels found no room.
    private(set) var overflowed: UInt64 = 0

    package init(_ workers: [WorkerMetrics] = []) { for worker in workers { add(worker) } }

    /// Adds the share of one worker.
    package mutating func add(_ worker: WorkerMetrics) {
        clusters.add(worker.clusters)
        listeners.add(worker.listeners)
        http.add(worker.http)
        tcp.add(worker.tcp)
        policies.add(worker.policies)
        let mesh = worker.mesh
        overflowed &+= mesh.requests.overflowed &+ mesh.connections.overflowed &+ mesh.labels.refused
        for (index, key) in mesh.requests.keys.enumerated() {
            let added = mesh.requests.values[index]
            requests[Labels(key, mesh.labels), default: MeshMetrics.Requests()].add(added)
        }
        for (index, key) in mesh.connections.keys.enumerated() {
            let added = mesh.connections.values[index]
            connections[Labels(key, mesh.labels), default: MeshMetrics.Connections()].add(added)
        }
    }
}

extension MetricsReport.Labels {
    fileprivate init(_ key: RequestKey, _ labels: LabelTable) {
        self.init(
            reporter: key.reporter,
            source: labels.workloads[Int(key.source)],
            destination: labels.workloads[Int(key.destination)],
            service: labels.services[Int(key.service)],
            requestProtocol: key.requestProtocol,
            status: key.status,
            flags: key.flags,
            grpcStatus: key.grpcStatus,
            security: key.security)
    }
}

extension MeshMetrics.Requests {
    fileprivate mutating func add(_ other: Self) {
        count &+= other.count
        duration.add(other.duration)
        requestBytes.add(other.requestBytes)
        responseBytes.add(other.responseBytes)
    }
}

extension MeshMetrics.Connections {
    fileprivate mutating func add(_ other: Self) {
        opened &+= other.opened
        closed &+= other.closed
        sentBytes &+= other.sentBytes
        receivedBytes &+= other.receivedBytes
    }
}
