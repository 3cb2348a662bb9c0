internal import EventLoop
internal import HTTP1
internal import HeaderBlock
internal import LoadBalancing
internal import Memory
internal import Resilience
internal import Routing
internal import TLS
internal import Telemetry

/// The TCP proxy: two connections and the bytes between them.
extension Worker where Wire: ~Copyable {
    /// Begins to connect a downstream connection to the chain's cluster.
    mutating func startTunnel(_ handle: Handle) {
        connections[handle].phase = .tcp
        let generation = connections[handle].generation
        guard let proxy = generations[generation].chains[connections[handle].chain].tcp,
            let pool = tunnelPool(handle, generation, proxy)
        else {
            recordTunnel(handle, connections[handle].tunnelCluster < 0 ? .noClusterFound : .noHealthyUpstream)
            return close(handle, abort: true)
        }
        connectTunnel(handle, pool, generation)
    }

    private mutating func tunnelPool(_ handle: Handle, _ generation: Int, _ proxy: TCPProxyDescriptor) -> Int? {
        guard let cluster = tunnelCluster(proxy), cluster < generations[generation].clusters.count,
            generations[generation].clusters[cluster].exists
        else { return nil }
        connections[handle].tunnelCluster = cluster
        if generations[generation].clusters[cluster].discovery == .originalDestination {
            guard connections[handle].wantsDestination else { return nil }
            return onDemandPool(generation, cluster, portOverridden(generation, cluster, connections[handle].local))
        }
        let time = now
        let random = transport.random()
        let pick = generations[generation].clusters[cluster].pick(
            random: random, hash: nil, tried: connections[handle].tried, now: time)
        guard pick >= 0 else { return nil }
        generations[generation].clusters[cluster].active[pick] &-= 1
        connections[handle].tried.insert(pick)
        let endpoint = generations[generation].clusters[cluster].firstEndpoint &+ pick
        connections[handle].tunnelLabels = generations[generation].endpoints[endpoint].labels
        return generations[generation].endpoints[endpoint].pool
    }

    private mutating func tunnelCluster(_ proxy: TCPProxyDescriptor) -> Int? {
        let total = proxy.targets.reduce(UInt64(0)) { $0 + UInt64($1.weight) }
        guard total > 0 else { return proxy.targets.first?.cluster }
        var ticket = transport.random().multipliedFullWidth(by: total).high
        for target in proxy.targets {
            if ticket < UInt64(target.weight) { return target.cluster }
            ticket -= UInt64(target.weight)
        }
        return nil
    }

    private mutating func connectTunnel(_ handle: Handle, _ pool: Int, _ generation: Int) {
        connections[handle].attempts &+= 1
        let timeout = generations[generation].clusters[connections[handle].tunnelCluster].connectTimeoutMilliseconds
        guard pools[pool].breaker?.acquire(.connection) ?? true else {
            metrics.clusters[pools[pool].statistics].overflows &+= 1
            freePoolIfUnused(pool)
            recordTunnel(handle, .upstreamOverflow)
            return close(handle, abort: true)
        }
        // Whoever reads the log wants to know which endpoint was tried, whatever became of it.
        connections[handle].tunnelPeerAddress = pools[pool].key.address
        guard let upstream = openConnection(pool, connectTimeout: timeout) else {
            pools[pool].breaker?.release(.connection)
            freePoolIfUnused(pool)
            return retryTunnel(handle)
        }
        connections[upstream].peer = handle
        connections[handle].peer = upstream
    }

    mutating func tunnelConnectFailed(_ upstream: Handle) {
        let handle = connections[upstream].peer
        metrics.clusters[pools[connections[upstream].pool].statistics].connectFailures &+= 1
        if connections.contains(handle) { reportTunnel(handle, connections[upstream].pool, .localFailure) }
        connections[upstream].peer = .none
        close(upstream)
        if connections.contains(handle) { retryTunnel(handle) }
    }

    private mutating func retryTunnel(_ handle: Handle) {
        connections[handle].peer = .none
        let generation = connections[handle].generation
        if let proxy = generations[generation].chains[connections[handle].chain].tcp,
            connections[handle].attempts < proxy.maxConnectAttempts,
            let pool = tunnelPool(handle, generation, proxy)
        {
            return connectTunnel(handle, pool, generation)
        }
        recordTunnel(handle, .upstreamConnectionFailure)
        close(handle, abort: true)
    }

    /// The endpoint is connected, and secured where it is to be.
    mutating func tunnelReady(_ upstream: Handle) {
        if let request = tunnelRequest(connections[upstream].peer) { return requestTunnel(upstream, request) }
        tunnelOpened(upstream)
    }

