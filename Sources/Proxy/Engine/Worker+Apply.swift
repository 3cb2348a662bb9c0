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

/// Configuration changes and the end of a worker's life.
extension Worker where Wire: ~Copyable {
    mutating func readMail() {
        for message in mailbox.takeAll() {
            switch message {
            case .apply(let snapshot, let sockets, let done):
                apply(snapshot, sockets: sockets)
                done()
            case .drain(let milliseconds): drain(milliseconds)
            case .stop: isStopped = true
            case .collect(let receive):
                countWires()
                receive(metrics)
            }
        }
    }

    /// Swaps the configuration. Unchanged listeners keep their sockets, connections find their chain in the new snapshot at
    /// their next request, pools go on for endpoints that are still there.
    mutating func apply(_ snapshot: RuntimeSnapshot, sockets: [SocketAddress: [Int32]]) {
        let previous = current
        let next = generations.firstIndex { $0.isFree } ?? generations.count
        if next == generations.count { generations.append(Generation(snapshot: .empty)) }
        generations[next] = build(snapshot, after: previous)
        generations[next].users = 1
        current = next
        moveListeners(snapshot, sockets)
        releaseGeneration(previous)
        sweepConnections()
        forgetStatistics()
        startWatchingHealth()
    }

    private mutating func moveListeners(_ snapshot: RuntimeSnapshot, _ sockets: [SocketAddress: [Int32]]) {
        for slot in listeners.indices where listeners[slot].socket >= 0 {
            let address = listeners[slot].address
            if let index = snapshot.listeners.firstIndex(where: { $0.bindsToPort && $0.address == address }) {
                listeners[slot].descriptor = index
            } else {
                closeListener(slot)
            }
        }
        guard !isDraining else {
            for socket in sockets.values.joined() { transport.close(socket, abort: false) }
            return
        }
        for (index, listener) in snapshot.listeners.enumerated() where listener.bindsToPort {
            if listeners.contains(where: { $0.socket >= 0 && $0.address == listener.address }) { continue }
            let inherited = settings.inheritedListeners[listener.address]
            var given = sockets[listener.address] ?? []
            if let inherited { given.append(inherited) }
            if given.isEmpty { given = [transport.listen(listener.address, backlog: listener.backlog)] }
            // More than one when a predecessor with more workers handed its own over, or one comes from another network.
            for socket in given where socket >= 0 {
                let slot = listeners.firstIndex { $0.socket < 0 } ?? listeners.count
                let entry = ListenerSlot(
                    address: listener.address, socket: socket, descriptor: index, isInherited: socket == inherited)
                if slot == listeners.count { listeners.append(entry) } else { listeners[slot] = entry }
                _ = transport.watch(socket, token: EventToken.forListener(slot), isListener: true)
            }
        }
    }

    private mutating func closeListener(_ slot: Int) {
        if listeners[slot].isInherited {
            if !listeners[slot].isPaused { transport.unwatch(listeners[slot].socket) }
        } else {
            transport.close(listeners[slot].socket, abort: false)
        }
        listeners[slot].socket = -1
        listeners[slot].isPaused = false
        listeners[slot].descriptor = -1
    }

    /// Flattens a snapshot for this worker.
    private mutating func build(_ snapshot: RuntimeSnapshot, after previous: Int) -> Generation {
        var generation = Generation(snapshot: snapshot)
        for log in snapshot.accessLogs { generation.logSinks.append(accessLog.number(of: log.sink)) }
        for authorizer in snapshot.authorizers {
            generation.firstPolicies.append(generation.policyNumbers.count)
            for name in authorizer.names + ["none"] {
                generation.policyNumbers.append(metrics.policies.number(of: name))
            }
        }
        for (index, listener) in snapshot.listeners.enumerated() {
            generation.listenerStatistics.append(metrics.listeners.number(of: listener.name))
            for chain in listener.filterChains {
                generation.chains.append(flat(chain, listener: index, isDefault: false, snapshot))
            }
            if let chain = listener.defaultFilterChain {
                generation.chains.append(flat(chain, listener: index, isDefault: true, snapshot))
            }
        }
        metrics.mesh.labels.forgetAddresses()
        var known: [String: Int] = [:]
        for (index, cluster) in generations[previous].snapshot.clusters.enumerated() {
            if let cluster { known[cluster.name] = index }
        }
        for descriptor in snapshot.clusters {
            var cluster = Generation.Cluster()
            if let descriptor { fill(&cluster, descriptor, &generation, snapshot) }
            if let descriptor { begin(&cluster, descriptor, known[descriptor.name], of: previous) }
            generation.clusters.append(cluster)
        }
        localLabels = metrics.mesh.labels.number(of: snapshot.local)
        return generation
    }

