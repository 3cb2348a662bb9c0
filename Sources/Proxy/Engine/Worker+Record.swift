internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Telemetry

/// What is counted about requests and connections.
extension Worker where Wire: ~Copyable {
    /// Number of the counters of an exchange's cluster; -1 when it has none.
    func exchangeStatistics(_ exchange: Handle) -> Int {
        let cluster = exchanges[exchange].cluster
        return cluster >= 0 ? generations[exchanges[exchange].generation].clusters[cluster].statistics : -1
    }

    /// Number of the counters of an exchange's connection manager.
    func httpStatistics(_ exchange: Handle) -> Int {
        generations[exchanges[exchange].generation].chains[exchanges[exchange].chain].statistics
    }

    /// Number of the counters of a downstream connection's listener.
    func listenerStatistics(_ handle: Handle) -> Int {
        generations[connections[handle].generation].listenerStatistics[connections[handle].listener]
    }

    // MARK: Requests

    /// Counts an exchange that is over, and writes its line.
    @inline(__always)
    mutating func record(_ exchange: Handle) {
        if exchanges[exchange].filters.purpose != .none { return }
        let generation = exchanges[exchange].generation
        let duration = transport.microseconds &- exchanges[exchange].startedAt
        let status = exchanges[exchange].status
        let http = httpStatistics(exchange)
        metrics.http[http].requests &+= 1
        metrics.http[http].outcomes.record(status: status, microseconds: duration)
        let cluster = exchangeStatistics(exchange)
        if cluster >= 0 {
            metrics.clusters[cluster].outcomes.record(status: status, microseconds: duration)
        } else if exchanges[exchange].flags.contains(.noRouteFound) {
            metrics.http[http].noRoute &+= 1
        }
        let manager = httpManager(exchange)
        if generations[generation].snapshot.telemetry.recordsIstioMetrics {
            countRequest(exchange, manager, generation, duration)
        }
        if !manager.accessLogs.isEmpty { writeLog(exchange, manager, duration: duration) }
    }

    @inline(__always)
    private mutating func countRequest(
        _ exchange: Handle, _ manager: HTTPConnectionManager, _ generation: Int, _ duration: UInt64
    ) {
        let downstream = exchanges[exchange].downstream
        let cluster = exchanges[exchange].cluster
        let endpoint = exchanges[exchange].endpoint
        let service = cluster >= 0 ? generations[generation].clusters[cluster].service : LabelTable.unknown
        let kind: RequestProtocol = exchanges[exchange].isGRPC ? .grpc : .http
        let grpcStatus = exchanges[exchange].isGRPC ? exchanges[exchange].receivedGRPCStatus : -1
        var key: RequestKey
        if manager.direction == .inbound {
            let isMutual = connections.contains(downstream) && connections[downstream].peerCertificate != nil
            key = RequestKey(
                reporter: .destination,
                source: connections.contains(downstream) ? connections[downstream].peerLabels : LabelTable.unknown,
                destination: localLabels, service: service, status: exchanges[exchange].status,
                flags: exchanges[exchange].flags, requestProtocol: kind,
                security: isMutual ? .mutualTLS : .none, grpcStatus: grpcStatus)
        } else {
            key = RequestKey(
                reporter: .source, source: localLabels,
                destination: endpoint >= 0 ? generations[generation].endpoints[endpoint].labels : LabelTable.unknown,
                service: service, status: exchanges[exchange].status, flags: exchanges[exchange].flags,
                requestProtocol: kind, grpcStatus: grpcStatus)
        }
        metrics.mesh.recordRequest(
            key, durationMicroseconds: duration, requestBytes: UInt64(exchanges[exchange].requestBody.payloadBytes),
            responseBytes: UInt64(exchanges[exchange].bytesSent))
    }

    // MARK: Connections