    /// Bytes can move.
    mutating func tunnelOpened(_ upstream: Handle) {
        let handle = connections[upstream].peer
        connections[upstream].phase = .tcp
        connections[upstream].canRead = true
        reportTunnel(handle, connections[upstream].pool, .success)
        connections[handle].tunnelPeerAddress = connections[upstream].remote
        connections[handle].tunnelPeerLocal = connections[upstream].local
        countTunnel(handle)
        touchTunnel(handle)
        pump(from: handle, to: upstream)
        if connections.contains(upstream), connections.contains(handle) { pump(from: upstream, to: handle) }
    }

    /// Something happened on one side: both directions go on.
    mutating func advanceTunnel(_ handle: Handle) {
        let peer = connections[handle].peer
        guard connections.contains(peer) else {
            // Its other side is gone, and with it what this one is for.
            return closeTunnel(handle)
        }
        guard connections[peer].phase == .tcp, connections[handle].phase == .tcp else {
            // The endpoint is not connected: a client that goes away meanwhile is noticed, its bytes wait.
            if connections[handle].role == .downstream, connections[handle].peerClosed { return closeIfGone(handle) }
            return
        }
        pump(from: handle, to: peer)
        if connections.contains(peer), connections.contains(handle) { pump(from: peer, to: handle) }
    }

    private mutating func closeIfGone(_ handle: Handle) {
        if connections[handle].input.isEmpty, fill(handle) == .failed { closeTunnel(handle) }
    }

    /// What a full pipe counts for against `roundsPerTurn`.
    private static var roundsPerPipe: Int { 8 }

    /// Moves bytes one way until either side has no more to give or take.
    private mutating func pump(from source: Handle, to target: Handle) {
        var rounds = 0
        while true {
            if !connections[target].output.isEmpty || !connections[target].cipherOutput.isEmpty {
                switch flush(target) {
                case .done: break
                case .blocked: return
                case .failed: return closeTunnel(source)
                }
            }
            if splices(from: source, to: target) {
                switch splice(from: source, to: target) {
                case .moved:
                    touchTunnel(source)
                    rounds &+= Self.roundsPerPipe
                    guard rounds >= Self.roundsPerTurn else { continue }
                    return resumeLater(source)
                case .blocked: return
                case .end: return passEnd(from: source, to: target)
                case .failed: return closeTunnel(source)
                case .unfit: break
                }
            }
            if connections[source].input.isEmpty {
                if connections[source].sawEnd, !connections[source].isTLS { return passEnd(from: source, to: target) }
                switch fill(source) {
                case .bytes, .full: break
                case .blocked:
                    buffers.reclaimIfEmpty(&connections[source].input)
                    return
                case .end: return passEnd(from: source, to: target)
                case .failed: return closeTunnel(source)
                }
                noteRead(source)
            }
            let count = connections[source].input.count
            connections[source].forwarded &+= count
            touchTunnel(source)
            switch relay(target, from: source, count: count) {
            case .done: break
            case .blocked: return
            case .failed: return closeTunnel(source)
            }
            rounds &+= 1
            if rounds == Self.roundsPerTurn {
                if connections[source].canRead { resumeLater(source) }
                return
            }
        }
    }

    /// One side has ended: the other is told, and when both have, the tunnel is over.
    private mutating func passEnd(from source: Handle, to target: Handle) {
        buffers.reclaimIfEmpty(&connections[source].input)
        if !connections[target].wroteEnd {
            connections[target].wroteEnd = true
            if connections[target].isTLS {
                connections[target].sealEnd()
                _ = flushCipher(target)
            }
            transport.shutdownWrite(connections[target].socket)
        }
        if connections[source].wroteEnd, connections[source].output.isEmpty, connections[source].cipherOutput.isEmpty {
            closeTunnel(source)
        }
    }

    private mutating func touchTunnel(_ handle: Handle) {
        let downstream = connections[handle].role == .downstream ? handle : connections[handle].peer
        guard connections.contains(downstream) else { return }
        let generation = connections[downstream].generation
        guard let proxy = generations[generation].chains[connections[downstream].chain].tcp else { return }
        let idle = UInt64(proxy.idleTimeoutMilliseconds)
        if idle > 0 { setDeadline(downstream, now &+ idle) }
    }

    /// Ends both sides.
    mutating func closeTunnel(_ handle: Handle) {
        let peer = connections[handle].peer
        let downstream = connections[handle].role == .downstream ? handle : peer
        if connections.contains(downstream) {
            if connections.contains(peer) {
                let upstream = connections[handle].role == .upstream ? handle : peer
                connections[downstream].tunnelReceived = connections[upstream].forwarded
            }
            recordTunnel(downstream, [])
        }
        close(handle)
        close(peer)
    }
}
