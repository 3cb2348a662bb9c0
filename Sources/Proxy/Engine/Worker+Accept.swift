internal import Authorization
internal import EventLoop
internal import HTTP1
internal import HTTP2
internal import HeaderBlock
internal import LoadBalancing
internal import Memory
internal import Resilience
internal import Routing
internal import TLS
internal import Telemetry

extension Worker where Wire: ~Copyable {
    /// Connections that a drain takes from a listener's queue before it closes it; more come faster than they are served.
    static var mostAcceptedInDrain: Int { 16_384 }
    /// How long a listener is left alone when the process has no more descriptors.
    private static var acceptPauseMilliseconds: UInt64 { 100 }

    /// Takes connections from a listener's queue. The batch is bounded: established connections get their turn too, and the
    /// listener is level triggered.
    mutating func acceptAll(_ slot: Int, atMost most: Int = 64) {
        guard slot < listeners.count, listeners[slot].socket >= 0, !listeners[slot].isPaused else { return }
        var accepted = 0
        while accepted < most {
            // A listener that is about to be closed gives up what waits in its queue: that is taken all the same.
            if isTight, !isDraining { return pauseForMemory(slot) }
            let result = transport.accept(listeners[slot].socket)
            guard result.socket >= 0 else {
                if IOCode.isExhaustion(result.socket) { pauseAccepting(slot) }
                return
            }
            accepted &+= 1
            admit(result, slot)
        }
    }

    /// No descriptors or memory are left: connections wait in the kernel's queue, where they cost us nothing, until some are.
    private mutating func pauseAccepting(_ slot: Int) {
        listeners[slot].isPaused = true
        transport.unwatch(listeners[slot].socket)
        let descriptor = listeners[slot].descriptor
        if descriptor >= 0 {
            metrics.listeners[generations[current].listenerStatistics[descriptor]].acceptFailures &+= 1
        }
        if now >= acceptWarningAt {
            acceptWarningAt = now &+ 10_000
            settings.warn?(
                "connections wait to be accepted: the process or the system has no more file descriptors "
                    + "(ulimit -n, fs.file-max), or no memory for sockets")
        }
        _ = timers.schedule(
            TimerWheel.Payload(kind: Self.acceptTimer, bits: UInt64(slot)), at: now &+ Self.acceptPauseMilliseconds)
    }

    mutating func resumeAccepting(_ slot: Int) {
        guard slot < listeners.count, listeners[slot].isPaused, listeners[slot].socket >= 0 else { return }
        listeners[slot].isPaused = false
        _ = transport.watch(listeners[slot].socket, token: EventToken.forListener(slot), isListener: true)
    }

    private mutating func admit(_ accepted: AcceptedSocket, _ slot: Int) {
        let handle = connections.insert()
        connections[handle].socket = accepted.socket
        connections[handle].role = .downstream
        connections[handle].remote = accepted.peer
        connections[handle].canWrite = true
        connections[handle].generation = current
        connections[handle].acceptedAt = now
        connections[handle].opened = transport.microseconds
        retainGeneration(current)
        downstreamCount &+= 1
        if let budget = settings.connectionBudget {
            guard budget.acquire() else {
                let descriptor = listeners[slot].descriptor
                if descriptor >= 0 {
                    metrics.listeners[generations[current].listenerStatistics[descriptor]].overflows &+= 1
                }
                return close(handle)
            }
            connections[handle].holdsBudget = true
        }
        let listener = destination(handle, of: listeners[slot].descriptor)
        guard listener >= 0, transport.watch(accepted.socket, token: handle.bits, isListener: false) else {
            return close(handle)
        }
        connections[handle].listener = listener
        connections[handle].listenerStatistics = generations[current].listenerStatistics[listener]
        metrics.listeners[generations[current].listenerStatistics[listener]].connections &+= 1
        metrics.listeners[generations[current].listenerStatistics[listener]].activeConnections &+= 1
        connections[handle].phase = .inspecting
        let descriptor = generations[current].snapshot.listeners[listener]
        if descriptor.inspectsTLS || descriptor.inspectsHTTP || descriptor.proxyProtocol != .none {
            let timeout = UInt64(descriptor.inspectionTimeoutMilliseconds)
            setDeadline(handle, timeout == 0 ? .max : now &+ timeout)
        } else {
            choose(handle, Inspection())
        }
    }