    private mutating func flat(
        _ chain: FilterChainDescriptor, listener: Int, isDefault: Bool, _ snapshot: RuntimeSnapshot
    ) -> Generation.Chain {
        var flat = Generation.Chain(listener: listener, isDefault: isDefault, descriptor: chain)
        switch chain.terminal {
        case .http(let manager):
            flat.http = manager
            flat.statistics = metrics.http.number(of: manager.statPrefix)
        case .tcp(let proxy):
            flat.tcp = proxy
            flat.statistics = metrics.tcp.number(of: proxy.statPrefix)
        }
        if let index = chain.tls?.context, index < snapshot.tlsContexts.count {
            flat.context = snapshot.tlsContexts[index]
        }
        return flat
    }

    private mutating func fill(
        _ cluster: inout Generation.Cluster, _ descriptor: ClusterDescriptor, _ generation: inout Generation,
        _ snapshot: RuntimeSnapshot
    ) {
        cluster.exists = true
        cluster.firstEndpoint = generation.endpoints.count
        cluster.discovery = descriptor.discovery
        cluster.upstream = descriptor.upstream
        cluster.mayStream = descriptor.upstream == .http2 || descriptor.upstream == .auto
        cluster.connectTimeoutMilliseconds = UInt64(descriptor.connectTimeoutMilliseconds)
        cluster.statistics = metrics.clusters.number(of: descriptor.statName)
        cluster.service = metrics.mesh.labels.number(of: descriptor.service)
        cluster.balancer = Balancer(descriptor.balancer, seed: transport.random())
        cluster.active = Array(repeating: 0, count: descriptor.endpoints.count)
        takeOptions(&cluster, descriptor, snapshot)
        for endpoint in descriptor.endpoints {
            let pool = pool(
                for: endpoint.address, endpoint.tls, descriptor, cluster.statistics, snapshot,
                descriptor.upstream.first, proxyProtocol: endpoint.proxyProtocol)
            pools[pool].references += 1
            var alternate = -1
            if descriptor.upstream.hasAlternate {
                alternate = self.pool(
                    for: endpoint.address, endpoint.tls, descriptor, cluster.statistics, snapshot,
                    descriptor.upstream.alternate, proxyProtocol: endpoint.proxyProtocol)
                pools[alternate].references += 1
            }
            let labels = metrics.mesh.labels.number(of: endpoint.workload)
            metrics.mesh.labels.learn(endpoint.address.logged, labels)
            generation.endpoints.append(
                Generation.Endpoint(pool: pool, alternatePool: alternate, labels: labels))
        }
    }

    // MARK: Pools

    mutating func pool(
        for address: SocketAddress, _ tls: UpstreamTLSDescriptor?, _ cluster: ClusterDescriptor, _ statistic: Int,
        _ snapshot: RuntimeSnapshot, _ upstream: ClusterDescriptor.Upstream, isHigh: Bool = false,
        proxyProtocol: UInt8 = 0, serverName: String? = nil, isPlain: Bool = false
    ) -> Int {
        var context: TLSContext?
        if let index = tls?.context, index < snapshot.tlsContexts.count { context = snapshot.tlsContexts[index] }
        let key = UpstreamPool.Key(
            cluster: cluster.name, address: address, isTLS: tls != nil, context: context.map(ObjectIdentifier.init),
            serverName: serverName ?? tls?.serverName ?? "", isHigh: isHigh, proxyProtocol: proxyProtocol,
            upstream: upstream, isPlain: isPlain)
        if let known = poolIndices[key] {
            // What it has open counts in the breaker and the statistics that it began with; the rest is as configured now.
            pools[known].configure(cluster)
            return known
        }
        var pool = UpstreamPool(key: key)
        pool.context = context
        pool.isHTTP1 = upstream == .auto && tls == nil
        pool.breaker = isHigh ? cluster.highBreaker : cluster.breaker
        pool.statistics = statistic
        pool.configure(cluster)
        let index = pools.firstIndex { $0.isFree } ?? pools.count
        if index == pools.count { pools.append(pool) } else { pools[index] = pool }
        poolIndices[key] = index
        return index
    }

    /// The pool of an original destination, made when first asked for.
    mutating func onDemandPool(
        _ generation: Int, _ cluster: Int, _ address: SocketAddress, _ upstream: ClusterDescriptor.Upstream = .http1
    ) -> Int? {
        guard let descriptor = generations[generation].snapshot.clusters[cluster], address.port != 0 else { return nil }
        let statistic = generations[generation].clusters[cluster].statistics
        let index = pool(
            for: address, descriptor.tls, descriptor, statistic, generations[generation].snapshot, upstream)
        pools[index].isOnDemand = true
        return index
    }

    mutating func freePoolIfUnused(_ pool: Int) {
        guard pools[pool].references == 0, pools[pool].connections == 0, pools[pool].active == 0, !pools[pool].isFree
        else { return }
        poolIndices[pools[pool].key] = nil
        pools[pool].isFree = true
        pools[pool].context = nil
        pools[pool].breaker = nil
    }

    // MARK: Generations

    @inline(__always)
    mutating func retainGeneration(_ index: Int) { generations[index].users &+= 1 }