    /// A downstream connection has got its chain.
    mutating func countChain(_ handle: Handle) {
        let chain = generations[connections[handle].generation].chains[connections[handle].chain]
        connections[handle].statistics = chain.statistics
        connections[handle].countsAsHTTP = chain.http != nil
        connections[handle].countsAsTCP = chain.http == nil
        if chain.http != nil {
            metrics.http[chain.statistics].connections &+= 1
            metrics.http[chain.statistics].activeConnections &+= 1
        } else {
            metrics.tcp[chain.statistics].connections &+= 1
            metrics.tcp[chain.statistics].activeConnections &+= 1
        }
    }

    /// A downstream connection is being closed.
    mutating func countClosed(_ handle: Handle) {
        downstreamCount &-= 1
        if connections[handle].holdsBudget { settings.connectionBudget?.release() }
        if !connections[handle].budgets.isEmpty {
            for budget in connections[handle].budgets { budget.release() }
        }
        if connections[handle].listener >= 0 {
            metrics.listeners[connections[handle].listenerStatistics].activeConnections &-= 1
            metrics.listeners[connections[handle].listenerStatistics].destroyedConnections &+= 1
        }
        let number = connections[handle].statistics
        if connections[handle].countsAsHTTP { metrics.http[number].activeConnections &-= 1 }
        if connections[handle].countsAsTCP { metrics.tcp[number].activeConnections &-= 1 }
    }

    // MARK: Bytes

    /// Puts what went through a connection's socket into the statistics.
    mutating func countWire(_ handle: Handle) {
        let received = connections[handle].wireReceived
        let sent = connections[handle].wireSent
        connections[handle].wireReceived = 0
        connections[handle].wireSent = 0
        switch connections[handle].role {
        case .downstream:
            guard connections[handle].countsAsHTTP else { return }
            metrics.http[connections[handle].statistics].receivedBytes &+= received
            metrics.http[connections[handle].statistics].sentBytes &+= sent
        case .upstream:
            let pool = connections[handle].pool
            guard pool >= 0 else { return }
            metrics.clusters[pools[pool].statistics].receivedBytes &+= received
            metrics.clusters[pools[pool].statistics].sentBytes &+= sent
        }
    }

    /// As `countWire`, for all connections: somebody looks at the statistics.
    mutating func countWires() {
        for slot in 0..<connections.capacity {
            if let handle = connections.occupant(at: slot) { countWire(handle) }
        }
    }

    // MARK: Tunnels

    /// Labels of a TCP connection.
    private func tunnelKey(_ handle: Handle, _ flags: ResponseFlags) -> RequestKey? {
        let generation = connections[handle].generation
        guard generations[generation].snapshot.telemetry.recordsIstioMetrics,
            let proxy = generations[generation].chains[connections[handle].chain].tcp
        else { return nil }
        let cluster = connections[handle].tunnelCluster
        let service = cluster >= 0 ? generations[generation].clusters[cluster].service : LabelTable.unknown
        let isInbound = proxy.direction == .inbound
        let security: ConnectionSecurity =
            isInbound ? (connections[handle].peerCertificate != nil ? .mutualTLS : .none) : .unknown
        return RequestKey(
            reporter: isInbound ? .destination : .source,
            source: isInbound ? connections[handle].peerLabels : localLabels,
            destination: isInbound ? localLabels : connections[handle].tunnelLabels, service: service, flags: flags,
            requestProtocol: .tcp, security: security)
    }

    /// A tunnel is connected on both sides.
    mutating func countTunnel(_ handle: Handle) {
        connections[handle].isTunnelCounted = true
        if let key = tunnelKey(handle, []) { metrics.mesh.recordOpened(key) }
    }

    /// A tunnel is over.
    mutating func countTunnelBytes(_ handle: Handle, _ flags: ResponseFlags) {
        let received = UInt64(connections[handle].forwarded)
        let sent = UInt64(connections[handle].tunnelReceived)
        metrics.tcp[connections[handle].statistics].receivedBytes &+= received
        metrics.tcp[connections[handle].statistics].sentBytes &+= sent
        guard connections[handle].isTunnelCounted, let key = tunnelKey(handle, flags) else { return }
        metrics.mesh.recordBytes(key, received: received, sent: sent)
        metrics.mesh.recordClosed(key)
    }
}
