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
        if manager.usesRemoteAddress { appendClient(handle, exchange, manager) }
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
    /// (`use_remote_address`, `xff_num_trusted_hops`). Looked for only where a policy or a log may ask.
    @inline(__always)
    mutating func findClient(_ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager) {
        if manager.usesRemoteAddress, manager.trustedHops == 0 { return }
        if manager.httpFilters.isEmpty, manager.accessLogs.isEmpty { return }
        guard let field = exchanges[exchange].request.first(.xForwardedFor) else { return }
        // Counted from the right; our own peer, which is not in the field yet, is number 0 where it counts.
        let place = Int(manager.trustedHops) + (manager.usesRemoteAddress ? 0 : 1)
        let parts = exchanges[exchange].text(field).split(separator: ",")
        guard place >= 1, parts.count >= place else { return }
        let text = parts[parts.count - place].drop { $0 == " " }.prefix { $0 != " " }
        guard let address = IPAddress(String(text)) else { return }
        exchanges[exchange].remoteAddress = .ip(address, port: 0)
    }

    /// The edge: x-forwarded-for gets the peer's address, and what only the mesh may say is taken out.
    private mutating func appendClient(_ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager) {
        for id in [
            KnownHeader.xEnvoyUpstreamRqTimeoutMs, .xEnvoyUpstreamRqPerTryTimeoutMs, .xEnvoyMaxRetries, .xEnvoyRetryOn,
            .xEnvoyRetryGrpcOn, .xEnvoyInternal, .xEnvoyDecoratorOperation, .xEnvoyOriginalPath, .xEnvoyAttemptCount,
            .xEnvoyExpectedRqTimeoutMs, .xEnvoyPeerMetadata, .xEnvoyPeerMetadataID,
        ] { exchanges[exchange].request.removeAll(id) }
        if !manager.preservesExternalRequestID { exchanges[exchange].request.removeAll(.xRequestID) }
        exchanges[exchange].request.removeAll(.xForwardedProto)
        guard !manager.skipsForwardedForAppend, let ip = connections[handle].remote.ip else { return }
        var text: [UInt8] = []
        if let given = exchanges[exchange].request.first(.xForwardedFor) {
            text = exchanges[exchange].bytes(given) + [0x2c]
            exchanges[exchange].request.removeAll(.xForwardedFor)
        }
        exchanges[exchange].addField(.xForwardedFor, text + Array(ip.description.utf8))
    }

    /// Sets x-forwarded-client-cert to what the peer proved (or appends it).
    private mutating func setForwardedCertificate(
        _ handle: Handle, _ exchange: Handle, _ manager: HTTPConnectionManager
    ) {
        let certificate = connections[handle].peerCertificate
        var text: [UInt8] = []
        if manager.forwardedClientCertificate == .appendForward, certificate != nil,
            let given = exchanges[exchange].request.first(.xForwardedClientCert)
        {
            text = exchanges[exchange].bytes(given) + [0x2c]
        }
        exchanges[exchange].request.removeAll(.xForwardedClientCert)
        guard let certificate else { return }
        if let own = connections[handle].session?.context.certificate?.identity {
            text += Array("By=".utf8) + own + [0x3b]
        }
        text += Array("Hash=".utf8)
        for byte in certificate.sha256 {
            let digits = hexDigits[Int(byte)]
            text += [UInt8(truncatingIfNeeded: digits), UInt8(truncatingIfNeeded: digits >> 8)]
        }
        if manager.certificateDetails.contains(.subject) {
            text += Array(";Subject=\"".utf8) + certificate.subject + [0x22]
        }
        if manager.certificateDetails.contains(.uri) { text += Array(";URI=".utf8) + (certificate.identity ?? []) }
        if manager.certificateDetails.contains(.dns) {
            for name in certificate.dnsNames { text += Array(";DNS=".utf8) + name }
        }
        exchanges[exchange].addField(.xForwardedClientCert, text)
    }

    // MARK: Route

    /// Path and host rewriting, header mutations, and what the router itself adds.
    @inline(__always)
    mutating func applyRoute(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision, _ route: RouteEntry) {
        // The attempt's number is of this hop; it is written with each attempt.
        exchanges[exchange].request.removeAll(.xEnvoyAttemptCount)
        let expected =
            exchanges[exchange].tryTimeoutMilliseconds > 0
            ? exchanges[exchange].tryTimeoutMilliseconds : exchanges[exchange].routeTimeoutMilliseconds
        if expected > 0 {
            exchanges[exchange].request.removeAll(.xEnvoyExpectedRqTimeoutMs)
            exchanges[exchange].addField(.xEnvoyExpectedRqTimeoutMs, decimal: Int(clamping: expected))
        }
        if table.rewritesPath(decision) { rewritePath(exchange, table, decision) }
        if decision.hostRewrite.kind != .none { rewriteHost(exchange, table, decision) }
        for index in decision.requestMutations.indices { mutateRequest(exchange, table, table.mutation(index)) }
    }

    private mutating func rewritePath(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision) {
        scratch.removeAll(keepingCapacity: true)
        guard exchanges[exchange].writePath(table, decision, into: &scratch) else { return }
        if exchanges[exchange].request.first(.xEnvoyOriginalPath) == nil {
            let original = exchanges[exchange].request.path
            exchanges[exchange].addField(.xEnvoyOriginalPath, copying: original)
        }
        exchanges[exchange].request.path = exchanges[exchange].append(&scratch)
    }

    private mutating func rewriteHost(_ exchange: Handle, _ table: RouteTable, _ decision: RouteDecision) {
        switch decision.hostRewrite.kind {
        case .none: return
        case .literal: setAuthority(exchange, Array(table.string(decision.hostRewrite.text).utf8))
        case .header:
            let name = HeaderName(table.string(decision.hostRewrite.header.name))
            if let value = exchanges[exchange].requestHeader(name) { setAuthority(exchange, value) }
        case .endpointName:
            // Known only when the endpoint is: set by the attempt.
            exchanges[exchange].rewritesHostToEndpoint = true
        }
    }

    /// Replaces the authority, and with it the Host field.
    mutating func setAuthority(_ exchange: Handle, _ text: [UInt8]) {
        var text = text
        exchanges[exchange].request.authority = exchanges[exchange].append(&text)
        exchanges[exchange].requestHead.isAbsoluteForm = true
    }

    private mutating func mutateRequest(_ exchange: Handle, _ table: RouteTable, _ mutation: HeaderMutation) {
        let name = table.bytes(mutation.name)
        let range = ByteRange(start: 0, length: name.count)
        if name.equals(range, "host") || name.equals(range, ":authority") {
            if mutation.kind != .remove { setAuthority(exchange, Array(table.string(mutation.value).utf8)) }
        } else if name.count > 0, name[0] != 0x3a {
            exchanges[exchange].mutateRequest(table, mutation)
        }
    }
}

extension HTTPConnectionManager {
    /// What stands in where a chain has no connection manager; it has no routes.
    static let refusing = HTTPConnectionManager(statPrefix: "", routeTable: nil)
}
