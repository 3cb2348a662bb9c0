internal import EventLoop
internal import HTTP1
internal import HTTP2
internal import HeaderBlock
internal import Memory
internal import Routing

/// Requests that become tunnels: `Upgrade` (RFC 9110 section 7.8), extended CONNECT (RFC 8441) and CONNECT (section 9.3.6).
///
/// When the endpoint agrees, both bodies become bytes without framing: `BodyDecoder(.untilClose)` each way, and the end of
/// one side is passed on while the other goes on.
extension Worker where Wire: ~Copyable {
    /// Whether the request may become a tunnel: the route's word counts more than the connection manager's.
    mutating func admitsUpgrade(_ exchange: Handle, _ manager: HTTPConnectionManager) -> Bool {
        var type = "connect"
        if exchanges[exchange].upgrade != .connect {
            guard let field = exchanges[exchange].request.first(.upgrade) else { return false }
            type = exchanges[exchange].text(field).lowercased()
        }
        guard let decision = exchanges[exchange].decision, decision.route != .max,
            let table = generations[exchanges[exchange].generation].snapshot.routeTables[exchanges[exchange].routeTable]
        else { return manager.upgrades.contains(type) }
        for index in table.route(decision.route).upgrades.indices {
            let rule = table.upgrade(index)
            guard rule.type == type else { continue }
            if !rule.isEnabled { return false }
            exchanges[exchange].endsConnect = rule.endsConnect
            return true
        }
        return manager.upgrades.contains(type)
    }

    /// The bytes inside of a CONNECT go to the endpoint as they are: the proxy itself agrees as soon as it is connected.
    mutating func beginPlainTunnel(_ exchange: Handle, _ connection: Handle) {
        exchanges[exchange].requestState = .body
        exchanges[exchange].upstreamSentAt = transport.microseconds
        exchanges[exchange].response.reset()
        exchanges[exchange].setResponseStart(200, Self.reason(200))
        exchanges[exchange].responseHead = MessageHead()
        guard beginResponse(connection, exchange, isTunnel: true), exchanges.contains(exchange) else { return }
        markDirty(exchanges[exchange].downstream)
        advanceRequest(exchanges[exchange].downstream, exchange)
        guard connections.contains(connection) else { return }
        advanceResponse(connection)
    }

    /// The pool of an endpoint that gets the bytes of tunnels: nothing that spoke HTTP is in it.
    mutating func plainPool(_ exchange: Handle, _ generation: Int, _ cluster: Int, _ endpoint: Int) -> Int? {
        let host = endpoint - generations[generation].clusters[cluster].firstEndpoint
        guard let descriptor = generations[generation].snapshot.clusters[cluster],
            descriptor.endpoints.indices.contains(host)
        else { return nil }
        let target = descriptor.endpoints[host]
        let made = pool(
            for: target.address, target.tls, descriptor, generations[generation].clusters[cluster].statistics,
            generations[generation].snapshot, .http1, isHigh: exchanges[exchange].isHighPriority,
            proxyProtocol: target.proxyProtocol, isPlain: true)
        pools[made].isOnDemand = true
        return made
    }

    /// An upgrade that HTTP/1.1 servers ignore: `h2c` was given up (RFC 9113 section 3.1), the request goes on without it.
    func asksForCleartextHTTP2(_ exchange: Handle) -> Bool {
        guard let field = exchanges[exchange].request.first(.upgrade) else { return false }
        return exchanges[exchange].valueEquals(field, "h2c")
    }

    /// Drops the connection's own fields; those of an upgrade are this request's business and stay.
    mutating func removeRequestHopByHop(_ exchange: Handle) {
        guard exchanges[exchange].upgrade == .switchProtocols,
            let upgrade = exchanges[exchange].request.first(.upgrade)
        else { return exchanges[exchange].removeRequestHopByHop() }
        exchanges[exchange].removeRequestHopByHop()
        exchanges[exchange].addField(.connection, "upgrade")
        exchanges[exchange].addField(.upgrade, copying: upgrade)
    }

    /// As `removeRequestHopByHop`, for the response that agrees.
    mutating func removeResponseHopByHop(_ exchange: Handle) {
        if exchanges[exchange].madeWebSocketKey { exchanges[exchange].removeWebSocketAccept() }
        guard exchanges[exchange].isTunnel, let upgrade = exchanges[exchange].response.first(.upgrade) else {
            return exchanges[exchange].removeResponseHopByHop()
        }
        exchanges[exchange].removeResponseHopByHop()
        exchanges[exchange].addResponseField(.connection, "upgrade")
        exchanges[exchange].addResponseField(.upgrade, copying: upgrade)
    }

    /// Whether this final response makes a tunnel of the exchange.
    func agreesToUpgrade(_ exchange: Handle, _ status: UInt16) -> Bool {
        switch exchanges[exchange].upgrade {
        case .none: false
        case .switchProtocols:
            exchanges[exchange].upstreamStream == 0 ? status == 101 : status >= 200 && status < 300
        case .connect: status >= 200 && status < 300
        }
    }