    @inline(__always)
    mutating func releaseGeneration(_ index: Int) {
        guard index >= 0 else { return }
        generations[index].users &-= 1
        if generations[index].users == 0 { freeGeneration(index) }
    }

    private mutating func freeGeneration(_ index: Int) {
        let endpoints = generations[index].endpoints
        generations[index] = Generation(snapshot: .empty)
        generations[index].isFree = true
        for endpoint in endpoints {
            dropReference(endpoint.pool)
            if endpoint.alternatePool >= 0 { dropReference(endpoint.alternatePool) }
            if endpoint.highPool >= 0 { dropReference(endpoint.highPool) }
        }
    }

    private mutating func dropReference(_ pool: Int) {
        pools[pool].references -= 1
        guard pools[pool].references == 0 else { return }
        while let handle = takeIdle(pool) { close(handle) }
        while !pools[pool].shared.isNone { retire(pools[pool].shared) }
        freePoolIfUnused(pool)
    }

    /// The chain of the current snapshot that continues chain `index` of an older one; nil when there is none.
    func findChain(like index: Int, of old: Int) -> Int? {
        guard index >= 0, index < generations[old].chains.count else { return nil }
        let chain = generations[old].chains[index]
        let listener = generations[old].snapshot.listeners[chain.listener]
        for (candidate, other) in generations[current].chains.enumerated() {
            if other.descriptor.name == chain.descriptor.name, other.isDefault == chain.isDefault,
                (other.descriptor.tls == nil) == (chain.descriptor.tls == nil),
                (other.http == nil) == (chain.http == nil),
                generations[current].snapshot.listeners[other.listener].name == listener.name
            {
                return candidate
            }
        }
        return nil
    }

    /// Connections whose chain is gone: idle ones are closed now, the others after their request.
    private mutating func sweepConnections() {
        for slot in 0..<connections.capacity {
            guard let handle = connections.occupant(at: slot), connections[handle].role == .downstream,
                connections[handle].phase == .http, connections[handle].generation != current
            else { continue }
            guard findChain(like: connections[handle].chain, of: connections[handle].generation) == nil else {
                continue
            }
            connections[handle].isDraining = true
            if connections[handle].isHTTP2 {
                drainHTTP2(handle)
            } else if !exchanges.contains(connections[handle].exchange), connections[handle].input.isEmpty {
                close(handle)
            }
        }
    }

    // MARK: End

    private mutating func drain(_ milliseconds: UInt64) {
        isDraining = true
        drainDeadline = now &+ milliseconds
        _ = timers.schedule(TimerWheel.Payload(kind: Self.drainTimer, bits: 0), at: drainDeadline)
        // Clients may be about to use their idle connections: those that do are answered, and told that it was the last.
        // So are those whose connections are only now accepted.
        let grace = min(Self.drainGraceMilliseconds, milliseconds / 4)
        _ = timers.schedule(TimerWheel.Payload(kind: Self.drainTimer, bits: 1), at: now &+ grace)
        drainGraceEnd = now &+ grace
        for slot in listeners.indices where listeners[slot].socket >= 0 {
            // Who has connected already is served; a queue that is closed would be reset.
            acceptAll(slot, atMost: Self.mostAcceptedInDrain)
            closeListener(slot)
        }
        announceEnds()
    }

    /// HTTP/2 has a word for the end: clients are told at once, and what they send meanwhile is answered.
    private mutating func announceEnds() {
        for slot in 0..<connections.capacity {
            guard let handle = connections.occupant(at: slot), connections[handle].role == .downstream,
                connections[handle].phase == .http, connections[handle].isHTTP2
            else { continue }
            drainHTTP2(handle)
        }
    }

    /// Closes connections that have no request: their clients have had the time to use them once more.
    mutating func closeIdle() {
        for slot in 0..<connections.capacity {
            guard let handle = connections.occupant(at: slot), connections[handle].role == .downstream,
                connections[handle].phase == .http
            else { continue }
            if connections[handle].isHTTP2 {
                drainHTTP2(handle)
                continue
            }
            guard !exchanges.contains(connections[handle].exchange),
                connections[handle].input.isEmpty, connections[handle].output.isEmpty
            else { continue }
            // A request that is on its way in is still answered; only then the connection goes.
            if connections[handle].canRead { resumable.append(handle) } else { close(handle) }
        }
    }

    /// Draining is over when the last client has gone.
    mutating func stopWhenIdle() {
        for slot in 0..<connections.capacity {
            if let handle = connections.occupant(at: slot), connections[handle].role == .downstream { return }
        }
        isStopped = true
    }

    mutating func closeEverything() {
        for slot in listeners.indices where listeners[slot].socket >= 0 { closeListener(slot) }
        for slot in 0..<exchanges.capacity {
            if let handle = exchanges.occupant(at: slot) { freeExchange(handle) }
        }
        for slot in 0..<connections.capacity {
            if let handle = connections.occupant(at: slot) { close(handle) }
        }
        pipes.closeAll(&transport)
        accessLog.flush()
    }
}