    /// Where the connection belongs: finds the original destination and the listener that has it.
    private mutating func destination(_ handle: Handle, of index: Int) -> Int {
        guard index >= 0 else { return -1 }
        let socket = connections[handle].socket
        let snapshot = generations[current].snapshot
        let descriptor = snapshot.listeners[index]
        connections[handle].local = transport.localAddress(socket) ?? descriptor.address
        guard descriptor.usesOriginalDestination || descriptor.readsOriginalDestination,
            let original = transport.originalDestination(socket)
        else { return index }
        // Who came here without having been led here wants to go nowhere else.
        connections[handle].wantsDestination = original != connections[handle].local
        connections[handle].local = original
        guard descriptor.usesOriginalDestination else { return index }
        var wildcard = -1
        for (candidate, other) in snapshot.listeners.enumerated() where candidate != index && !other.bindsToPort {
            if other.address == original { return candidate }
            if let ip = other.address.ip, ip.isUnspecified, other.address.port == original.port {
                if ip.isIPv6 == original.ip?.isIPv6 || wildcard < 0 { wildcard = candidate }
            }
        }
        return wildcard >= 0 ? wildcard : index
    }

    // MARK: Inspection

    /// Looks at the first bytes until they say what the connection is.
    mutating func inspect(_ handle: Handle) {
        let descriptor = generations[connections[handle].generation].snapshot.listeners[connections[handle].listener]
        while true {
            switch fill(handle) {
            case .bytes, .full: break
            case .blocked:
                buffers.reclaimIfEmpty(&connections[handle].input)
                return
            case .end, .failed: return close(handle)
            }
            if descriptor.proxyProtocol != .none, !connections[handle].readProxyHeader {
                switch takeProxyHeader(handle, isRequired: descriptor.proxyProtocol == .required) {
                case .bytes: break
                case .blocked: continue
                default: return close(handle)
                }
                // What follows the header may not be here yet; a chain for unknown bytes needs none.
                if connections[handle].input.isEmpty, descriptor.inspectsTLS || descriptor.inspectsHTTP { continue }
            }
            var found = Inspection()
            if descriptor.inspectsTLS {
                let hello = connections[handle].peekClientHello()
                switch hello {
                case .needsMore: if connections[handle].input.count < ClientHello.maximumLength { continue }
                case .notTLS: break
                case .hello(let hello):
                    found.isTLS = true
                    found.serverName = hello.serverName ?? ""
                    found.protocols = hello.applicationProtocols
                }
            }
            if descriptor.inspectsHTTP, !found.isTLS {
                let verdict = connections[handle].inspectHTTP()
                switch verdict {
                case .needsMore: if connections[handle].input.count < 8 * 1024 { continue }
                case .http10: found.protocols = ["http/1.0"]
                case .http11: found.protocols = ["http/1.1"]
                case .http2: found.protocols = ["h2c"]
                case .other: break
                }
            }
            return choose(handle, found)
        }
    }

    /// Takes the PROXY protocol header off the connection's bytes. `.bytes`: go on; `.blocked`: more is needed; `.failed`.
    private mutating func takeProxyHeader(_ handle: Handle, isRequired: Bool) -> FillResult {
        switch ProxyProtocolReader.read(connections[handle].input.bytes) {
        case .needsMore: return .blocked
        case .absent:
            if isRequired { return .failed }
            connections[handle].readProxyHeader = true
            return .bytes
        case .malformed: return .failed
        case .header(let length, let source, let destination):
            connections[handle].readProxyHeader = true
            connections[handle].input.consume(length)
            if let source {
                connections[handle].proxyPeer = connections[handle].remote
                connections[handle].remote = source
            }
            if let destination {
                connections[handle].local = destination
                connections[handle].wantsDestination = true
            }
            return .bytes
        }
    }

    /// The client is silent: protocols in which the server speaks first get the chain for unknown bytes.
    mutating func inspectionExpired(_ handle: Handle) {
        metrics.listeners[listenerStatistics(handle)].inspectionTimeouts &+= 1
        let listener = generations[connections[handle].generation].snapshot.listeners[connections[handle].listener]
        guard listener.continuesOnInspectionTimeout else { return close(handle) }
        choose(handle, Inspection())
    }

    /// Chooses the filter chain and begins what it says.
    private mutating func choose(_ handle: Handle, _ found: Inspection) {
        let generation = connections[handle].generation
        let listener = connections[handle].listener
        let chain = FilterChainChooser.choose(
            generations[generation], listener: listener, destination: connections[handle].local,
            source: connections[handle].remote, direct: connections[handle].direct, found)
        guard chain >= 0 else {
            metrics.listeners[listenerStatistics(handle)].noFilterChain &+= 1
            reportUnmatched(handle, found)
            return close(handle)
        }
        connections[handle].chain = chain
        connections[handle].serverName = Array(found.serverName.utf8)
        connections[handle].deadline = .max
        let descriptor = generations[generation].chains[chain].descriptor
        guard descriptor.tls != nil else { return startChain(handle) }
        let inspectsTLS = generations[generation].snapshot.listeners[listener].inspectsTLS
        if inspectsTLS, !found.isTLS, !connections[handle].input.isEmpty { reportUnmatched(handle, found) }
        guard let context = generations[generation].chains[chain].context else {
            metrics.listeners[listenerStatistics(handle)].handshakeFailures &+= 1
            return close(handle)
        }
        do {
            connections[handle].session = try TLSSession(context)
        } catch {
            return close(handle)
        }
        connections[handle].inspectedIsCipher()
        connections[handle].isTLS = true
        connections[handle].phase = .handshaking
        let timeout = UInt64(descriptor.transportConnectTimeoutMilliseconds)
        if timeout > 0 { setDeadline(handle, now &+ timeout) }
        handshakeDownstream(handle)
    }