    /// The endpoint has agreed: from here on both bodies are plain bytes.
    mutating func openTunnel(_ exchange: Handle) {
        exchanges[exchange].isTunnel = true
        exchanges[exchange].keepsAlive = false
        exchanges[exchange].requestBody = BodyDecoder(.untilClose)
        exchanges[exchange].responseBody = BodyDecoder(.untilClose)
        exchanges[exchange].responseHead.framing = .untilClose
        exchanges[exchange].requestState = .body
        exchanges[exchange].replayOverflowed = true
        exchanges[exchange].replaySent = 0
        buffers.reclaim(&exchanges[exchange].replay)
        exchanges[exchange].routeDeadline = .max
        exchanges[exchange].tryDeadline = .max
        exchanges[exchange].requestDeadline = .max
        if exchanges[exchange].upgrade == .connect || exchanges[exchange].upstreamStream != 0 {
            exchanges[exchange].response.removeAll(.contentLength)
            exchanges[exchange].response.removeAll(.transferEncoding)
        }
        armExchange(exchange)
        // What the client has sent already is taken up behind this.
        let downstream = exchanges[exchange].downstream
        if exchanges[exchange].downstreamStream == 0 { return resumable.append(downstream) }
        waitForOutput(exchange, downstream)
        markDirty(downstream)
    }

    /// The client has ended its side of a tunnel.
    mutating func endTunnelRequest(_ exchange: Handle) {
        _ = exchanges[exchange].requestBody.close()
        exchanges[exchange].requestState = .sent
        exchanges[exchange].bytesReceived = exchanges[exchange].requestBody.payloadBytes
        let upstream = exchanges[exchange].upstream
        if connections.contains(upstream) {
            if exchanges[exchange].upstreamStream == 0 {
                endWriting(upstream)
            } else {
                endUpstreamStream(exchange, upstream)
            }
        }
        if exchanges[exchange].responseBody.isComplete { finishTunnel(exchange) }
    }

    /// The endpoint has ended its side of a tunnel, and all its bytes are with the client's socket.
    mutating func endTunnelResponse(_ exchange: Handle) {
        let downstream = exchanges[exchange].downstream
        if exchanges[exchange].downstreamStream != 0 {
            guard sinkResponseQueue(exchange) else { return }
            endResponse(exchange)
        } else {
            switch flush(downstream) {
            case .done: break
            case .blocked: return
            case .failed: return abandonDownstream(downstream)
            }
        }
        exchanges[exchange].responseState = .complete
        exchanges[exchange].bytesSent = exchanges[exchange].responseBody.payloadBytes
        if exchanges[exchange].requestBody.isComplete { return finishTunnel(exchange) }
        if exchanges[exchange].downstreamStream == 0 { endWriting(downstream) }
    }

    private mutating func endUpstreamStream(_ exchange: Handle, _ upstream: Handle) {
        let codec = connections[upstream].http2
        buffers.lend(&connections[upstream].output)
        _ = http2[codec].sendData(
            stream: exchanges[exchange].upstreamStream, from: empty, offset: 0, count: 0, endsStream: true,
            output: &connections[upstream].output)
        markDirty(upstream)
    }

    /// Both sides have ended.
    private mutating func finishTunnel(_ exchange: Handle) {
        exchanges[exchange].bytesSent = exchanges[exchange].responseBody.payloadBytes
        dropUpstream(exchange)
        finishExchange(exchange)
    }

    /// Ends our side of a connection whose output is gone.
    private mutating func endWriting(_ handle: Handle) {
        guard !connections[handle].wroteEnd else { return }
        connections[handle].wroteEnd = true
        if connections[handle].isTLS {
            buffers.lend(&connections[handle].cipherOutput)
            connections[handle].sealEnd()
            _ = flushCipher(handle)
        }
        transport.shutdownWrite(connections[handle].socket)
    }

    // MARK: Interim responses

    /// Passes a 1xx response on (`proxy_100_continue`), or swallows it.
    mutating func passInterim(_ handle: Handle, _ exchange: Handle, _ head: MessageHead) {
        let manager = httpManager(exchange)
        guard manager.passesInterimResponses, exchanges[exchange].request.version != .http10,
            exchanges[exchange].leader.isNone
        else { return connections[handle].input.consume(head.length) }
        let mark = exchanges[exchange].arena.end
        exchanges[exchange].takeResponseHead(&connections[handle].input, length: head.length)
        passStreamInterim(exchange)
        exchanges[exchange].forgetInterim(mark)
    }
}

extension Exchange {
    /// What a request asks for beside an answer.
    enum Upgrade: UInt8 { case none, switchProtocols, connect }

    func valueEquals(_ range: ByteRange, _ text: StaticString) -> Bool {
        arena.storage.equalsIgnoringCase(range, text)
    }
}
