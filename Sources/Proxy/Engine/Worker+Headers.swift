internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import Memory
internal import Routing
internal import TLS
internal import Telemetry

/// What the connection manager and the router change in request heads.
extension Worker where Wire: ~Copyable {
    /// What every request gets before filters look at it: x-forwarded-for, x-forwarded-proto, x-request-id and the client's
    /// certificate.
    @inline(__always)
    mutating func prepareHeaders(_ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager) {
        if exchanges[exchange].requestHead.expectsContinue, !manager.passesInterimResponses {
            exchanges[exchange].request.removeAll(.expect)
        }
        judgeClient(handle, exchange, manager)
        if exchanges[exchange].request.first(.xForwardedProto) == nil {
            let scheme: StaticString = connections[handle].isTLS ? "https" : "http"
            exchanges[exchange].addField(.xForwardedProto, scheme)
        }
        if let given = exchanges[exchange].request.first(.xRequestID) {
            exchanges[exchange].requestID = given
        } else if manager.generatesRequestID {
            let first = transport.random()
            let second = transport.random()
            exchanges[exchange].addRequestID(first, second, hexDigits)
        }
        switch manager.forwardedClientCertificate {
        case .alwaysForwardOnly: break
        case .forwardOnly:
            if connections[handle].peerCertificate == nil {
                exchanges[exchange].request.removeAll(.xForwardedClientCert)
            }
        case .sanitize: exchanges[exchange].request.removeAll(.xForwardedClientCert)
        case .sanitizeSet, .appendForward: setForwardedCertificate(handle, exchange, manager)
        }
    }

    /// Who the client is: the connection's peer, or the address that trusted proxies wrote into x-forwarded-for
    /// (`use_remote_address`, `xff_num_trusted_hops`).
    @inline(__always)
    mutating func findClient(_ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager) {
        if manager.usesRemoteAddress, manager.trustedHops == 0 { return }
        guard let field = exchanges[exchange].request.first(.xForwardedFor) else { return }
        // Counted from the right; our own peer, which is not in the field yet, is number 0 where it counts.
        let place = Int(manager.trustedHops) + (manager.usesRemoteAddress ? 0 : 1)
        guard place >= 1, let address = exchanges[exchange].forwardedAddress(field, fromEnd: place) else { return }
        exchanges[exchange].remoteAddress = .ip(address, port: 0)
    }

    /// Sets x-forwarded-client-cert to what the peer proved (or appends it).
    private mutating func setForwardedCertificate(
        _ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager
    ) {
        let certificate = connections[handle].peerCertificate
        scratch.removeAll(keepingCapacity: true)
        if manager.forwardedClientCertificate == .appendForward, certificate != nil,
            let given = exchanges[exchange].request.first(.xForwardedClientCert)
        {
            exchanges[exchange].copy(given, to: &scratch)
            scratch.append(0x2c)
        }
        exchanges[exchange].request.removeAll(.xForwardedClientCert)
        guard let certificate else { return }
        if let own = connections[handle].session?.context.certificate?.identity {
            appendScratch("By=")
            appendElement(own)
            scratch.append(0x3b)
        }
        appendScratch("Hash=")
        for byte in certificate.sha256 {
            let digits = hexDigits[Int(byte)]
            scratch.append(UInt8(truncatingIfNeeded: digits))
            scratch.append(UInt8(truncatingIfNeeded: digits >> 8))
        }
        if manager.certificateDetails.contains(.subject) {
            appendScratch(";Subject=\"")
            for byte in certificate.subject where byte >= 0x20 && byte != 0x7f { scratch.append(byte) }
            scratch.append(0x22)
        }
        if manager.certificateDetails.contains(.uri) {
            appendScratch(";URI=")
            if let identity = certificate.identity { appendElement(identity) }
        }
        if manager.certificateDetails.contains(.dns) {
            for name in certificate.dnsNames {
                appendScratch(";DNS=")
                appendElement(name)
            }
        }
        exchanges[exchange].addField(.xForwardedClientCert, scratch)
    }

    /// Appends a name out of a certificate, which is its owner's to choose: in quotes when it holds what the field is
    /// divided by, and without control characters.
    private mutating func appendElement(_ text: [UInt8]) {
        var needsQuotes = false
        for byte in text where byte == 0x22 || byte == 0x2c || byte == 0x3b || byte == 0x3d || byte == 0x5c {
            needsQuotes = true
        }
        if needsQuotes { scratch.append(0x22) }
        for byte in text where byte >= 0x20 && byte != 0x7f {
            if byte == 0x22 || byte == 0x5c { scratch.append(0x5c) }
            scratch.append(byte)
        }
        if needsQuotes { scratch.append(0x22) }
    }

