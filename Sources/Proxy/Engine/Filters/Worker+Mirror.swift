internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing
internal import Telemetry

/// request_mirror_policies: copies of requests for other clusters, sent when the request is complete, and forgotten. A body
/// that is too long to be kept (`WorkerSettings.replayBytes`) is not mirrored.
extension Worker where Wire: ~Copyable {
    /// The request went out: its mirrors follow.
    mutating func sendMirrors(_ exchange: Handle) {
        guard let decision = exchanges[exchange].decision, decision.route != .max,
            exchanges[exchange].filters.purpose == .none, !exchanges[exchange].filters.isMirrored,
            let table = generations[exchanges[exchange].generation].snapshot.routeTables[exchanges[exchange].routeTable]
        else { return }
        let route = table.route(decision.route)
        if route.mirrors.isEmpty || exchanges[exchange].upgrade != .none { return }
        exchanges[exchange].filters.isMirrored = true
        if exchanges[exchange].replayOverflowed { return }
        for index in route.mirrors.indices {
            let mirror = table.mirror(index)
            if mirror.fraction < 1_000_000,
                transport.random().multipliedFullWidth(by: 1_000_000).high >= UInt64(mirror.fraction)
            {
                continue
            }
            let handle = openInternal(for: exchange)
            // Bodies between HTTP/1.1 peers were kept as they came, all others without their framing.
            let isBare = exchanges[exchange].reframesRequest
            exchanges[exchange].writeMirror(
                to: &connections[handle].input, suffix: mirror.appendsSuffix, isBare: isBare)
            launchInternal(
                handle, .mirror, for: exchange, cluster: Int(mirror.cluster.index),
                timeoutMilliseconds: exchanges[exchange].routeTimeoutMilliseconds)
        }
    }
}

extension Exchange {
    /// Writes the request as HTTP/1.1, for a mirror: `x` becomes `x-shadow`, so that the other side knows it for a copy.
    fileprivate mutating func writeMirror(to output: inout ByteBuffer, suffix: Bool, isBare: Bool) {
        output.append(from: arena, offset: request.method.lowerBound, count: request.method.count)
        output.append(0x20)
        output.append(from: arena, offset: request.path.lowerBound, count: request.path.count)
        output.append(" HTTP/1.1\r\nhost: ")
        let port = suffix ? portStart : request.authority.upperBound
        output.append(from: arena, offset: request.authority.lowerBound, count: port - request.authority.lowerBound)
        if suffix { output.append("-shadow") }
        output.append(from: arena, offset: port, count: request.authority.upperBound - port)
        output.append("\r\n")
        writeFields(to: &output, isBare: isBare)
        if isBare, !replay.isEmpty || request.first(.contentLength) != nil {
            output.append("content-length: ")
            output.append(decimal: replay.count)
            output.append("\r\n")
        }
        output.append("\r\n")
        output.append(from: replay, offset: replay.start, count: replay.count)
    }

    private func writeFields(to output: inout ByteBuffer, isBare: Bool) {
        for index in 0..<request.count where !request[index].isRemoved {
            let field = request[index]
            switch field.id {
            case .host, .connection, .upgrade: continue
            case .contentLength, .transferEncoding: if isBare { continue }
            default: break
            }
            output.append(from: arena, offset: field.name.lowerBound, count: field.name.count)
            output.append(": ")
            output.append(from: arena, offset: field.value.lowerBound, count: field.value.count)
            output.append("\r\n")
        }
    }

    /// Where the port of the authority begins, with its colon; the end when it has none.
    private var portStart: Int {
        var index = request.authority.upperBound
        while index > request.authority.lowerBound, arena.storage[index - 1] &- 0x30 <= 9 { index -= 1 }
        let hasPort =
            index > request.authority.lowerBound && index < request.authority.upperBound
            && arena.storage[index - 1] == 0x3a
        return hasPort ? index - 1 : request.authority.upperBound
    }
}
