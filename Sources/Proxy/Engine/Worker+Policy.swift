internal import Authorization
internal import EventLoop
internal import HeaderBlock
internal import Memory
internal import Routing
internal import TLS
internal import Telemetry

/// Decisions about requests and connections that are made by others: here they are asked.
extension Worker where Wire: ~Copyable {
    /// Asks an authorizer about a request; false when it was denied and answered.
    mutating func authorize(_ handle: Handle, _ exchange: Handle, _ authorizer: Int) -> Bool {
        let snapshot = generations[exchanges[exchange].generation].snapshot
        guard authorizer < snapshot.authorizers.count else {
            // Rules that are nowhere must not be rules that allow everything.
            exchanges[exchange].details = "rbac_access_denied_matched_policy[none]"
            reply(exchange, 403, "RBAC: access denied", [])
            return false
        }
        let verdict = exchanges[exchange].decide(snapshot.authorizers[authorizer], &connections[handle])
        snapshot.authorizers[authorizer].record(verdict, in: &exchanges[exchange].filters.metadata)
        switch verdict.shadow {
        case .none: break
        case .allowed: metrics.http[httpStatistics(exchange)].shadowAllowed &+= 1
        case .denied: metrics.http[httpStatistics(exchange)].shadowDenied &+= 1
        }
        countPolicy(verdict, of: authorizer, in: exchanges[exchange].generation)
        if verdict.isLogged { metrics.http[httpStatistics(exchange)].audited &+= 1 }
        if verdict.isAllowed {
            metrics.http[httpStatistics(exchange)].allowed &+= 1
            return true
        }
        metrics.http[httpStatistics(exchange)].denied &+= 1
        exchanges[exchange].setDetails(snapshot.authorizers[authorizer], verdict.policy)
        exchanges[exchange].policyOrigin = snapshot.authorizers[authorizer].origin(verdict.policy)
        reply(exchange, 403, "RBAC: access denied", [])
        return false
    }

    /// Asks an authorizer about a connection; false when it was denied, which is counted and logged.
    mutating func authorizeConnection(_ handle: Handle, _ authorizer: Int) -> Bool {
        let generation = connections[handle].generation
        let snapshot = generations[generation].snapshot
        let statistics = listenerStatistics(handle)
        guard authorizer < snapshot.authorizers.count else {
            metrics.listeners[statistics].deniedConnections &+= 1
            return false
        }
        let verdict = connections[handle].decide(snapshot.authorizers[authorizer])
        snapshot.authorizers[authorizer].record(verdict, in: &connections[handle].metadata, ofConnection: true)
        countPolicy(verdict, of: authorizer, in: generation)
        switch verdict.shadow {
        case .none: break
        case .allowed: metrics.listeners[statistics].shadowAllowed &+= 1
        case .denied: metrics.listeners[statistics].shadowDenied &+= 1
        }
        if verdict.isAllowed {
            metrics.listeners[statistics].allowedConnections &+= 1
            return true
        }
        metrics.listeners[statistics].deniedConnections &+= 1
        // A connection for HTTP has no line of its own, and its counters are others.
        guard generations[generation].chains[connections[handle].chain].tcp != nil else { return false }
        let origin = snapshot.authorizers[authorizer].origin(verdict.policy)
        recordTunnel(
            handle, [],
            denial: (snapshot.authorizers[authorizer].detailsText(verdict.policy), snapshot.provenance[origin.index]))
        return false
    }

    /// Counts a decision at the policy that made it.
    @inline(__always)
    private mutating func countPolicy(_ verdict: AuthorizationVerdict, of authorizer: Int, in generation: Int) {
        if verdict.policy != .none || !verdict.isAllowed {
            let number = generations[generation].policyStatistics(authorizer, verdict.policy)
            if verdict.isAllowed {
                metrics.policies[number].allowed &+= 1
            } else {
                metrics.policies[number].denied &+= 1
            }
        }
        if verdict.shadow != .none {
            let number = generations[generation].policyStatistics(authorizer, verdict.shadowPolicy)
            if verdict.shadow == .allowed {
                metrics.policies[number].shadowAllowed &+= 1
            } else {
                metrics.policies[number].shadowDenied &+= 1
            }
        }
    }
}

extension Exchange {
    /// Takes over which policy decided, as the log names it.
    fileprivate mutating func setDetails(_ authorizer: borrowing Authorizer, _ policy: PolicyID) {
        let text = authorizer.details(policy)
        longDetails.removeAll(keepingCapacity: true)
        for index in text.indices { longDetails.append(text[index]) }
    }

    /// The verdict on this request, which came over `connection`.
    mutating func decide(_ authorizer: borrowing Authorizer, _ connection: inout Connection) -> AuthorizationVerdict {
        let certificate = connection.peerCertificate
        let uriNames = certificate?.uriNames ?? []
        let dnsNames = certificate?.dnsNames ?? []
        let subject = certificate?.subject ?? []
        return authorizer.decide(
            AuthorizationInput(
                head: HeadView(request, bytes: arena.storage), uriNames: uriNames.span, dnsNames: dnsNames.span,
                subject: subject.span, isAuthenticated: certificate != nil, serverName: connection.serverName.span,
                source: connection.remote.bits, direct: connection.direct.bits,
                remote: (remoteAddress ?? connection.remote).bits,
                destination: connection.local.bits, destinationPort: connection.local.port,
                metadata: filters.metadata))
    }
}

extension Connection {
    /// The verdict on this connection.
    mutating func decide(_ authorizer: borrowing Authorizer) -> AuthorizationVerdict {
        let certificate = peerCertificate
        let uriNames = certificate?.uriNames ?? []
        let dnsNames = certificate?.dnsNames ?? []
        let subject = certificate?.subject ?? []
        return authorizer.decide(
            AuthorizationInput(
                head: nil, uriNames: uriNames.span, dnsNames: dnsNames.span, subject: subject.span,
                isAuthenticated: certificate != nil, serverName: serverName.span, source: remote.bits,
                direct: direct.bits, remote: remote.bits, destination: local.bits, destinationPort: local.port))
    }
}