    /// Appends a text of our own to `scratch`.
    private mutating func appendScratch(_ text: StaticString) {
        // SAFETY: utf8Start of a literal is valid for its utf8CodeUnitCount bytes.
        scratch.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    // MARK: Route

    /// Path and host rewriting, header mutations, and what the router itself adds.
    @inline(__always)
    mutating func applyRoute(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision, _ route: RouteEntry) {
        // The attempt's number is of this hop; it is written with each attempt.
        if route.sendsAttemptCount { exchanges[exchange].request.removeAll(.xEnvoyAttemptCount) }
        exchanges[exchange].sendsAttemptCount = route.sendsAttemptCount
        let manager = httpManager(exchange)
        writeExpectedTime(exchange, manager, route)
        if table.rewritesPath(decision) { rewritePath(exchange, table, decision) }
        if decision.hostRewrite.kind != .none { rewriteHost(exchange, table, decision) }
        for index in decision.requestMutations.indices { mutateRequest(exchange, table, table.mutation(index)) }
    }

    /// Tells the endpoint how long its answer is waited for.
    @inline(__always)
    private mutating func writeExpectedTime(
        _ exchange: Handle, _ manager: HTTPConnectionManager, _ route: RouteEntry
    ) {
        let total = exchanges[exchange].routeTimeoutMilliseconds
        // A try that goes on beside the next one has all the time there is.
        let isBounded = exchanges[exchange].tryTimeoutMilliseconds > 0 && !exchanges[exchange].hedgesTries
        var expected = isBounded ? exchanges[exchange].tryTimeoutMilliseconds : total
        guard expected > 0 else { return }
        if exchanges[exchange].routeDeadline != .max {
            // None left would be no limit.
            let deadline = exchanges[exchange].routeDeadline
            expected = min(expected, deadline > now ? deadline &- now : 1)
        }
        if !manager.suppressesEnvoyHeaders {
            exchanges[exchange].request.removeAll(.xEnvoyExpectedRqTimeoutMs)
            exchanges[exchange].addField(.xEnvoyExpectedRqTimeoutMs, decimal: Int(clamping: expected))
        }
        if route.maxGRPCTimeoutNanoseconds != .max {
            exchanges[exchange].setGRPCTimeout(milliseconds: Int(clamping: expected))
        }
    }

    /// Another attempt: there is less time left than there was.
    mutating func countDown(_ exchange: Handle) {
        guard let decision = exchanges[exchange].decision, exchanges[exchange].routeTable >= 0,
            let table = generations[exchanges[exchange].generation].snapshot.routeTables[exchanges[exchange].routeTable]
        else { return }
        writeExpectedTime(exchange, httpManager(exchange), table.route(decision.route))
    }

    private mutating func rewritePath(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision) {
        scratch.removeAll(keepingCapacity: true)
        guard exchanges[exchange].writePath(table, decision, into: &scratch) else { return }
        // What the client says about it is not true here.
        exchanges[exchange].request.removeAll(.xEnvoyOriginalPath)
        if !httpManager(exchange).suppressesEnvoyHeaders {
            let original = exchanges[exchange].request.path
            exchanges[exchange].addField(.xEnvoyOriginalPath, copying: original)
        }
        exchanges[exchange].request.path = exchanges[exchange].append(&scratch)
    }

    private mutating func rewriteHost(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision) {
        exchanges[exchange].request.removeAll(.xEnvoyOriginalHost)
        let original = exchanges[exchange].request.authority
        defer {
            let authority = exchanges[exchange].request.authority
            if authority.lowerBound != original.lowerBound, !httpManager(exchange).suppressesEnvoyHeaders {
                exchanges[exchange].addField(.xEnvoyOriginalHost, copying: original)
            }
        }
        switch decision.hostRewrite.kind {
        case .none: return
        case .literal: setAuthority(exchange, table, decision.hostRewrite.text)
        case .header:
            let name = HeaderName(table.string(decision.hostRewrite.header.name))
            if let value = exchanges[exchange].requestHeader(name) { setAuthority(exchange, value) }
        case .endpointName:
            // Known only when the endpoint is: set by the attempt.
            exchanges[exchange].rewritesHostToEndpoint = true
        }
    }

    private mutating func setAuthority(_ exchange: Handle, _ table: RouteTable, _ text: PooledBytes) {
        exchanges[exchange].request.authority = exchanges[exchange].append(table, text)
        exchanges[exchange].requestHead.isAbsoluteForm = true
    }

    /// `strip_any_host_port`: the port is taken from the authority and from Host.
    mutating func stripHostPort(_ exchange: Handle) {
        guard let length = exchanges[exchange].authorityWithoutPort else { return }
        let authority = exchanges[exchange].request.authority
        exchanges[exchange].request.authority = ByteRange(start: authority.lowerBound, length: length)
        exchanges[exchange].requestHead.isAbsoluteForm = true
    }

    /// Replaces the authority, and with it the Host field.
    mutating func setAuthority(_ exchange: Handle, _ text: [UInt8]) {
        var text = text
        exchanges[exchange].request.authority = exchanges[exchange].append(&text)
        exchanges[exchange].requestHead.isAbsoluteForm = true
    }
}

extension HTTPConnectionManager {
    /// What stands in where a chain has no connection manager; it has no routes.
    static let refusing = HTTPConnectionManager(statPrefix: "", routeTable: nil)
}
