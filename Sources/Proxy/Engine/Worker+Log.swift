internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Routing
internal import TLS
internal import Telemetry

/// Access log lines, formatted when the exchange or connection is over.
extension Worker where Wire: ~Copyable {
    mutating func writeLog(_ exchange: Handle, _ manager: HTTPConnectionManager, duration: UInt64) {
        let downstream = exchanges[exchange].downstream
        guard connections.contains(downstream) else { return }
        let snapshot = generations[exchanges[exchange].generation].snapshot
        let ended = transport.microseconds
        var record = exchanges[exchange].record
        record.startedWall = transport.wallMicroseconds &- duration
        record.ended = ended
        connections[downstream].describe(&record)
        if let client = exchanges[exchange].remoteAddress { record.downstreamRemote = client.logged }
        let names = logNames(exchange, snapshot)
        for index in manager.accessLogs where index < snapshot.accessLogs.count {
            let log = snapshot.accessLogs[index]
            exchanges[exchange].log(log, record, names, &connections[downstream], &accessLog)
        }
    }

    private func logNames(_ exchange: Handle, _ snapshot: RuntimeSnapshot) -> LoggedNames {
        var names = LoggedNames()
        let cluster = exchanges[exchange].cluster
        if cluster >= 0, let descriptor = snapshot.clusters[cluster] {
            names.cluster = Array(descriptor.name.utf8)
            names.clusterStatName = Array(descriptor.statName.utf8)
        }
        if let decision = exchanges[exchange].decision, exchanges[exchange].routeTable >= 0,
            let table = snapshot.routeTables[exchanges[exchange].routeTable]
        {
            if decision.route != .max { names.route = Array(table.string(table.route(decision.route).name).utf8) }
            if decision.virtualHost != .max {
                names.virtualHost = Array(table.virtualHostName(decision.virtualHost).utf8)
            }
            names.origin = Array(snapshot.provenance[decision.origin.index].utf8)
        }
        let policy = exchanges[exchange].policyOrigin
        if policy.index != Origin.none.index { names.origin = Array(snapshot.provenance[policy.index].utf8) }
        names.details = exchanges[exchange].longDetails
        if let failure = exchanges[exchange].transportFailure { names.failure = Array(failure.utf8) }
        return names
    }

    /// Counts a tunnel that is over, and writes its line.
    mutating func recordTunnel(_ handle: Handle, _ flags: ResponseFlags) {
        countTunnelBytes(handle, flags)
        let generation = connections[handle].generation
        guard let proxy = generations[generation].chains[connections[handle].chain].tcp, !proxy.accessLogs.isEmpty
        else {
            return
        }
        let snapshot = generations[generation].snapshot
        let ended = transport.microseconds
        var record = RequestRecord()
        record.kind = .tcp
        record.started = connections[handle].opened
        record.ended = ended
        record.startedWall = transport.wallMicroseconds &- (ended &- record.started)
        record.flags = flags
        record.bytesReceived = UInt64(connections[handle].forwarded)
        record.bytesSent = UInt64(connections[handle].tunnelReceived)
        connections[handle].describe(&record)
        if let address = connections[handle].tunnelPeerAddress { record.upstreamRemote = address.logged }
        if let address = connections[handle].tunnelPeerLocal { record.upstreamLocal = address.logged }
        var names = LoggedNames()
        let cluster = connections[handle].tunnelCluster
        if cluster >= 0, let descriptor = snapshot.clusters[cluster] {
            names.cluster = Array(descriptor.name.utf8)
            names.clusterStatName = Array(descriptor.statName.utf8)
        }
        for index in proxy.accessLogs where index < snapshot.accessLogs.count {
            connections[handle].log(snapshot.accessLogs[index], record, names, &accessLog)
        }
    }
}

/// Names of a log line, gathered before it is formatted.
struct LoggedNames {
    var cluster: [UInt8] = []
    var clusterStatName: [UInt8] = []
    var route: [UInt8] = []
    var virtualHost: [UInt8] = []
    var details: [UInt8] = []
    var failure: [UInt8] = []
    var origin: [UInt8] = []
}

extension Exchange {
    /// The facts that the exchange itself knows.
    var record: RequestRecord {
        var record = RequestRecord()
        record.started = startedAt
        record.bytesReceived = UInt64(requestBody.payloadBytes)
        record.bytesSent = UInt64(bytesSent)
        record.version = request.version
        record.status = status
        record.flags = flags
        record.codeDetails = details
        record.attempts = attempts
        if upstreamSentAt > 0 {
            record.firstUpstreamSent = upstreamSentAt
            record.lastUpstreamSent = upstreamSentAt
        }
        if upstreamServiceMilliseconds >= 0 {
            record.firstUpstreamReceived = upstreamSentAt &+ UInt64(upstreamServiceMilliseconds) &* 1000
        }
        if let upstreamAddress { record.upstreamRemote = upstreamAddress.logged }
        if let upstreamLocalAddress { record.upstreamLocal = upstreamLocalAddress.logged }
        return record
    }

    mutating func log(
        _ log: AccessLogDescriptor, _ record: RequestRecord, _ names: LoggedNames, _ connection: inout Connection,
        _ output: inout AccessLogBuffer
    ) {
        let principal = connection.peerCertificate?.identity ?? []
        let subject = connection.peerCertificate?.subject ?? []
        output.append(to: log.sink) { line in
            let context = AccessLogContext(
                request: HeadView(request, bytes: arena.storage),
                response: HeadView(response, bytes: arena.storage), trailers: nil,
                names: LogNames(
                    cluster: names.cluster.span, clusterStatName: names.clusterStatName.span, route: names.route.span,
                    virtualHost: names.virtualHost.span, codeDetails: names.details.span,
                    upstreamTransportFailure: names.failure.span, origin: names.origin.span),
                tls: LogTLSNames(
                    requestedServerName: connection.serverName.span, downstreamPeerURI: principal.span,
                    downstreamPeerSubject: subject.span))
            log.format.write(record, context, to: &line)
        }
    }
}

extension Connection {
    /// The facts that the downstream connection knows.
    mutating func describe(_ record: inout RequestRecord) {
        record.downstreamLocal = local.logged
        record.downstreamRemote = remote.logged
        record.downstreamDirectRemote = remote.logged
        record.downstreamDirectLocal = local.logged
        if isTLS {
            switch session?.version {
            case .tls13: record.downstreamTLSVersion = 0x0304
            case .tls12: record.downstreamTLSVersion = 0x0303
            case nil: break
            }
        }
    }

    mutating func log(
        _ log: AccessLogDescriptor, _ record: RequestRecord, _ names: LoggedNames, _ output: inout AccessLogBuffer
    ) {
        let principal = peerCertificate?.identity ?? []
        let subject = peerCertificate?.subject ?? []
        let serverName = serverName
        let cluster = names.cluster
        let clusterStatName = names.clusterStatName
        output.append(to: log.sink) { line in
            let context = AccessLogContext(
                request: nil, response: nil, trailers: nil,
                names: LogNames(cluster: cluster.span, clusterStatName: clusterStatName.span),
                tls: LogTLSNames(
                    requestedServerName: serverName.span, downstreamPeerURI: principal.span,
                    downstreamPeerSubject: subject.span))
            log.format.write(record, context, to: &line)
        }
    }
}
