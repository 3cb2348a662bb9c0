internal import Authorization
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
        let generation = exchanges[exchange].generation
        let snapshot = generations[generation].snapshot
        let ended = transport.microseconds
        var record = exchanges[exchange].record
        record.startedWall = transport.wallMicroseconds &- duration
        record.ended = ended
        connections[downstream].describe(&record)
        if let client = exchanges[exchange].remoteAddress { record.downstreamRemote = client.logged }
        let names = logNames(exchange, snapshot)
        for index in manager.accessLogs where index < snapshot.accessLogs.count {
            if let filter = snapshot.accessLogs[index].filter,
                !exchanges[exchange].passes(filter, record, random: transport.random())
            {
                continue
            }
            let sink = generations[generation].logSinks[index]
            exchanges[exchange].log(
                snapshot.accessLogs[index].format, record, names, &connections[downstream], &accessLog, sink)
        }
    }

    /// Where the request went, or would have gone had a filter not answered it.
    private func intendedCluster(_ exchange: Handle) -> Int {
        if exchanges[exchange].cluster >= 0 { return exchanges[exchange].cluster }
        guard let decision = exchanges[exchange].decision, decision.outcome == .forward else { return -1 }
        return Int(decision.cluster.index)
    }

    func logNames(_ exchange: Handle, _ snapshot: RuntimeSnapshot) -> LoggedNames {
        var names = LoggedNames()
        let cluster = intendedCluster(exchange)
        if snapshot.clusters.indices.contains(cluster), let descriptor = snapshot.clusters[cluster] {
            names.cluster = descriptor.name
            names.clusterStatName = descriptor.statName
        }
        if let decision = exchanges[exchange].decision, exchanges[exchange].routeTable >= 0,
            let table = snapshot.routeTables[exchanges[exchange].routeTable]
        {
            names.table = table
            if decision.route != .max { names.route = table.route(decision.route).name }
            if decision.virtualHost != .max { names.virtualHost = table.virtualHostNameBytes(decision.virtualHost) }
            names.origin = snapshot.provenance[decision.origin.index]
        }
        let policy = exchanges[exchange].policyOrigin
        if policy.index != Origin.none.index { names.origin = snapshot.provenance[policy.index] }
        if let failure = exchanges[exchange].transportFailure { names.failure = failure }
        if case .path(let path)? = exchanges[exchange].upstreamAddress { names.upstreamPath = path }
        names.filterChain =
            generations[exchanges[exchange].generation].chains[exchanges[exchange].chain].descriptor.configuredName
        return names
    }

    /// Counts a tunnel that is over, and writes its line.
    /// - Parameter denial: the policy that kept it from beginning: its details, and the resource that made it.
    mutating func recordTunnel(
        _ handle: Handle, _ flags: ResponseFlags, denial: (details: String, origin: String)? = nil
    ) {
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
        record.attempts = connections[handle].attempts
        connections[handle].describe(&record)
        if let address = connections[handle].tunnelPeerAddress { record.upstreamRemote = address.logged }
        var names = LoggedNames()
        if case .path(let path)? = connections[handle].tunnelPeerAddress { names.upstreamPath = path }
        if let address = connections[handle].tunnelPeerLocal { record.upstreamLocal = address.logged }
        let cluster = connections[handle].tunnelCluster
        if cluster >= 0, let descriptor = snapshot.clusters[cluster] {
            names.cluster = descriptor.name
            names.clusterStatName = descriptor.statName
        }
        names.filterChain = generations[generation].chains[connections[handle].chain].descriptor.configuredName
        if let denial {
            names.termination = denial.details
            names.origin = denial.origin
        }
        for index in proxy.accessLogs where index < snapshot.accessLogs.count {
            if let filter = snapshot.accessLogs[index].filter,
                !filter.passes(record, nil, random: transport.random())
            {
                continue
            }
            let sink = generations[generation].logSinks[index]
            connections[handle].log(snapshot.accessLogs[index].format, record, names, &accessLog, sink)
        }
    }
}

