internal import EventLoop
internal import Memory
internal import Resilience
internal import TLS

/// Connections of one worker to one endpoint of one cluster over one transport. It outlives snapshots that agree on these.
struct UpstreamPool {
    /// What makes two endpoints of successive snapshots the same.
    struct Key: Hashable {
        var cluster: String
        var address: SocketAddress
        var isTLS: Bool
        /// Identity of the TLS context; nil while it has not arrived.
        var context: ObjectIdentifier?
        var serverName: String
        /// For requests of high priority.
        var isHigh = false
        /// ORIGINAL_DST pools of several clusters do not mix with others: the name tells them apart already.
        var proxyProtocol: UInt8 = 0
        /// What is spoken: of `ClusterDescriptor.Upstream`, what it came to for this endpoint.
        var upstream = ClusterDescriptor.Upstream.http1
        /// For the bytes of tunnels that end here.
        var isPlain = false
    }

    var key: Key
    var context: TLSContext?
    /// Leads to the application of this pod.
    var isInbound = false
    /// What the cluster may have in flight over all workers.
    var breaker: CircuitBreaker?
    /// Of the cluster, in the worker's statistics.
    var statistics = 0
    var idleTimeoutMilliseconds: UInt64 = 0
    var maxRequestsPerConnection: UInt32 = 0
    var maxConnectionMilliseconds: UInt64 = 0
    var keepalive: ClusterOptions.Keepalive?
    var socketOptions: [SocketOption] = []
    /// The peer's certificate must be for the server name that was sent.
    var verifiesServerName = false
    var idle = Handle.none
    var idleCount = 0
    /// HTTP/2 connections with room for another stream.
    var shared = Handle.none
    /// Connections that are not ready yet.
    var opening = 0
    /// The endpoint was found to speak no HTTP/2.
    var isHTTP1 = false
    var http2 = HTTP2Options.client
    /// ALPN names, length-prefixed, where they are not the TLS context's; nil otherwise.
    var offeredProtocols: [UInt8]?
    /// Connections, idle or not.
    var connections = 0
    /// Generations that refer to it; without any, connections are closed when they become idle.
    var references = 0
    /// Requests that wait for a connection.
    var firstQueued = Handle.none
    var lastQueued = Handle.none
    /// Exchanges in flight: what least-request balancing looks at.
    var active: Int32 = 0
    var isFree = false
    /// An original-destination pool: lives as long as it has connections.
    var isOnDemand = false
}

extension UpstreamPool {
    /// Takes over what a cluster says about connections; those that are open heed it from their next request on.
    mutating func configure(_ cluster: ClusterDescriptor) {
        isInbound = cluster.direction == .inbound
        http2 = cluster.http2
        offeredProtocols = key.isPlain ? nil : protocols(of: cluster)
        maxConnectionMilliseconds = UInt64(cluster.options.maxConnectionMilliseconds)
        keepalive = cluster.options.keepalive
        socketOptions = cluster.options.socketOptions
        verifiesServerName = cluster.options.autoSANValidation
        idleTimeoutMilliseconds = UInt64(cluster.idleTimeoutMilliseconds)
        // A connection that began with a client's addresses carries nobody else's requests.
        maxRequestsPerConnection = key.proxyProtocol > 0 ? 1 : cluster.maxRequestsPerConnection
    }

    /// What ALPN offers where the transport socket does not say, or where it offers HTTP/2 and this pool speaks HTTP/1.1.
    private func protocols(of cluster: ClusterDescriptor) -> [UInt8]? {
        guard let context else { return nil }
        switch key.upstream {
        case .http1 where cluster.upstream.hasAlternate:
            // A sidecar on the other side takes an offer without one of the mesh's names for somebody else's TLS.
            let mesh = context.offers("istio") ? ["istio-http/1.1", "istio"] : []
            return TLSContext.wireForm(mesh + ["http/1.1"])
        case .http2 where cluster.upstream.hasAlternate && context.offers("istio"):
            return TLSContext.wireForm(["istio-h2", "istio", "h2"])
        case .http1, .downstream: return nil
        case .http2: return context.offersNothing ? TLSContext.wireForm(["h2"]) : nil
        case .auto: return context.offersNothing ? TLSContext.wireForm(["h2", "http/1.1"]) : nil
        }
    }
}