    mutating func handshakeDownstream(_ handle: Handle) {
        while true {
            if connections[handle].cipherInput.isEmpty {
                switch fillCipher(handle) {
                case .bytes: break
                case .blocked:
                    buffers.reclaimIfEmpty(&connections[handle].cipherInput)
                    if flushCipher(handle) == .failed { close(handle) }
                    return
                case .full, .end, .failed:
                    metrics.listeners[listenerStatistics(handle)].handshakeFailures &+= 1
                    return close(handle)
                }
            }
            buffers.lend(&connections[handle].cipherOutput)
            let status = connections[handle].continueHandshake()
            if flushCipher(handle) == .failed {
                metrics.listeners[listenerStatistics(handle)].handshakeFailures &+= 1
                return close(handle)
            }
            switch status {
            case .done:
                buffers.reclaimIfEmpty(&connections[handle].cipherInput)
                metrics.listeners[listenerStatistics(handle)].handshakes &+= 1
                connections[handle].peerCertificate = connections[handle].session?.peer
                connections[handle].deadline = .max
                return startChain(handle)
            case .wantsInput:
                connections[handle].cipherInput.compact()
                if connections[handle].cipherInput.isEmpty { continue }
                switch fillCipher(handle) {
                case .bytes: continue
                case .blocked: return
                case .full, .end, .failed:
                    metrics.listeners[listenerStatistics(handle)].handshakeFailures &+= 1
                    return close(handle)
                }
            case .wantsOutput: continue
            case .closed, .failed:
                metrics.listeners[listenerStatistics(handle)].handshakeFailures &+= 1
                reportHandshake(handle)
                return close(handle)
            }
        }
    }

    /// The transport is ready: network filters, then the terminal filter.
    private mutating func startChain(_ handle: Handle) {
        connections[handle].peerLabels = metrics.mesh.labels.number(
            ofPeer: connections[handle].peerCertificate?.identity ?? [], at: connections[handle].remote.logged)
        countChain(handle)
        runNetworkFilters(handle)
    }

    /// The network filters from the one whose turn it is on, then the terminal filter.
    mutating func runNetworkFilters(_ handle: Handle) {
        let chain = generations[connections[handle].generation].chains[connections[handle].chain]
        while connections[handle].networkFilter < chain.descriptor.networkFilters.count {
            let index = connections[handle].networkFilter
            connections[handle].networkFilter = index &+ 1
            switch chain.descriptor.networkFilters[index] {
            case .localRateLimit(let bucket):
                guard bucket.take(now: transport.microseconds) else {
                    metrics.listeners[listenerStatistics(handle)].limitedConnections &+= 1
                    return close(handle)
                }
            case .connectionLimit(let budget, let delay):
                guard budget.acquire() else {
                    metrics.listeners[listenerStatistics(handle)].deniedConnections &+= 1
                    return refuseConnection(handle, after: delay)
                }
                connections[handle].budgets.append(budget)
            case .rbac(let authorizer):
                guard authorizeConnection(handle, authorizer) else { return close(handle) }
            case .externalAuthorization(let service):
                if let condition = service.condition, !condition.holds(connections[handle].metadata) { continue }
                return askAboutConnection(handle, service)
            }
        }
        if let manager = chain.http {
            connections[handle].phase = .http
            setIdleDeadline(handle, manager)
            let isAgreed = connections[handle].isTLS && connections[handle].agreedOnHTTP2
            if manager.codec == .http2 || isAgreed && manager.codec == .auto {
                startHTTP2(handle, .server, manager.http2)
            }
            return advanceDownstream(handle, wrote: false)
        }
        startTunnel(handle)
    }
}

extension Worker where Wire: ~Copyable {
    /// Closes a connection that is one too many, at once or, so that impatient clients are slowed down, after a while.
    private mutating func refuseConnection(_ handle: Handle, after milliseconds: UInt64) {
        guard milliseconds > 0 else { return close(handle) }
        // What comes meanwhile is dropped; the timer closes it.
        connections[handle].phase = .lingering
        setDeadline(handle, now &+ milliseconds)
    }

    mutating func setIdleDeadline(_ handle: Handle, _ manager: HTTPConnectionManager) {
        let idle = UInt64(manager.timeouts.idleMilliseconds)
        setDeadline(handle, idle == 0 ? .max : now &+ idle)
    }
}

/// What the first bytes of a connection showed.
struct Inspection {
    var isTLS = false
    var serverName = ""
    var protocols: [String] = []
}