/// Names of a log line, gathered before it is formatted: references to what the snapshot holds, no copies.
struct LoggedNames {
    var cluster = ""
    var clusterStatName = ""
    /// Holds the bytes of the next two.
    var table: RouteTable?
    var route = PooledBytes()
    var virtualHost = PooledBytes()
    var failure = ""
    /// Of a connection: the policy that denied it.
    var termination = ""
    var origin = ""
    var filterChain = ""
    /// Of an endpoint behind a Unix socket.
    var upstreamPath = ""
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
        if isGRPCRequest {
            let received = receivedGRPCStatus
            record.grpcStatus = received >= 0 ? received : Int16(clamping: GRPCReply.status(http: status))
        }
        return record
    }

    /// Whether a log wants this request.
    func passes(_ filter: AccessLogFilter, _ record: borrowing RequestRecord, random: UInt64) -> Bool {
        filter.passes(record, HeadView(request, bytes: arena.storage), random: random)
    }

    mutating func log(
        _ format: AccessLogFormat, _ record: borrowing RequestRecord, _ names: LoggedNames,
        _ connection: inout Connection, _ output: inout AccessLogBuffer, _ sink: Int
    ) {
        write(format, record, names, &connection, to: &output.line)
        output.endLine(of: sink)
    }

    /// Writes what a format makes of the exchange: a log line, or the value of a header field.
    mutating func write(
        _ format: AccessLogFormat, _ record: borrowing RequestRecord, _ names: LoggedNames,
        _ connection: inout Connection, to output: inout ByteBuffer
    ) {
        if let table = names.table {
            write(
                format, record, names, &connection, to: &output, route: table.bytes(names.route),
                virtualHost: table.bytes(names.virtualHost))
        } else {
            write(format, record, names, &connection, to: &output, route: Span(), virtualHost: Span())
        }
    }

    private mutating func write(
        _ format: AccessLogFormat, _ record: borrowing RequestRecord, _ names: LoggedNames,
        _ connection: inout Connection, to output: inout ByteBuffer, route: borrowing Span<UInt8>,
        virtualHost: borrowing Span<UInt8>
    ) {
        let principal = connection.peerCertificate?.identity ?? []
        let subject = connection.peerCertificate?.subject ?? []
        let metadata =
            format.metadata.isEmpty
            ? [] : format.metadata.map { filters.metadata.text(filter: $0.filter, path: $0.path) }
        let names = LogNames(
            cluster: names.cluster.utf8Span.span, clusterStatName: names.clusterStatName.utf8Span.span,
            route: copy route, virtualHost: copy virtualHost,
            filterChain: names.filterChain.utf8Span.span, upstreamPath: names.upstreamPath.utf8Span.span,
            codeDetails: longDetails.span,
            upstreamTransportFailure: names.failure.utf8Span.span, origin: names.origin.utf8Span.span,
            metadata: metadata.span)
        let tls = LogTLSNames(
            requestedServerName: connection.serverName.span, downstreamPeerURI: principal.span,
            downstreamPeerSubject: subject.span)
        let head = HeadView(request, bytes: arena.storage)
        let response = HeadView(response, bytes: arena.storage)
        guard hasResponseTrailers else {
            let context = AccessLogContext(request: head, response: response, trailers: nil, names: names, tls: tls)
            return format.write(record, context, to: &output)
        }
        switch responseTrailers {
        case .some(let table):
            let context = AccessLogContext(
                request: head, response: response, trailers: HeadView(table, bytes: arena.storage), names: names,
                tls: tls)
            format.write(record, context, to: &output)
        case .none: break
        }
    }
}

extension Connection {
    /// The facts that the downstream connection knows.
    mutating func describe(_ record: inout RequestRecord) {
        record.downstreamLocal = local.logged
        record.downstreamRemote = remote.logged
        record.downstreamDirectRemote = direct.logged
        record.downstreamDirectLocal = local.logged
        if isTLS {
            switch session?.version {
            case .tls13: record.downstreamTLSVersion = 0x0304
            case .tls12: record.downstreamTLSVersion = 0x0303
            case .tls11: record.downstreamTLSVersion = 0x0302
            case .tls10: record.downstreamTLSVersion = 0x0301
            case nil: break
            }
        }
    }

    mutating func log(
        _ format: AccessLogFormat, _ record: borrowing RequestRecord, _ names: LoggedNames,
        _ output: inout AccessLogBuffer, _ sink: Int
    ) {
        let principal = peerCertificate?.identity ?? []
        let subject = peerCertificate?.subject ?? []
        let found =
            format.metadata.isEmpty
            ? [] : format.metadata.map { metadata.text(filter: $0.filter, path: $0.path) }
        let context = AccessLogContext(
            request: nil, response: nil, trailers: nil,
            names: LogNames(
                cluster: names.cluster.utf8Span.span, clusterStatName: names.clusterStatName.utf8Span.span,
                filterChain: names.filterChain.utf8Span.span, upstreamPath: names.upstreamPath.utf8Span.span,
                codeDetails: names.termination.utf8Span.span,
                origin: names.origin.utf8Span.span, metadata: found.span),
            tls: LogTLSNames(
                requestedServerName: serverName.span, downstreamPeerURI: principal.span,
                downstreamPeerSubject: subject.span))
        format.write(record, context, to: &output.line)
        output.endLine(of: sink)
    }
}
